"""Explain a token that somebody brings: what it says, what the meter will answer, and what our own books know of it.

Whoever may ask this without end could look for tokens that a meter takes. So a reading under a meter's key is counted,
left in the trail, and refused above a number an hour; the keys themselves are used and never shown.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from prewatt.core.refusals import Refused, Text, register
from prewatt.core.sts import DecoderKey, Ea
from prewatt.core.sts.explain import MAX_OTHER_KEYS, Explanation, Known, NamedKey, explain
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.models import AuditRow
from prewatt.office.staff.roles import Act
from prewatt.office.tokens.keys import key_of, name_of
from prewatt.office.tokens.models import StoredKey, StsMeter, TokenRequest
from prewatt.office.tokens.rack import Rack
from prewatt.office.tokens.vault import Holder

AN_HOUR: Final = 30  # readings of one person under meters' keys
READER: Final = "token_reader"  # what the trail calls it
SETS_LOOKED_AT: Final = 20  # key-change sets of a meter that are compared: it has a few in its life

register(
    {
        "token_readings_spent": Text(
            en="You read {most} tokens under meters' keys within the hour. Nothing was read. Try again later.",
            zh="您在一小时内按电表密钥解读的令牌已达 {most} 个。没有解读。请稍后再试。",
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is said of a token. `request` is ours with these digits; `why_no_key` is the code why no key was used."""

    explanation: Explanation
    request: TokenRequest | None = None
    why_no_key: str = ""


def read(digits: str, sts: StsMeter | None, *, rack: Rack, actor: Actor, at: datetime) -> Reading:
    """Never refuses for the token's sake: what cannot be read is explained. Without a meter only the clear parts.

    Raises Refused `not_permitted`, `token_readings_spent`.
    """
    actor.require(Act.VIEW)
    clear = explain(digits, Known())
    if sts is None or all(each.code != "no_key" for each in clear.reasons):  # class 1, or no token at all
        return Reading(explanation=clear)
    _count(sts, actor, at)
    found = _ours(digits, sts)
    try:
        key = _decoder_key(key_of(sts), sts.ti, sts, rack)
    except Refused as refused:
        return Reading(explanation=clear, request=found, why_no_key=refused.code)
    known = Known(key=key, other_keys=_others(sts, rack))
    told = explain(digits, known)
    if told.decoded is not None and (tid := getattr(told.decoded.token, "tid", None)) is not None:
        found = found or _with_tid(sts, tid, digits)
        if found is not None and found.entered_at is not None:  # it stands in the meter's store
            told = explain(digits, replace(known, tid_store=(tid,)))
    return Reading(explanation=told, request=found)


def _count(sts: StsMeter, actor: Actor, at: datetime) -> None:
    mine = AuditRow.objects.filter(object_type=READER, object_id=str(actor.operator_id))
    lately = list(mine.order_by("-id").values_list("at", flat=True)[:AN_HOUR])
    if len(lately) == AN_HOUR and lately[-1] > at - timedelta(hours=1):
        raise Refused("token_readings_spent", most=AN_HOUR, retry=True)
    with transaction.atomic():
        audit(
            at=at, actor=actor.key, action="tokens.read", site_id=sts.site_id, object_type=READER,
            object_id=str(actor.operator_id), after={"meter": sts.meter_id},
        )  # fmt: skip


def _decoder_key(row: StoredKey, ti: str, sts: StsMeter, rack: Rack) -> DecoderKey:
    vault = rack.vault(row.provider)
    give = getattr(vault, "decoder_key", None)
    if give is None:  # a security module keeps them
        raise Refused("vault_key_elsewhere")
    key: DecoderKey = give(name_of(row), Holder(meter_pan=sts.meter_pan, ti=ti, ea=Ea(sts.ea)))
    return key


def _others(sts: StsMeter, rack: Rack) -> tuple[NamedKey, ...]:
    """Keys this meter had or is to have, by its own key changes: newest first, and no others."""
    changes = TokenRequest.objects.filter(
        sts_meter=sts, kind=TokenRequest.Kind.KEY_CHANGE, meter_pan=sts.meter_pan
    ).select_related("key", "new_key").order_by("-id")[:MAX_OTHER_KEYS]  # fmt: skip
    found: dict[tuple[int, str], StoredKey] = {}
    for change in changes:
        if change.key is not None and change.new_key is not None:
            found.setdefault((change.new_key.pk, str(change.content["new_ti"])), change.new_key)
            found.setdefault((change.key.pk, change.ti), change.key)
    made = []
    for (_pk, ti), row in list(found.items())[:MAX_OTHER_KEYS]:
        if _names(row) == _names(sts) and ti == sts.ti:
            continue
        try:
            key = _decoder_key(row, ti, sts, rack)
        except Refused:
            continue  # ended, or in another vault: then it explains nothing
        made.append(NamedKey(name=f"SGC {row.sgc}, KRN {row.krn}, TI {ti}", key=key))
    return tuple(made)


def _names(row: StoredKey | StsMeter) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in ("sgc", "krn", "kt", "ken", "dkga", "base_date"))


def _with_tid(sts: StsMeter, tid: int, digits: str) -> TokenRequest | None:
    rows = TokenRequest.objects.select_related("key").filter(meter_pan=sts.meter_pan, tid=tid)
    row = rows.first()
    return row if row is not None and digits in _digits([row.pk]).get(row.pk, ()) else None


def _ours(digits: str, sts: StsMeter) -> TokenRequest | None:
    """A key-change set of this meter with these digits; those carry no token identifier to look for."""
    rows = TokenRequest.objects.filter(sts_meter=sts, kind=TokenRequest.Kind.KEY_CHANGE).select_related("key")
    sets = {row.pk: row for row in rows.order_by("-id")[:SETS_LOOKED_AT]}
    return next((sets[pk] for pk, found in _digits(list(sets)).items() if digits in found), None)


def _digits(request_ids: list[int]) -> dict[int, tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT request_id, digits FROM tokens_token WHERE request_id = ANY(%s)", [request_ids])
        return {request_id: tuple(found) for request_id, found in cursor.fetchall()}
