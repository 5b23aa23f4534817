"""Key-change campaigns (换密活动): choose meters, look what would happen, issue in batches that can be stopped at any
point.

The state of a meter: not issued, issued (digits stand), delivered (in a hand: sold under the new key from now on),
entered, confirmed by the first credit under the new key. A set is made once; every list and every reprint shows the
same digits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Count

from prewatt.core.refusals import Refused
from prewatt.core.sts import KeyType
from prewatt.core.sts.ids import KEY_CHANGES, check_ti
from prewatt.office.estate.models import Site
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.tokens import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.tokens.asks import digest
from prewatt.office.tokens.models import Campaign, CampaignMeter, StoredKey, StsMeter

NAME_MOST: Final = 64
State = Campaign.State
MeterState = CampaignMeter.State
HELD: Final = ("sgc", "krn", "kt", "ken", "dkga", "base_date")  # what names the key a meter holds
# which state an act needs, and which it leads to
STEPS: Final[dict[str, tuple[frozenset[str], Campaign.State]]] = {
    "start": (frozenset({State.DRAFT, State.PAUSED}), State.RUNNING),
    "pause": (frozenset({State.RUNNING}), State.PAUSED),
    "end": (frozenset({State.DRAFT, State.RUNNING, State.PAUSED}), State.ENDED),
}


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which meters of a site: all that are given must fit. `meter_ids` are STS meters; None: not asked."""

    sgc: str | None = None
    krn: int | None = None
    kt: int | None = None
    base_date: int | None = None
    building_id: int | None = None
    meter_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a dry run says of meters that hold the same key: an empty code means that sets will be made."""

    held: dict[str, Any]
    meters: int
    code: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Meters of a campaign by state."""

    counts: dict[str, int]

    @property
    def left(self) -> int:
        return self.counts.get(MeterState.NOT_ISSUED.value, 0)


def draft(
    site: Site, chosen: Selection, *, name: str, new_key: StoredKey, new_ti: str = "", with_next_purchase: bool = False,
    request_key: str, actor: Actor, at: datetime,
) -> Campaign:  # fmt: skip
    """Write a campaign down with its meters; nothing is issued. The same key gives the campaign that stands.

    Raises Refused `not_permitted`, `campaign_malformed`, `vending_key_ended`, `token_message_reused`, a wrong `new_ti`.
    """
    actor.require(Act.TOKENS)
    if not 1 <= len(name.strip()) <= NAME_MOST:
        raise Refused("campaign_malformed")
    if new_ti:
        check_ti(new_ti)
    if new_key.ended_at is not None:
        raise Refused("vending_key_ended")
    said = digest(site.pk, vars(chosen), name.strip(), new_key.pk, new_ti, with_next_purchase)
    with transaction.atomic():
        row, made = Campaign.objects.get_or_create(
            request_key=request_key,
            defaults={
                "digest": said, "site": site, "name": name.strip(), "new_key": new_key, "new_ti": new_ti,
                "with_next_purchase": with_next_purchase, "actor": actor.key, "made_at": at,
            },
        )  # fmt: skip
        if not made:
            if row.digest != said:
                raise Refused("token_message_reused")
            return row
        count = _choose(row, site, chosen, at)
        if not count:
            raise Refused("campaign_malformed")
        said_of = {"name": row.name, "meters": count, "new_key": new_key.pk, "new_ti": new_ti}
        _audit(row, "draft", actor, at, after=said_of)
    return row


def _choose(row: Campaign, site: Site, chosen: Selection, at: datetime) -> int:
    conditions = ["m.site_id = %s", "e.removed_at IS NULL"]
    values: list[str | int | list[int] | datetime] = [site.pk]
    for column in ("sgc", "krn", "kt", "base_date"):
        if (wanted := getattr(chosen, column)) is not None:
            conditions.append(f"m.{column} = %s")
            values.append(wanted)
    if chosen.meter_ids is not None:
        conditions.append("m.id = ANY(%s)")
        values.append(list(chosen.meter_ids))
    if chosen.building_id is not None:
        conditions.append(
            "EXISTS (SELECT FROM estate_circuit c JOIN estate_room r ON r.id = c.room_id"
            " WHERE c.meter_id = m.meter_id AND r.building_id = %s)"
        )
        values.append(chosen.building_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tokens_campaignmeter (campaign_id, sts_meter_id, state, code, changed_at)"
            " SELECT %s, m.id, 'not_issued', '', %s FROM tokens_stsmeter m JOIN estate_meter e ON e.id = m.meter_id"
            f" WHERE {' AND '.join(conditions)} ORDER BY m.id",
            (row.pk, at, *values),
        )
        return int(cursor.rowcount)


