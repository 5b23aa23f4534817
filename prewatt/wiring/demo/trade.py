"""The demo's people, windows, shifts, sales, returns and what went wrong: sixty days, through the verbs."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from prewatt.office.alarms.history import load_alarms
from prewatt.office.alarms.models import Alarm, AlarmKind
from prewatt.office.estate.models import Line
from prewatt.office.metering.history import load_events
from prewatt.office.metering.models import SupplyEvent
from prewatt.office.staff import keys, operators
from prewatt.office.staff.actors import Actor, of_operator
from prewatt.office.staff.models import Operator, Role
from prewatt.office.vending import history, shifts
from prewatt.office.vending.models import Till
from prewatt.wiring.demo.keypads import TokenPurchase
from prewatt.wiring.demo.past import Past
from prewatt.wiring.demo.places import DORM, DORM_BUILDINGS, MALL, SEED, Aim, Place
from prewatt.wiring.demo.token_sales import Tokens, past_sale
from prewatt.wiring.demo.write import ZONE, Estate

PASSWORD: Final = "prewatt-demo"  # printed at start; the demo alone has it
FLOAT_MINOR: Final = 50_000
_PEOPLE: Final = (
    ("cashier", "陈晓梅", Role.CASHIER, ()),
    ("dormdesk", "刘婷婷", Role.CASHIER, DORM_BUILDINGS),
    ("manager", "王建国", Role.MANAGER, ()),
    ("finance", "李雅琴", Role.FINANCE, ()),
    ("electrician", "张永康", Role.ELECTRICIAN, ()),
    ("admin", "赵国栋", Role.ADMINISTRATOR, ()),
)
_TENDERS: Final = (("cash", ""), ("cash", ""), ("merchant_qr", "QR"), ("pos_card", "POS"))


@dataclass(frozen=True, kw_only=True)
class Staff:
    """Who works here, at which windows; the key of the third party that the READY line names."""

    operators: Mapping[str, Operator]
    windows: Mapping[str, Till]  # by desk
    second_window: Till
    api_key: str
    logins: tuple[dict[str, str], ...]


def write_staff(estate: Estate, *, at: datetime) -> Staff:
    """Operators with their scopes, three windows, and one API key with a till of its own."""
    made: dict[str, Operator] = {}
    for username, name, role, buildings in _PEOPLE:
        operator = operators.add(username=username, name=name, role=role, password=PASSWORD, actor=None, at=at)
        for code in buildings:
            operators.give_scope(operator, building_id=estate.buildings[code].pk, actor=None, at=at)
        if not buildings and role is Role.CASHIER:
            operators.give_scope(operator, site_id=estate.site.pk, actor=None, at=at)
        elif not buildings:
            operators.give_scope(operator, company_id=estate.company.pk, actor=None, at=at)
        made[username] = operator
    site = estate.site.pk
    windows = {
        MALL: shifts.add_till(site_id=site, code="W1", name="1 号窗口", actor=None, at=at),
        DORM: shifts.add_till(site_id=site, code="W3", name="宿舍服务台", actor=None, at=at),
    }
    second = shifts.add_till(site_id=site, code="W2", name="2 号窗口", actor=None, at=at)
    own = shifts.add_till(site_id=site, code="K1", name="接口", actor=None, at=at, needs_shift=False)
    key = keys.make(name="demo", operator=made["manager"], till_id=own.pk, actor=None, at=at)
    logins = tuple({"role": str(role), "username": username, "password": PASSWORD} for username, _, role, _ in _PEOPLE)
    return Staff(operators=made, windows=windows, second_window=second, api_key=key.secret, logins=logins)


def write_sales(
    estate: Estate, staff: Staff, wanted: Sequence[Place], pasts: Mapping[str, Past], contracts: Mapping[str, str],
    tokens: Tokens, *, now: datetime,
) -> int:  # fmt: skip
    """Each day a shift at each window, its sales and returns, and a hand-over that agrees; how many sales."""
    actors = {MALL: of_operator(staff.operators["cashier"]), DORM: of_operator(staff.operators["dormdesk"])}
    loaded, by_token = 0, tokens.by_day(ZONE)
    for desk, actor in actors.items():
        days: dict[date, list[tuple[Place, datetime, int]]] = {}
        for place in wanted:
            if place.desk == desk and place.number in contracts:
                past = pasts[place.number]
                moments = [each.at for each in past.purchases] + [each.at for each in past.returns]
                for index, at in enumerate(moments):
                    days.setdefault(at.astimezone(ZONE).date(), []).append((place, at, index))
        today = now.astimezone(ZONE).date()
        typed = by_token if desk == DORM else {}
        for day in sorted({*days, *typed, today}):
            what, bought = days.get(day, []), typed.get(day, [])
            loaded += _day(estate, staff, pasts, contracts, desk, actor, day, what, tokens, bought, now=now)
    shifts.open_shift(
        till_id=staff.second_window.pk, float_minor=FLOAT_MINOR, actor=of_operator(staff.operators["manager"]), at=now
    )
    return loaded


def _day(
    estate: Estate, staff: Staff, pasts: Mapping[str, Past], contracts: Mapping[str, str], desk: str, actor: Actor,
    day: date, what: list[tuple[Place, datetime, int]], tokens: Tokens, typed: Sequence[TokenPurchase],
    *, now: datetime,
) -> int:  # fmt: skip
    till = staff.windows[desk]
    opening = datetime(day.year, day.month, day.day, 8, 30, tzinfo=ZONE)
    today = day == now.astimezone(ZONE).date()
    first = min([opening, *(at - timedelta(minutes=10) for _, at, _ in what),
                 *(each.at - timedelta(minutes=10) for each in typed), *([now] if today else [])])
    shift = shifts.open_shift(till_id=till.pk, float_minor=FLOAT_MINOR, actor=actor, at=first)
    rows: list[history.PastSale | history.PastReturn] = []
    for place, at, index in sorted(what, key=lambda each: each[1]):
        past = pasts[place.number]
        if index < len(past.purchases):
            rows.append(_sale(estate, place, past, index, contracts, till, shift.pk, actor, now=now))
        else:
            rows.append(_return(estate, place, past, contracts, till, shift.pk, actor, at=at))
    rows += [past_sale(tokens, each, till_id=till.pk, shift_id=shift.pk, actor=actor) for each in typed]
    history.load(sorted(rows, key=lambda row: row.at), rack=tokens.rack)
    if not today:
        expected = shifts.drawer(shift).expected_minor
        shifts.hand_over(shift, counted_minor=expected, actor=actor, at=opening + timedelta(hours=9, minutes=50))
    return len(rows)


def _before(past: Past, at: datetime) -> int:
    """The balance at the last hour mark before a moment."""
    return past.balance_wh[max(0, bisect_left(past.hours, at) - 1)]


def _sale(
    estate: Estate, place: Place, past: Past, index: int, contracts: Mapping[str, str], till: Till, shift_id: int,
    actor: Actor, *, now: datetime,
) -> history.PastSale:  # fmt: skip
    chance = Random(f"{SEED}:{place.number}:{index}")
    bought = past.purchases[index]
    tender, prefix = chance.choice(_TENDERS)
    lost = place.room == "A-410" and index == len(past.purchases) - 1  # the reply that was lost, and found again
    confirmed = bought.at + timedelta(seconds=312 if lost else chance.randint(1, 6))
    return history.PastSale(
        key=f"demo:{place.number}:{index}", contract_number=contracts[place.number],
        circuit_id=estate.circuits[place.number].pk, till_id=till.pk, shift_id=shift_id, actor=actor, at=bought.at,
        amount_minor=bought.amount_minor, balance=_before(past, bought.at), confirmed_at=min(confirmed, now),
        tender=tender, reference=f"{prefix}{chance.randrange(10**10):010d}" if prefix else "",
        unknown_at=bought.at + timedelta(seconds=4) if lost else None,
    )  # fmt: skip


def _return(
    estate: Estate, place: Place, past: Past, contracts: Mapping[str, str], till: Till, shift_id: int, actor: Actor,
    *, at: datetime,
) -> history.PastReturn:  # fmt: skip
    [given] = past.returns
    return history.PastReturn(
        key=f"demo:{place.number}:return", contract_number=contracts[place.number],
        circuit_id=estate.circuits[place.number].pk, till_id=till.pk, shift_id=shift_id, actor=actor, at=at,
        credit=given.credit_wh, balance=_before(past, at), confirmed_at=at + timedelta(seconds=5),
        refunded_at=at + timedelta(minutes=3), reason="多交了，要求退回一部分",
    )  # fmt: skip


def write_alarms(estate: Estate, wanted: Sequence[Place], pasts: Mapping[str, Past], *, now: datetime) -> int:
    """The low-credit alarms that the past gives, hour by hour; those that still hold stay open. How many."""
    alarms: list[Alarm] = []
    for place in wanted:
        if place.aim in (Aim.COMMON, Aim.NOT_OPENED):
            continue
        circuit, past = estate.circuits[place.number], pasts[place.number]
        standing: Alarm | None = None
        for at, balance in zip(past.hours, past.balance_wh, strict=True):
            if standing is None and balance > place.alarm_1:
                continue
            kind = _kind(place, balance)
            if standing is not None and standing.kind != kind:
                standing.cleared_at, standing = at, None
            if standing is None and kind is not None:
                standing = Alarm(
                    site_id=circuit.site_id, kind=kind, circuit_id=circuit.pk, raised_at=at, seen_by="",
                    values={"balance": balance},
                )  # fmt: skip
                alarms.append(standing)
    load_alarms(alarms)
    return len(alarms)


def _kind(place: Place, balance: int) -> AlarmKind | None:
    if balance <= 0:
        return AlarmKind.ARREARS
    if balance <= place.alarm_2:
        return AlarmKind.LOW_CREDIT_2
    return AlarmKind.LOW_CREDIT_1 if balance <= place.alarm_1 else None


def write_events(estate: Estate, wanted: Sequence[Place], pasts: Mapping[str, Past], *, now: datetime) -> None:
    """Who went dark and when, and a serial server that was lost on Saturday night for 47 minutes."""
    events = []
    for place in wanted:
        circuit = estate.circuits[place.number]
        if place.dark_h:
            cause = "warning_trip" if place.warning_tripped else "hand_opened" if place.hand_opened else "credit_trip"
            cause = "command_trip" if place.held else cause
            events.append(
                SupplyEvent(
                    site_id=circuit.site_id, circuit_id=circuit.pk, kind="opened", cause=cause,
                    at=now - timedelta(hours=place.dark_h), balance=pasts[place.number].balance_wh[-1], power_w=0,
                )
            )  # fmt: skip
    saturday = now.astimezone(ZONE).replace(hour=22, minute=10, second=0, microsecond=0)
    saturday -= timedelta(days=(saturday.weekday() - 5) % 7 or 7)
    for line in Line.objects.filter(gateway__code="G2", gateway__site=estate.site):
        for kind, at in (("line_lost", saturday), ("line_back", saturday + timedelta(minutes=47))):
            events.append(SupplyEvent(site_id=estate.site.pk, line_id=line.pk, kind=kind, at=at))
    load_events(events)
