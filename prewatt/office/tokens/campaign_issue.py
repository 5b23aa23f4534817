"""Issuing a campaign: batch by batch, [T1] requests, the vault outside any transaction, [T2] digits. And what follows
a set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from prewatt.core.refusals import Refused
from prewatt.core.sts import Ea
from prewatt.office.ledger.call import call
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.tokens.campaigns import HELD, Judge, MeterState, State
from prewatt.office.tokens.course import adopt
from prewatt.office.tokens.keys import name_of
from prewatt.office.tokens.models import Campaign, CampaignMeter, StoredKey, StsMeter, TokenRequest
from prewatt.office.tokens.rack import Rack
from prewatt.office.tokens.vault import Holder, KeyChangeOrder

BATCH: Final = 8192  # meters in one transaction: some 20 MB here, and one second of the database
SMALLER: Final = 8  # a batch that a daily limit refused is tried again so many times smaller
SETS_HELD_MOST: Final = 4  # key-change sets printed before a sale's token: more are no sale but a repair


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one batch did. `claimed` 0: nothing is left to issue."""

    claimed: int
    issued: int
    refused: int


def issue_batch(campaign_id: int, *, rack: Rack, at: datetime, most: int = BATCH) -> Batch:
    """Issue the next meters of a running campaign. Not within a transaction; may run in several processes at once.

    A crash between the two transactions leaves requests without digits: the next batch makes them first. Raises Refused
    `campaign_unknown`, `campaign_state`, and with `retry` True `vault_closed`, `vault_unavailable`; `vending_limit`
    where the old key's daily limit is reached (go on tomorrow).
    """
    campaign, left, claimed, refused = _claim(campaign_id, most, at)
    return Batch(claimed=claimed, issued=_make(campaign, left, rack, at), refused=refused + _lost(campaign, left))


def _claim(campaign_id: int, most: int, at: datetime) -> tuple[Campaign, list[int], int, int]:
    """[T1] (campaign, requests without digits, claimed, refused). Near a daily limit smaller batches are tried."""
    while True:
        try:
            with transaction.atomic(durable=True):
                campaign = Campaign.objects.select_related("site", "new_key").filter(pk=campaign_id).first()
                if campaign is None:
                    raise Refused("campaign_unknown")
                if campaign.state != State.RUNNING:
                    raise Refused("campaign_state", state=campaign.state)
                left = _without_digits(campaign_id, most)
                claimed, refused = (len(left), 0) if left else _ask_next(campaign, at, most)
            return campaign, left or _without_digits(campaign_id, most), claimed, refused
        except Refused as limited:
            if limited.code != "vending_limit" or most == 1:
                raise
            most = max(1, most // SMALLER)


def issue_one(sts: StsMeter, *, rack: Rack, at: datetime) -> int:
    """Before a sale, outside its transaction: issue this meter's set of a running campaign that goes with the next
    purchase.

    How many sets were made; 0 is usual. A vault that is away raises (retry), so that no credit is sold past the change.
    """
    with transaction.atomic(durable=True):
        rows = list(
            CampaignMeter.objects.select_related("campaign__site", "campaign__new_key").filter(
                sts_meter=sts, state=MeterState.NOT_ISSUED, campaign__state=State.RUNNING,
                campaign__with_next_purchase=True,
            ).select_for_update(of=("self",))[:SETS_HELD_MOST]
        )  # fmt: skip
        for row in rows:
            if row.request_id is None:
                _ask_rows(row.campaign, [_facts(row.pk)], at)
    made = 0
    for row in rows:
        request_id = CampaignMeter.objects.values_list("request_id", flat=True).get(pk=row.pk)
        made += _make(row.campaign, [request_id], rack, at) if request_id is not None else 0
    return made


_FACTS: Final = (
    "SELECT cm.id, m.ea, m.three_tokens, m.ti, m.sgc, m.krn, m.kt, m.ken, m.dkga, m.base_date"
    " FROM tokens_campaignmeter cm JOIN tokens_stsmeter m ON m.id = cm.sts_meter_id"
)
_COLUMNS: Final = ("id", "ea", "three_tokens", "ti", *HELD)


def _facts(row_id: int) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"{_FACTS} WHERE cm.id = %s", [row_id])
        return dict(zip(_COLUMNS, cursor.fetchone(), strict=True))


