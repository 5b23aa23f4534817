"""Write the demo site into an empty database, through the verbs of the office, in bulk where they offer it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Final
from zoneinfo import ZoneInfo

from django.db import transaction

from prewatt.core.meters.jobs import Wish
from prewatt.core.meters.quantities import StatusBit
from prewatt.office.estate import places, plans, stations, wires
from prewatt.office.estate.history import KnownCustomer, StandingMeter, load_customers, load_meters
from prewatt.office.estate.models import Building, Circuit, Company, Line, Plan, Site
from prewatt.office.metering import wishes
from prewatt.office.metering.history import PastReading, load_readings
from prewatt.office.vending.opening_history import PastOpening, load_openings
from prewatt.wiring.demo.past import DAYS, OPENING_COUNT, Past, marks_of, price_change, prices
from prewatt.wiring.demo.places import BUILDINGS, LINES, MALL, STATIONS, Aim, Place

ACTOR: Final = "system"
ZONE: Final = ZoneInfo("Asia/Shanghai")
OFFLINE_FOR: Final = timedelta(hours=9, minutes=32)
PLANS: Final = {"shop": "商铺电价", "dorm": "宿舍电价"}
_BIT: Final = {bit: 1 << position for position, bit in enumerate(StatusBit)}


@dataclass(frozen=True, kw_only=True)
class Estate:
    """The rows that the rest of the load refers to."""

    company: Company
    site: Site
    buildings: Mapping[str, Building]  # by code
    plans: Mapping[str, Plan]
    circuits: Mapping[str, Circuit]  # by meter number
    company_since: datetime


def write_estate(wanted: Sequence[Place], ports: Mapping[str, int], *, now: datetime) -> Estate:
    """Company, sites, buildings, rooms, gateways, lines, meters and plans, as of the day the meters were hung."""
    hung = now - timedelta(days=DAYS + 5)
    with transaction.atomic():
        company = places.add_company(name="锦湖商业管理有限公司", currency="CNY", actor=ACTOR, at=hung)
        site = places.add_site(company, code="jinhu", name="锦湖广场", timezone=ZONE.key, actor=ACTOR, at=hung)
        buildings = {
            code: places.add_building(site, code=code, name=name, sort=sort, actor=ACTOR, at=hung)
            for code, name, sort in BUILDINGS
        }
        lines = _lines(site, ports, at=hung)
        circuits = _circuits(wanted, buildings, lines, at=hung)
        made = {code: _plan(company, code, now=now, at=hung) for code in PLANS}
    return Estate(
        company=company, site=site, buildings=buildings, plans=made, circuits=circuits, company_since=hung
    )  # fmt: skip


def _lines(site: Site, ports: Mapping[str, int], *, at: datetime) -> dict[str, Line]:
    gateways = {}
    lines = {}
    for place in LINES:
        if place.gateway not in gateways:
            gateways[place.gateway] = wires.add_gateway(
                site, code=place.gateway, name=place.gateway_name, host="" if place.identity else "127.0.0.1",
                identity=place.identity, actor=ACTOR, at=at,
            )  # fmt: skip
        lines[place.key] = wires.add_line(
            gateways[place.gateway], code=place.code, transport=place.transport, port=ports[place.key], baud=9600,
            actor=ACTOR, at=at,
        )  # fmt: skip
    for code, name, where, equipment, standing in STATIONS:
        station = stations.add_station(
            site, code=code, name=name, place=where, equipment=equipment, actor=ACTOR, at=at
        )
        for each in standing:
            stations.assign(gateways[each], station, actor=ACTOR, at=at)
    return lines


def _circuits(
    wanted: Sequence[Place], buildings: Mapping[str, Building], lines: Mapping[str, Line], *, at: datetime
) -> dict[str, Circuit]:
    standing = [
        StandingMeter(
            building=buildings[place.building], floor=place.floor, room=place.room, sign=place.sign,
            area_dm2=place.area_dm2 or None, line=lines[place.line], number=place.number, profile=place.profile,
            unit=place.unit, ct_ratio=place.ct_ratio, common=place.aim is Aim.COMMON,
        )
        for place in wanted
    ]  # fmt: skip
    return {number: circuits[0] for number, circuits in load_meters(standing, actor=ACTOR, at=at).items()}


def _plan(company: Company, code: str, *, now: datetime, at: datetime) -> Plan:
    before, after = prices(code)
    plan = plans.add_plan(
        company, code=code, name=PLANS[code], price=before, valid_from=at - timedelta(days=365), actor=ACTOR, at=at
    )
    change = price_change(now, ZONE)
    plans.add_version(plan, price=after, valid_from=change, actor=ACTOR, at=change - timedelta(days=7))
    return plan


def write_contracts(estate: Estate, wanted: Sequence[Place], *, now: datetime) -> dict[str, str]:
    """A customer and a contract for each meter-held circuit that is opened; meter number -> contract number."""
    opened = now - timedelta(days=DAYS, hours=1)
    numbers: dict[str, str] = {}
    openings: list[PastOpening] = []
    with transaction.atomic():
        supplied = [
            (position, place) for position, place in enumerate(wanted)
            if place.aim not in (Aim.COMMON, Aim.NOT_OPENED) and not place.held
        ]  # fmt: skip
        customers = load_customers(
            estate.company,
            [
                KnownCustomer(name=place.tenant, phone=place.phone, customer_class=place.customer_class)
                for _, place in supplied
            ],
            actor=ACTOR,
            at=opened,
        )
        for (position, place), customer in zip(supplied, customers, strict=True):
            number = f"{300 if place.desk == MALL else 301}{10001 + position}"
            numbers[place.number] = number
            openings.append(
                PastOpening(
                    number=number, circuit=estate.circuits[place.number], customer=customer,
                    plan=estate.plans[place.plan], opened_at=opened, alarm_1=place.alarm_1, alarm_2=place.alarm_2,
                    overdraft=place.overdraft, hoarding_limit=place.hoarding, load_limit_w=place.load_limit_w,
                    purchase_count=OPENING_COUNT, price=prices(place.plan)[1] if place.money else None,
                )
            )  # fmt: skip
        load_openings(openings, actor=ACTOR, at=opened)
    return numbers


def write_readings(
    estate: Estate, wanted: Sequence[Place], pasts: Mapping[str, Past], more: Iterable[PastReading], *, now: datetime
) -> int:
    """Sixty days of register reads of every circuit, and those that were taken by hand; how many."""
    rows = chain(_rows(estate, wanted, pasts, now=now), more)
    return load_readings(rows, first=now - timedelta(days=DAYS + 1), last=now + timedelta(minutes=1))


def _rows(
    estate: Estate, wanted: Sequence[Place], pasts: Mapping[str, Past], *, now: datetime
) -> Iterator[PastReading]:
    for place in wanted:
        past, circuit = pasts[place.number], estate.circuits[place.number]
        silent_from = now - OFFLINE_FOR if place.aim is Aim.OFFLINE else now + timedelta(days=1)
        dark_from = now - timedelta(hours=place.dark_h) if place.dark_h else now + timedelta(days=1)
        purse = place.aim is not Aim.COMMON and not place.held
        for position in marks_of(now, ZONE).read:
            at = past.hours[position]
            if at >= silent_from:
                break
            dark = at >= dark_from or place.aim is Aim.NOT_OPENED  # a new meter holds nothing and is open
            yield PastReading(
                site_id=circuit.site_id, circuit_id=circuit.pk, at=at, energy_wh=past.energy_wh[position],
                power_w=past.power_w[position], balance=past.balance_wh[position] if purse else None,
                purchase_count=past.counts[position] if purse else None, relay=0 if dark else 1,
                status=_status(place, dark=dark, now=at == now),
            )  # fmt: skip


def _status(place: Place, *, dark: bool, now: bool) -> int:
    if place.held:
        return _BIT[StatusBit.COMMAND_TRIP if dark else StatusBit.KEPT_ON]
    if place.keep_on and now:
        return _BIT[StatusBit.KEPT_ON]
    if not dark:
        return 0
    if place.warning_tripped:
        return _BIT[StatusBit.WARNING_TRIP]
    return _BIT[StatusBit.HAND_OPENED if place.hand_opened else StatusBit.CREDIT_TRIP]


def write_wishes(estate: Estate, wanted: Sequence[Place], *, now: datetime) -> None:
    """保电 that ends tomorrow at 18:00, and a maintenance tag where an electrician works."""
    tomorrow = (now.astimezone(ZONE) + timedelta(days=1)).replace(hour=18, minute=0, second=0, microsecond=0)
    for place in wanted:
        circuit = estate.circuits[place.number]
        if place.keep_on:
            # telemetry agrees already: the simulated meter starts kept on
            wishes.load_wish(
                circuit, Wish.KEEP_ON, reason="冷库，店主已约定明天缴费", until=tomorrow, actor=ACTOR,
                at=now - timedelta(hours=3),
            )  # fmt: skip
        if place.hand_opened:
            wishes.hang_tag(
                circuit, name="张师傅", reason="更换分路开关", until=now + timedelta(hours=20), actor=ACTOR,
                at=now - timedelta(hours=20),
            )  # fmt: skip
