"""Companies, sites, buildings and rooms."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import IntegrityError, transaction
from django.db.models import F

from prewatt.core.refusals import Refused
from prewatt.core.units import currency as known_currency
from prewatt.office.estate import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.estate.initials import initials
from prewatt.office.estate.models import Building, Company, Contract, Gateway, Plan, Room, Site
from prewatt.office.ledger.models import Entry
from prewatt.office.staff.audit import audit

NAME_MOST: Final = 120  # the column
CODE_MOST: Final = 16


def add_company(*, name: str, currency: str, actor: str, at: datetime) -> Company:
    """A legal entity with books of its own. Refuses name_needed, text_too_long, currency_not_known."""
    unit, wanted = known_currency(currency), _named(name, NAME_MOST)
    with transaction.atomic():
        company = Company.objects.create(name=wanted, currency=unit.code, exponent=unit.exponent)
        audit(
            at=at, actor=actor, action="estate.company_add", site_id=None, object_type="company",
            object_id=str(company.pk), after={"name": name, "currency": currency},
        )  # fmt: skip
    return company


def add_site(company: Company, *, code: str, name: str, timezone: str, actor: str, at: datetime) -> Site:
    """An estate under one management. Refuses name_needed, text_too_long, timezone_unknown, code_taken."""
    wanted_code, wanted = _named(code, CODE_MOST), _named(name, NAME_MOST)
    _zone(timezone)
    try:
        with transaction.atomic():
            site = Site.objects.create(company=company, code=wanted_code, name=wanted, timezone=timezone)
            audit(
                at=at, actor=actor, action="estate.site_add", site_id=site.pk, object_type="site",
                object_id=str(site.pk), after={"code": code, "name": name, "timezone": timezone},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("code_taken", taken=code) from None
    return site


def currency_is_fixed(company: Company) -> bool:
    """Whether anything stands in the company's currency already: an entry of its books, or a price."""
    booked = Entry.objects.filter(company_id=company.pk).exists()
    return booked or Plan.objects.filter(company=company).exists()


def edit_company(company: Company, *, name: str, currency: str, actor: str, at: datetime) -> None:
    """Another name; another currency as long as nothing stands in the first one.

    Refuses name_needed, text_too_long, currency_not_known, currency_fixed.
    """
    unit, wanted = known_currency(currency), _named(name, NAME_MOST)
    before = {"name": company.name, "currency": company.currency}
    with transaction.atomic():
        row = Company.objects.select_for_update().get(pk=company.pk)
        if unit.code != row.currency and currency_is_fixed(row):
            raise Refused("currency_fixed", currency=row.currency)
        Company.objects.filter(pk=row.pk).update(name=wanted, currency=unit.code, exponent=unit.exponent)
        audit(
            at=at, actor=actor, action="estate.company_edit", site_id=None, object_type="company",
            object_id=str(row.pk), before=before, after={"name": wanted, "currency": unit.code},
        )  # fmt: skip
    company.name, company.currency, company.exponent = wanted, unit.code, unit.exponent


def timezone_is_fixed(site: Site) -> bool:
    """Whether days are counted by the site's zone already: of contracts, of closed books."""
    return Contract.objects.filter(site=site).exists() or Entry.objects.filter(site_id=site.pk).exists()


def edit_site(
    site: Site, *, code: str, name: str, timezone: str, closes_by_key: bool | None = None, actor: str, at: datetime
) -> None:
    """Another code or name; another time zone before the first contract; how a supply comes back (None: as it is).

    Refuses name_needed, text_too_long, timezone_unknown, timezone_fixed, code_taken.
    """
    wanted_code, wanted = _named(code, CODE_MOST), _named(name, NAME_MOST)
    _zone(timezone)
    by_key = site.closes_by_key if closes_by_key is None else closes_by_key
    before = {"code": site.code, "name": site.name, "timezone": site.timezone, "closes_by_key": site.closes_by_key}
    after = {"code": wanted_code, "name": wanted, "timezone": timezone, "closes_by_key": by_key}
    try:
        with transaction.atomic():
            row = Site.objects.select_for_update().get(pk=site.pk)
            if timezone != row.timezone and timezone_is_fixed(row):
                raise Refused("timezone_fixed", timezone=row.timezone)
            Site.objects.filter(pk=row.pk).update(**after)
            if by_key != row.closes_by_key:  # the head-ends fetch their plans again
                Gateway.objects.filter(site=row).update(revision=F("revision") + 1)
            audit(
                at=at, actor=actor, action="estate.site_edit", site_id=site.pk, object_type="site",
                object_id=str(site.pk), before=before, after=after,
            )  # fmt: skip
    except IntegrityError:
        raise Refused("code_taken", taken=wanted_code) from None
    site.code, site.name, site.timezone, site.closes_by_key = wanted_code, wanted, timezone, by_key


