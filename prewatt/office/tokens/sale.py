"""The three calls of a sale of credit by token: `ready` before its transaction, `ask_sale` in it, `issue_sale` after
it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Q

from prewatt.core.refusals import Refused
from prewatt.core.sts import CreditKind
from prewatt.office.tokens import campaign_issue, course, issuing, requests
from prewatt.office.tokens.asks import CreditAsk, carried, digest, kind_of, to_json
from prewatt.office.tokens.course import Outstanding
from prewatt.office.tokens.models import StsMeter, TokenRequest
from prewatt.office.tokens.rack import Rack
from prewatt.office.tokens.requests import Asked


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What a sale of this amount would put on the meter: book `carried`, not what was asked. Warn where
    `held.warns()`."""

    kind: CreditKind
    carried: int  # tenths, or 10^-5 base units
    held: Outstanding


@dataclass(frozen=True, kw_only=True)
class SaleTokens:
    """What a sale asked for. `sets` are key-change requests to be printed and entered first, oldest first."""

    credit: Asked
    sets: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Slip:
    """The digits of a sale in the order in which they have to be entered."""

    sets: tuple[tuple[str, ...], ...]
    credit: str


def quote(meter_id: int, amount: int, *, at: datetime, kind: CreditKind | None = None) -> Quote:
    """Before paying. Writes nothing. `amount` in the meter's own kind (tenths or 10^-5 base units), or in `kind`.

    Raises Refused `sts_meter_unknown`, `token_credit_kind` and what `requests.prepare` raises.
    """
    sts = requests.of_meter(meter_id)
    prepared = requests.prepare(sts, _ask(sts, amount, kind), at=at)
    assert prepared.carried is not None, "credit carries an amount"
    return Quote(kind=CreditKind(sts.credit_kind), carried=prepared.carried, held=course.outstanding(sts, at=at))


def ready(meter_id: int, *, rack: Rack, at: datetime) -> None:
    """Before the sale's transaction, not within one: make the key-change set that goes with this purchase, if there
    is one.

    Raises Refused `sts_meter_unknown`, and with `retry` True `vault_closed`, `vault_unavailable`.
    """
    campaign_issue.issue_one(requests.of_meter(meter_id), rack=rack, at=at)


def ask_sale(
    meter_id: int, amount: int, *, message_id: str, reference: str, actor: str, at: datetime, booked: int,
    kind: CreditKind | None = None,
) -> SaleTokens:  # fmt: skip
    """[T1] In the sale's transaction, last of what it locks. `booked` is what the books take as carried: it must agree.
    `amount` and `booked` as in `quote`: name the `kind` where the books know one alone.

    The same message gives what stands. Raises Refused as `requests.prepare` and `requests.ask`, and
    `token_message_reused`.
    """
    assert connection.in_atomic_block, "T1 belongs to the sale's transaction"
    stands = requests.standing(message_id)
    sts = requests.of_meter(meter_id)
    if stands is not None:
        return _same(stands, sts, _ask(sts, amount, kind))
    sets = campaign_issue.with_sale(sts, actor=actor, at=at)
    sts = requests.of_meter(meter_id)
    prepared = requests.prepare(sts, _ask(sts, amount, kind), at=at)
    if prepared.carried != booked:
        raise Refused("sts_meter_changed", retry=True)
    credit = requests.ask(prepared, message_id=message_id, actor=actor, reference=reference)
    return SaleTokens(credit=credit, sets=tuple(sets))


def issue_sale(tokens: SaleTokens, *, rack: Rack, at: datetime) -> Slip:
    """After the sale's transaction: the digits. May be called again at any time and gives the same.

    Raises Refused as `issuing.issue`: with `retry` True the sale stands and the sweep goes on; `token_refused` for good
    means that there are no digits and the sale may be reversed.
    """
    sets = tuple(issuing.issue(request_id, rack=rack, at=at) for request_id in tokens.sets)
    [credit] = issuing.issue(tokens.credit.request_id, rack=rack, at=at)
    return Slip(sets=sets, credit=credit)


def slips(requests_: Iterable[TokenRequest]) -> dict[int, Slip]:
    """What a customer enters for credit that stands, by request id, as it was given first. Requests without digits are
    left out."""
    rows = {row.pk: row for row in requests_ if row.state == TokenRequest.State.MADE}
    before = {pk: _sets_before(row) for pk, row in rows.items()}
    wanted = [*rows, *(pk for sets in before.values() for pk in sets)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT request_id, digits FROM tokens_token WHERE request_id = ANY(%s)", [wanted])
        digits = {request_id: tuple(found) for request_id, found in cursor.fetchall()}
    return {pk: Slip(sets=tuple(digits[each] for each in before[pk]), credit=digits[pk][0]) for pk in rows}


def _ask(sts: StsMeter, amount: int, kind: CreditKind | None) -> CreditAsk:
    if kind is not None and kind != sts.credit_kind:
        raise Refused("token_credit_kind")
    return CreditAsk(kind=CreditKind(sts.credit_kind), amount=amount)


def _same(stands: TokenRequest, sts: StsMeter, what: CreditAsk) -> SaleTokens:
    if stands.digest != digest(sts.pk, kind_of(what).value, to_json(what), False):
        raise Refused("token_message_reused")
    asked = Asked(request_id=stands.pk, tid=stands.tid, carried=carried(what), fresh=False)
    return SaleTokens(credit=asked, sets=_sets_before(stands))


def _sets_before(stands: TokenRequest) -> tuple[int, ...]:
    """The sets that went with a token that stands: those that lead to its key and were not known as entered when it was
    asked for. The same ones whenever it is asked."""
    rows = TokenRequest.objects.filter(
        Q(entered_at=None) | Q(entered_at__gt=stands.asked_at),
        Q(campaign_meter__state="delivered") | Q(campaign_meter__changed_at__gt=stands.asked_at),
        sts_meter_id=stands.sts_meter_id, kind=TokenRequest.Kind.KEY_CHANGE, new_key_id=stands.key_id,
        state=TokenRequest.State.MADE, made_at__lte=stands.asked_at,
    ).order_by("id").values_list("pk", flat=True)  # fmt: skip
    return tuple(rows)[-campaign_issue.SETS_HELD_MOST :]
