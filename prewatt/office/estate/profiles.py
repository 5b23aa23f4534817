"""Meter models: those that come with the product, and a site's own versions of them (自建表型).

A version is text that never changes. What is to be different is a new version, and a meter that stands moves to it by
an act (`changes.profiles`). Nothing is kept that `core.meters.own.check_own` refuses.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Max, Q, QuerySet

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.catalogue import shipped_text
from prewatt.core.meters.own import MAX_VERSION, OwnVersion, check_own, load_own, name_of, parted
from prewatt.core.refusals import Refused
from prewatt.office.estate import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.estate.models import Meter, ProfileVersion, Site
from prewatt.office.staff.audit import audit

logger = logging.getLogger(__name__)
MAX_CODES: Final = 200  # of one company: far more than there are makers in one town
MAX_NOTE: Final = 255  # the column
_KEPT: Final = 512  # profiles read in this process; each some 10 KB of text


@lru_cache(maxsize=_KEPT)
def _read(pk: int, created_at: datetime, name: str) -> Profile | None:
    """None: kept by an older release, and refused by this one. Its meters are left alone, as the head-end does.

    A row never changes, so it is read once for all; its moment tells it from a row of another database.
    """
    text = ProfileVersion.objects.values_list("text", flat=True).get(pk=pk, created_at=created_at)
    try:
        return load_own(OwnVersion(code=name, text=text))
    except Refused as refused:
        logger.error("own profile %s cannot be read: %s", name, refused.code)
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedVersion:
    """An own version that this release does not take, and how many meters that stand have it."""

    name: str
    refused: Refused
    meters: int


def refused_versions() -> list[RefusedVersion]:
    """Every own version that an older release kept and this one refuses: those of meters first."""
    found = []
    for row in ProfileVersion.objects.order_by("code", "version").iterator(chunk_size=_KEPT):
        name = name_of(row.code, row.version)
        try:
            load_own(OwnVersion(code=name, text=row.text))
        except Refused as refused:
            meters = Meter.objects.filter(profile=name, removed_at=None).count()
            found.append(RefusedVersion(name=name, refused=refused, meters=meters))
    return sorted(found, key=lambda each: -each.meters)


class Known(Mapping[str, Profile]):
    """Every model by what a meter calls it. Shipped ones cost nothing; own ones are asked for once for each `Known`,
    which lives as long as a page or an act."""

    def __init__(self, only: QuerySet[ProfileVersion] | None = None) -> None:
        self._rows = ProfileVersion.objects.all() if only is None else only
        self._own: dict[str, Profile] = {}
        self._all = False

    def __getitem__(self, name: str) -> Profile:
        shipped = catalogue().get(name)
        if shipped is not None:
            return shipped
        place = parted(name)
        if place is None:
            raise KeyError(name)
        if name not in self._own and not self._all:
            self._take(self._rows.filter(code=place[0], version=place[1]))
        return self._own[name]

    def _take(self, rows: QuerySet[ProfileVersion]) -> None:
        for row in rows.defer("text"):
            name = name_of(row.code, row.version)
            profile = _read(row.pk, row.created_at, name)
            if profile is not None:
                self._own[name] = profile

    def __iter__(self) -> Iterator[str]:
        if not self._all:
            self._take(self._rows.order_by("code", "version"))
            self._all = True
        yield from catalogue()
        yield from self._own

    def __len__(self) -> int:
        return sum(1 for _ in self)


def all_profiles() -> Known:
    """The models of every meter there is."""
    return Known()


def _of(site_id: int) -> QuerySet[ProfileVersion]:
    company = Site.objects.filter(pk=site_id).values("company_id")
    return ProfileVersion.objects.filter(Q(site_id=site_id) | Q(site=None, company_id__in=company))


def versions(site_id: int, code: str = "") -> QuerySet[ProfileVersion]:
    """The own versions a site may use, of one code where it is given, newest first."""
    rows = _of(site_id).filter(code=code) if code else _of(site_id)
    return rows.order_by("code", "-version")


def offered(site_id: int) -> Mapping[str, Profile]:
    """What a new meter of a site can be: shipped models, and the newest version of each of its own."""
    newest = _of(site_id).values("code").annotate(last=Max("version")).values_list("code", "last")
    chosen = Q(pk__in=[])
    for code, version in newest:
        chosen |= Q(code=code, version=version)
    return Known(_of(site_id).filter(chosen))


def site_profiles(site_id: int) -> Known:
    """Every model that a meter of this site may have."""
    return Known(_of(site_id))


def usable(name: str, site_id: int) -> Profile:
    """The model a meter of this site may have. Refuses meter_profile_unknown."""
    found = site_profiles(site_id).get(name)
    if found is None:
        raise Refused("meter_profile_unknown", profile=name)
    return found


def text_of(name: str, site_id: int) -> str:
    """The TOML of a model, to be read or copied. Refuses meter_profile_unknown."""
    place = parted(name)
    row = _of(site_id).filter(code=place[0], version=place[1]).first() if place is not None else None
    if row is not None:
        return row.text
    if name not in catalogue():
        raise Refused("meter_profile_unknown", profile=name)
    return shipped_text(name)


def save_version(
    site: Site, *, text: str, based_on: str, note: str, everywhere: bool, actor: str, at: datetime,
    holds_company: bool = True,
) -> ProfileVersion:  # fmt: skip
    """Keep a text as the next version of the code in it. The first version says whether a code is for one site or
    (`everywhere`) for all of its company; later ones follow it, and only who `holds_company` may keep them.

    Refuses what `check_own` does, profile_note_needed, profile_code_elsewhere, profile_of_company, profile_unchanged,
    profile_too_many.
    """
    profile, kept = check_own(text), note.strip()
    if not kept or len(kept) > MAX_NOTE:
        raise Refused("profile_note_needed", most=MAX_NOTE)
    try:
        with transaction.atomic():
            # whoever saves at the same moment waits here, so that numbers have no gap and nobody overwrites anybody
            Site.objects.select_for_update(no_key=True).get(pk=site.pk)
            last = ProfileVersion.objects.filter(code=profile.code).order_by("-version").first()
            if last is not None and not _of(site.pk).filter(pk=last.pk).exists():
                raise Refused("profile_code_elsewhere", taken=profile.code)
            if not holds_company and (everywhere if last is None else last.site_id is None):
                raise Refused("profile_of_company")
            if last is not None and last.text == text:
                raise Refused("profile_unchanged", profile=name_of(last.code, last.version))
            codes = ProfileVersion.objects.filter(company_id=site.company_id).values("code").distinct().count()
            if (last is None and codes >= MAX_CODES) or (last is not None and last.version >= MAX_VERSION):
                raise Refused("profile_too_many")
            row = ProfileVersion.objects.create(
                company_id=site.company_id, site=(None if everywhere else site) if last is None else last.site,
                code=profile.code, version=1 if last is None else last.version + 1, based_on=based_on[:48], note=kept,
                text=text, actor=actor, created_at=at,
            )  # fmt: skip
            name = name_of(row.code, row.version)
            audit(
                at=at, actor=actor, action="estate.profile_version", site_id=site.pk, object_type="profile",
                object_id=row.code, reason=kept,
                after={"profile": name, "based_on": row.based_on, "everywhere": row.site_id is None},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("profile_code_elsewhere", taken=profile.code) from None
    return row


def users(name: str, site_id: int) -> QuerySet[Meter]:
    """The meters of a site that have this model now."""
    return Meter.objects.filter(site_id=site_id, profile=name, removed_at=None).order_by("number")