def _named(text: str, most: int) -> str:
    """A name that is there and fits. Refuses name_needed, text_too_long."""
    wanted = text.strip()
    if not wanted:
        raise Refused("name_needed")
    if len(wanted) > most:
        raise Refused("text_too_long", most=most)
    return wanted


def _zone(timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of the zone tables is an OSError
        raise Refused("timezone_unknown", timezone=timezone[:48]) from None


def add_building(site: Site, *, code: str, name: str, sort: int, actor: str, at: datetime) -> Building:
    """A building of a site. Refuses name_needed, code_taken."""
    if not code.strip() or not name.strip():
        raise Refused("name_needed")
    try:
        with transaction.atomic():
            building = Building.objects.create(site=site, code=code.strip(), name=name.strip(), sort=sort)
            audit(
                at=at, actor=actor, action="estate.building_add", site_id=site.pk, object_type="building",
                object_id=str(building.pk), after={"code": code, "name": name},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("code_taken", taken=code) from None
    return building


def add_room(
    building: Building, *, floor: int, code: str, name: str, area_dm2: int | None, actor: str, at: datetime
) -> Room:
    """A place that can be supplied; `name` is the sign over its door. Refuses name_needed, code_taken."""
    if not code.strip():
        raise Refused("name_needed")
    try:
        with transaction.atomic():
            room = Room.objects.create(
                building=building, floor=floor, code=code.strip(), name=name.strip(), initials=initials(name),
                area_dm2=area_dm2,
            )  # fmt: skip
            audit(
                at=at, actor=actor, action="estate.room_add", site_id=building.site_id, object_type="room",
                object_id=str(room.pk), after={"floor": floor, "code": code, "name": name},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("code_taken", taken=code) from None
    return room


def edit_building(building: Building, *, name: str, sort: int, actor: str, at: datetime) -> None:
    """Another name or place in the order. Refuses name_needed."""
    if not name.strip():
        raise Refused("name_needed")
    before = {"name": building.name, "sort": building.sort}
    with transaction.atomic():
        building.name, building.sort = name.strip(), sort
        building.save(update_fields=["name", "sort"])
        audit(
            at=at, actor=actor, action="estate.building_edit", site_id=building.site_id, object_type="building",
            object_id=str(building.pk), before=before, after={"name": building.name, "sort": sort},
        )  # fmt: skip


def edit_room(
    room: Room, *, floor: int, code: str, name: str, area_dm2: int | None, actor: str, at: datetime
) -> None:
    """Another code, floor, sign or area. Refuses name_needed, code_taken."""
    if not code.strip():
        raise Refused("name_needed")
    before = {"floor": room.floor, "code": room.code, "name": room.name, "area_dm2": room.area_dm2}
    try:
        with transaction.atomic():
            room.floor, room.code, room.name, room.area_dm2 = floor, code.strip(), name.strip(), area_dm2
            room.initials = initials(name)
            room.save(update_fields=["floor", "code", "name", "area_dm2", "initials"])
            audit(
                at=at, actor=actor, action="estate.room_edit", site_id=room.building.site_id, object_type="room",
                object_id=str(room.pk), before=before,
                after={"floor": floor, "code": room.code, "name": room.name, "area_dm2": area_dm2},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("code_taken", taken=code) from None
