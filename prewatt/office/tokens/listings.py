"""What the pages list of tokens: rows of requests, proposals, campaigns and keys. Read only, and without digits.

`meters` is a set of the estate's meters that the reader may see (`estate.scope.visible_to`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet

from prewatt.office.estate.models import Meter, Site
from prewatt.office.tokens.models import Campaign, KeyDay, StoredKey, StsMeter, TokenProposal, TokenRequest

LIST_MOST: Final = 50  # rows of one page
TO_ENTER_MOST: Final = 3  # of those that are offered to be sent on a meter's page; all others from their own
EXPORT_MOST: Final = 20_000
FRESH: Final = timedelta(minutes=15)  # so long who asked for a token sees it without asking for a reprint


@dataclass(frozen=True, kw_only=True)
class TokenFilters:
    """Empty or None: not narrowed."""

    kind: str = ""
    state: str = ""
    meter_id: int | None = None  # of the estate
    since: datetime | None = None
    until: datetime | None = None


def tokens(
    site_id: int, meters: QuerySet[Meter], filters: TokenFilters, *, before_id: int | None = None, most: int = LIST_MOST
) -> list[TokenRequest]:
    """Requests, newest first."""
    rows = TokenRequest.objects.filter(site_id=site_id, sts_meter__meter__in=meters.values("pk"))
    if filters.meter_id is not None:
        rows = rows.filter(sts_meter__meter_id=filters.meter_id)
    if filters.kind:
        rows = rows.filter(kind=filters.kind)
    if filters.state == "entered":
        rows = rows.filter(entered_at__isnull=False)
    elif filters.state:
        rows = rows.filter(state=filters.state)
    if filters.since is not None:
        rows = rows.filter(asked_at__gte=filters.since)
    if filters.until is not None:
        rows = rows.filter(asked_at__lt=filters.until)
    if before_id is not None:
        rows = rows.filter(pk__lt=before_id)
    return list(rows.select_related("sts_meter__meter", "key", "new_key").order_by("-id")[:most])


def token(site_id: int, meters: QuerySet[Meter], request_id: int) -> TokenRequest | None:
    """One request, when its meter may be seen."""
    rows = TokenRequest.objects.select_related("sts_meter__meter", "sts_meter__site", "key", "new_key", "proposal")
    return rows.filter(pk=request_id, site_id=site_id, sts_meter__meter__in=meters.values("pk")).first()


def to_enter(meter_id: int, *, most: int = TO_ENTER_MOST) -> list[TokenRequest]:
    """Tokens of a meter that stand and are not known to be entered, newest first: what its customer may ask for."""
    rows = TokenRequest.objects.filter(
        sts_meter__meter_id=meter_id, state=TokenRequest.State.MADE, entered_at=None
    ).exclude(kind=TokenRequest.Kind.TEST)  # fmt: skip
    return list(rows.select_related("sts_meter__meter", "key", "new_key").order_by("-id")[:most])


def fresh(request: TokenRequest, *, actor: str, at: datetime) -> bool:
    """Made just now for the very person who looks: not a reprint yet."""
    return request.actor == actor and request.made_at is not None and at - request.made_at < FRESH


def proposals(
    site_id: int, meters: QuerySet[Meter], *, meter_id: int | None = None, most: int = LIST_MOST
) -> list[TokenProposal]:
    """What waits for a second person, oldest first."""
    rows = TokenProposal.objects.filter(
        decision=TokenProposal.Decision.OPEN, sts_meter__site_id=site_id, sts_meter__meter__in=meters.values("pk")
    )
    if meter_id is not None:
        rows = rows.filter(sts_meter__meter_id=meter_id)
    return list(rows.select_related("sts_meter__meter").order_by("id")[:most])


def proposal(site_id: int, meters: QuerySet[Meter], proposal_id: int) -> TokenProposal | None:
    rows = TokenProposal.objects.select_related("sts_meter__meter", "sts_meter__site")
    return rows.filter(
        pk=proposal_id, sts_meter__site_id=site_id, sts_meter__meter__in=meters.values("pk")
    ).first()  # fmt: skip


def meter(meter_id: int) -> StsMeter | None:
    """STS attributes of a meter of the estate, when it has some."""
    return StsMeter.objects.select_related("site").filter(meter_id=meter_id).first()


def campaigns(site_id: int, *, most: int = LIST_MOST) -> list[Campaign]:
    """Newest first."""
    return list(Campaign.objects.filter(site_id=site_id).select_related("new_key").order_by("-id")[:most])


def campaign(site_id: int, campaign_id: int) -> Campaign | None:
    rows = Campaign.objects.select_related("new_key", "site__company")
    return rows.filter(pk=campaign_id, site_id=site_id).first()


def keys_of(company_id: int, *, ended: bool = False) -> list[StoredKey]:
    """Vending keys that a company may vend with: its own, and those of all."""
    rows = StoredKey.objects.filter(Q(company_id=None) | Q(company_id=company_id))
    if not ended:
        rows = rows.filter(ended_at=None)
    return list(rows.select_related("company").order_by("sgc", "krn", "kt", "id"))


def used_today(ids: list[int], *, at: datetime) -> dict[int, KeyDay]:
    """What was asked of keys on the day (UTC) of `at`, by key."""
    return {row.key_id: row for row in KeyDay.objects.filter(key_id__in=ids, day=at.date())}


def holders(row: StoredKey) -> int:
    """How many meters in use hold a key made from this one."""
    named = {name: getattr(row, name) for name in ("sgc", "krn", "kt", "ken", "dkga", "base_date")}
    return StsMeter.objects.filter(**named, meter__removed_at=None).count()


def held_keys(site: Site) -> list[tuple[str, int, int, int]]:
    """(supply group, revision, key type, base date) that meters of a site hold: what a campaign may choose by."""
    rows = StsMeter.objects.filter(site=site, meter__removed_at=None).order_by("sgc", "krn", "kt", "base_date")
    return list(rows.values_list("sgc", "krn", "kt", "base_date").distinct())


def numbered(site: Site, numbers: list[str]) -> tuple[list[int], list[str]]:
    """(ids of STS meters, numbers without one) of meter numbers or meter PANs of a site, each once."""
    rows = StsMeter.objects.filter(site=site).filter(Q(meter__number__in=numbers) | Q(meter_pan__in=numbers))
    known = {text: pk for pk, number, pan in rows.values_list("pk", "meter__number", "meter_pan")
             for text in (number, pan)}  # fmt: skip
    return sorted({known[each] for each in numbers if each in known}), [each for each in numbers if each not in known]