def dry_run(campaign: Campaign) -> list[Verdict]:
    """What issuing would do now to the meters not issued yet, by the key they hold; most meters first. Writes
    nothing."""
    groups = (
        StsMeter.objects.filter(campaignmeter__campaign=campaign, campaignmeter__state=MeterState.NOT_ISSUED)
        .values(*HELD, "ea", "three_tokens", "ti").annotate(meters=Count("pk")).order_by("-meters")
    )  # fmt: skip
    judged = Judge(campaign)
    found: dict[tuple[Any, ...], Verdict] = {}
    for group in groups:
        _, code = judged.key_and_code(group)
        held = {name: group[name] for name in (*HELD, "ea", "three_tokens")}
        place = (*held.values(), code)
        before = found[place].meters if place in found else 0
        found[place] = Verdict(held=held, meters=before + group["meters"], code=code)
    return sorted(found.values(), key=lambda each: (-each.meters, each.code))


class Judge:
    """Says for what a meter holds which vending key made it, and why no set can be made. One look-up for each key."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._new = campaign.new_key
        self._known: dict[tuple[Any, ...], StoredKey | None] = {}

    def key_and_code(self, held: dict[str, Any]) -> tuple[int | None, str]:
        """(id of the old vending key, "") or (None, refusal code)."""
        new, place = self._new, tuple(held[name] for name in HELD)
        if place not in self._known:
            self._known[place] = _stored(place, self._campaign.site.company_id)
        old = self._known[place]
        if old is None:
            return None, "vending_key_unknown"
        if new.ended_at is not None:
            return None, "vending_key_ended"
        if old.pk == new.pk and self._campaign.new_ti in ("", held["ti"]):
            return None, "key_change_needless"
        if old.provider != new.provider:
            return None, "vault_key_elsewhere"
        if new.dkga == "02" and held["ea"] == "11":
            return None, "dkga_ea_mismatch"
        if KeyType(new.kt) not in KEY_CHANGES[KeyType(old.kt)]:
            return None, "key_change_key_type"
        return old.pk, ""


def _stored(place: tuple[Any, ...], company_id: int) -> StoredKey | None:
    rows = StoredKey.objects.filter(**dict(zip(HELD, place, strict=True)), ended_at=None)
    return next((row for row in rows if row.company_id in (None, company_id)), None)


def step(campaign: Campaign, name: str, *, reason: str = "", actor: Actor, at: datetime) -> Campaign:
    """`start`, `pause` or `end` a campaign. What was issued stays issued. Raises `not_permitted`, `campaign_state`."""
    actor.require(Act.TOKENS)
    froms, to = STEPS[name]
    with transaction.atomic():
        row = Campaign.objects.select_for_update(no_key=True).filter(pk=campaign.pk).first()
        if row is None:
            raise Refused("campaign_unknown")
        if row.state not in froms:
            raise Refused("campaign_state", state=row.state)
        before, row.state = row.state, to
        row.save(update_fields=["state"])
        _audit(row, name, actor, at, reason=reason, after={"state": to.value, "before": before})
    return row


def again(campaign: Campaign, *, sts_meter_ids: Iterable[int] | None = None, actor: Actor, at: datetime) -> int:
    """Put refused meters back, after their record or the keys were repaired; how many. None: all of them.

    A meter whose set was asked already and refused by the vault stays refused: its request cannot change.
    """
    actor.require(Act.TOKENS)
    rows = CampaignMeter.objects.filter(campaign=campaign, state=MeterState.REFUSED, request=None)
    if sts_meter_ids is not None:
        rows = rows.filter(sts_meter_id__in=list(sts_meter_ids))
    with transaction.atomic():
        changed = rows.update(state=MeterState.NOT_ISSUED, code="", changed_at=at)
        _audit(campaign, "again", actor, at, after={"meters": changed})
    return changed


def progress(campaign: Campaign) -> Progress:
    """How many meters are in which state."""
    rows = CampaignMeter.objects.filter(campaign=campaign).values_list("state").annotate(Count("pk")).order_by()
    return Progress(counts=dict(rows))


def _audit(
    row: Campaign, act: str, actor: Actor, at: datetime, *, after: dict[str, object], reason: str = ""
) -> None:
    audit(
        at=at, actor=actor.key, action=f"tokens.campaign_{act}", site_id=row.site_id, object_type="campaign",
        object_id=str(row.pk), reason=reason, after=after,
    )  # fmt: skip