def _ask_next(campaign: Campaign, at: datetime, most: int) -> tuple[int, int]:
    """[T1] (claimed, refused). Rows that another process holds are left to it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_FACTS} WHERE cm.campaign_id = %s AND cm.state = 'not_issued' AND cm.request_id IS NULL"
            " ORDER BY cm.id LIMIT %s FOR UPDATE OF cm SKIP LOCKED",
            [campaign.pk, most],
        )
        rows = [dict(zip(_COLUMNS, row, strict=True)) for row in cursor.fetchall()]
    return len(rows), _ask_rows(campaign, rows, at)


def _ask_rows(campaign: Campaign, rows: Sequence[dict[str, Any]], at: datetime) -> int:
    judge = Judge(campaign)
    fine: list[tuple[int, int]] = []
    refused: dict[str, list[int]] = {}
    for row in rows:
        key_id, code = judge.key_and_code(row)
        if key_id is None:
            refused.setdefault(code, []).append(row["id"])
        else:
            fine.append((row["id"], key_id))
    for code, ids in refused.items():
        CampaignMeter.objects.filter(pk__in=ids).update(state=MeterState.REFUSED, code=code, changed_at=at)
    if fine:
        call(
            "SELECT tokens_campaign_ask(%s, %s, %s, %s)",
            [campaign.pk, [row_id for row_id, _ in fine], [key_id for _, key_id in fine], at],
        )
    if rows:
        audit(
            at=at, actor=campaign.actor, action="tokens.campaign_batch", site_id=campaign.site_id,
            object_type="campaign", object_id=str(campaign.pk),
            after={"asked": len(fine), "refused": len(rows) - len(fine)},
        )  # fmt: skip
    return len(rows) - len(fine)


def _without_digits(campaign_id: int, most: int) -> list[int]:
    with connection.cursor() as cursor:  # from the few that wait, never over all that are not issued yet
        cursor.execute(
            "SELECT r.id FROM tokens_tokenrequest r JOIN tokens_campaignmeter cm ON cm.request_id = r.id"
            " WHERE r.state = 'waiting' AND cm.campaign_id = %s ORDER BY r.id LIMIT %s",
            [campaign_id, most],
        )
        return [request_id for [request_id] in cursor.fetchall()]


def _make(campaign: Campaign, request_ids: Sequence[int], rack: Rack, at: datetime) -> int:
    """The vault, then [T2]. How many sets stand newly."""
    if not request_ids:
        return 0
    requests = _fixed(request_ids)
    vault = rack.vault(campaign.new_key.provider)
    made: list[tuple[int, str]] = []
    lost: dict[str, list[int]] = {}
    for (request_id, *_), result in zip(requests, vault.issue_sets(_orders(requests)), strict=True):
        if isinstance(result, Refused):
            lost.setdefault(result.code, []).append(request_id)
        else:
            made.append((request_id, " ".join(result)))
    with transaction.atomic(durable=True):
        for code, ids in lost.items():
            TokenRequest.objects.filter(pk__in=ids, state=TokenRequest.State.WAITING).update(
                state=TokenRequest.State.REFUSED, code=code
            )
            CampaignMeter.objects.filter(request_id__in=ids).update(state=MeterState.REFUSED, code=code, changed_at=at)
        row = call(
            "SELECT tokens_campaign_made(%s, %s, %s, %s)",
            [campaign.pk, [pk for pk, _ in made], [digits for _, digits in made], at],
        )
    assert row is not None
    return int(row[0])


def _fixed(request_ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """What determines the digits of many key changes, as tuples and by keys: a million rows pass through here."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, message_id, key_id, new_key_id, meter_pan, ea, ti, content->>'new_ti',"
            " (content->'rollover')::bool, (content->'three_tokens')::bool FROM tokens_tokenrequest"
            " WHERE id = ANY(%s) AND kind = 'key_change' ORDER BY key_id, ea, 9, 10, id",
            [list(request_ids)],
        )
        return list(cursor.fetchall())


def _orders(requests: Sequence[tuple[Any, ...]]) -> Iterator[KeyChangeOrder]:
    """The orders that `issuing.order_of` makes of the same rows."""
    ids = {key_id for row in requests for key_id in row[2:4]}
    names = {row.pk: name_of(row) for row in StoredKey.objects.filter(pk__in=ids)}
    for _, message_id, key_id, new_key_id, meter_pan, ea, ti, new_ti, rollover, three_tokens in requests:
        yield KeyChangeOrder(
            message_id=message_id, key=names[key_id], holder=Holder(meter_pan=meter_pan, ti=ti, ea=Ea(ea)),
            new_key=names[new_key_id], new_ti=new_ti, rollover=rollover, three_tokens=three_tokens,
        )  # fmt: skip


def _lost(campaign: Campaign, request_ids: Sequence[int]) -> int:
    return CampaignMeter.objects.filter(
        campaign=campaign, request_id__in=request_ids, state=MeterState.REFUSED
    ).count() if request_ids else 0  # fmt: skip


def deliver(row: CampaignMeter, *, actor: Actor, at: datetime) -> None:
    """The set is in the customer's or the fitter's hand: tokens from now on are made under the new key.

    Told twice changes nothing. Raises Refused `not_permitted`, `campaign_meter_state`, `sts_meter_changed`.
    """
    actor.require(Act.TOKENS)
    with transaction.atomic():
        locked = CampaignMeter.objects.select_for_update(of=("self",)).select_related("request__key").get(pk=row.pk)
        if locked.state in (MeterState.DELIVERED, MeterState.ENTERED, MeterState.CONFIRMED):
            return
        if locked.state != MeterState.ISSUED:
            raise Refused("campaign_meter_state", state=locked.state)
        if not _hand_over(locked, actor.key, at):
            raise Refused("sts_meter_changed")


def with_sale(sts: StsMeter, *, actor: str, at: datetime) -> list[int]:
    """In the sale's transaction, before its credit is prepared: the key-change sets to print and enter before the
    credit token.

    Sets that go with the next purchase are delivered by this; sets that are out and not known to be entered are printed
    again. The meter's row moves to the new key: read `requests.of_meter` after this.
    """
    assert connection.in_atomic_block, "belongs to the sale's transaction"
    rows = list(
        CampaignMeter.objects.select_for_update(of=("self",)).select_related("request__key", "campaign").filter(
            sts_meter=sts, state__in=[MeterState.ISSUED, MeterState.DELIVERED]
        ).order_by("id")
    )  # fmt: skip
    found: list[int] = []
    for row in rows:
        if row.state == MeterState.ISSUED:
            if not row.campaign.with_next_purchase or row.campaign.state == State.ENDED:
                continue
            if not _hand_over(row, actor, at):
                continue  # the meter's record was repaired past this set: it stays with the office, the sale goes on
        if row.request_id is not None:
            found.append(row.request_id)
    return found[-SETS_HELD_MOST:]


def _hand_over(row: CampaignMeter, actor: str, at: datetime) -> bool:
    assert row.request is not None, "issued sets have a request"
    if not adopt(row.request, actor=actor, at=at):
        return False
    row.state, row.changed_at = MeterState.DELIVERED, at
    row.save(update_fields=["state", "changed_at"])
    return True
