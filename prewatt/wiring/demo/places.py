"""The demo site as a plan: a mall with 120 shops and its common-area meters, a dormitory with 240 rooms.
The office building whose credit the books hold stands in `held`.

Pure data made by rule under one seed; `past` gives it 60 days of history, `write` puts it into the
books, `site_file` hands it to the simulator. Energies in Wh.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from prewatt.field.simulator import LoadKind
from prewatt.wiring.demo import names

SEED: Final = 20_261_123
MALL, DORM = "mall", "dorm"  # two desks of one site: who sells where
KWH: Final = 1000
MODEM_LINE: Final = "M1-1"
SPM9511, SPM9513, DDSY, DTSY = "pilot-spm9511", "pilot-spm9513", "acrel-ddsy1352", "acrel-dtsy1352"


class Aim(StrEnum):
    """How a circuit shall stand at first sight."""

    NORMAL = "normal"
    ALARM_1 = "alarm_1"
    ALARM_2 = "alarm_2"
    ARREARS = "arrears"
    NOT_OPENED = "not_opened"
    OFFLINE = "offline"
    COMMON = "common"


@dataclass(frozen=True, kw_only=True)
class LinePlace:
    """One bus of the demo: `key` is its id in the simulator."""

    key: str
    gateway: str
    gateway_name: str
    code: str
    transport: str = "rtu-over-tcp"
    identity: str = ""  # of a meter that dials in


@dataclass(frozen=True, kw_only=True)
class Place:
    """One circuit and everything around it."""

    desk: str
    building: str
    floor: int
    room: str
    sign: str
    area_dm2: int
    number: str
    profile: str
    line: str
    unit: int
    ct_ratio: int
    load: LoadKind
    annual_kwh: int
    peak_w: int
    seed: int
    aim: Aim
    balance_wh: int | None  # at first sight; None: made from the days it shall last
    tenant: str
    phone: str
    customer_class: str
    plan: str
    alarm_1: int
    alarm_2: int
    overdraft: int
    hoarding: int
    load_limit_w: int
    warning_trip: bool = False
    warning_tripped: bool = False
    keep_on: bool = False
    hand_opened: bool = False
    dark_h: int = 0  # dark for so many hours before first sight
    held: bool = False  # the books hold its credit: alarm levels and overdraft are money
    money: bool = False  # its meter's purse holds money: they are money, and so is its balance


LINES: Final = (
    LinePlace(key="G1-1", gateway="G1", gateway_name="A座", code="1"),
    LinePlace(key="G1-2", gateway="G1", gateway_name="A座", code="2"),
    LinePlace(key="G2-1", gateway="G2", gateway_name="B座", code="1"),
    LinePlace(key="G2-2", gateway="G2", gateway_name="B座", code="2"),
    LinePlace(key="G3-1", gateway="G3", gateway_name="地下室", code="1"),
    *(
        LinePlace(
            key=f"D{gateway}-{line}", gateway=f"D{gateway}", gateway_name=f"宿舍{gateway}单元", code=str(line),
            transport="modbus-tcp" if gateway == 4 else "rtu-over-tcp",
        )
        for gateway in range(1, 5)
        for line in (1, 2)
    ),
    LinePlace(key="C1-1", gateway="C1", gateway_name="C座", code="1"),
    LinePlace(
        key=MODEM_LINE, gateway="M1", gateway_name="C-402 4G", code="1", transport="dial-in", identity="26112300000001",
    ),
)  # fmt: skip
# code, name, where it is, what stands there, and which gateways
STATIONS: Final = (
    ("S1", "广场弱电间", "地下一层弱电间，钥匙在值班室", "机柜、24 口交换机、UPS、电信专线", ("G1", "G2", "G3")),
    ("S2", "宿舍机房", "宿舍 1 单元一层楼梯间", "壁挂机柜、8 口交换机、光纤收发器", ("D1", "D2", "D3", "D4")),
)
BUILDINGS: Final = (
    ("A", "A座", 1),
    ("B", "B座", 2),
    ("D", "地下室", 3),
    *((str(unit), f"宿舍{unit}单元", 3 + unit) for unit in range(1, 5)),
    ("C", "C座写字楼", 8),
)
DORM_BUILDINGS: Final = ("1", "2", "3", "4")

# Who stands out at first sight, in the story of Monday morning.
_AIMS: Final = {
    "A-506": Aim.ALARM_1, "A-402": Aim.ALARM_1, "A-210": Aim.ALARM_1, "A-110": Aim.ALARM_1, "B-508": Aim.ALARM_1,
    "B-306": Aim.ALARM_1, "B-310": Aim.ALARM_1, "B-203": Aim.ALARM_1, "D-04": Aim.ALARM_1,
    "A-310": Aim.ALARM_2, "A-204": Aim.ALARM_2, "B-503": Aim.ALARM_2, "B-402": Aim.ALARM_2, "D-07": Aim.ALARM_2,
    "A-305": Aim.ARREARS, "B-207": Aim.ARREARS, "D-11": Aim.ARREARS,
    "A-510": Aim.NOT_OPENED, "A-404": Aim.NOT_OPENED, "B-510": Aim.NOT_OPENED, "B-406": Aim.NOT_OPENED,
    "B-209": Aim.NOT_OPENED, "D-15": Aim.NOT_OPENED,
    "D-19": Aim.OFFLINE, "D-20": Aim.OFFLINE,
}  # fmt: skip
_BALANCES: Final = {
    "A-506": 47_150, "A-402": 41_200, "A-210": 33_020, "B-508": 38_760, "B-306": 44_080, "B-310": 44_310,
    "B-203": 29_640, "D-04": 35_900, "A-310": 9_850, "A-204": 8_720, "B-503": 7_300, "B-402": 9_060, "D-07": 4_120,
    "A-305": 0, "B-207": -12_350, "D-11": -38_600,
    "A-103": 51_200,  # close to its first alarm
    "B-104": 10_900,  # close to a warning trip
}  # fmt: skip
_RESTAURANTS: Final = ("A-110", "A-109", "A-209", "A-301", "A-501", "B-101", "B-108", "B-210", "B-301", "B-408",
                       "B-501", "D-09")  # fmt: skip
_SUPERMARKET: Final = "D-01"
_COMMON: Final = (
    ("A-电梯", "A", 1, "G1-1", DTSY, 26_000),
    ("A-走道", "A", 1, "G1-2", DDSY, 9_000),
    ("B-电梯", "B", 1, "G2-1", DTSY, 24_000),
    ("B-走道", "B", 1, "G2-2", DDSY, 9_500),
    ("D-车库", "D", -1, "G3-1", DTSY, 31_000),
    ("D-消防", "D", -1, "G3-1", DTSY, 1_200),
)


def places() -> list[Place]:
    """Every circuit of the demo, in the order of its meter numbers."""
    chance = Random(SEED)
    units: dict[str, int] = {}
    made: list[Place] = []
    signs = iter(names.STALL_SIGNS * 3)
    kitchens = iter(names.RESTAURANT_SIGNS)
    for building, floors in (("A", (5, 4, 3, 2, 1)), ("B", (5, 4, 3, 2, 1))):
        for floor in floors:
            for door in range(1, 11):
                line = f"G{1 if building == 'A' else 2}-{1 if floor >= 3 else 2}"
                code = f"{building}-{floor}{door:02d}"
                made.append(_shop(code, building, floor, line, chance, units, signs, kitchens))
    for door in range(1, 21):
        made.append(_shop(f"D-{door:02d}", "D", -1, "G3-1", chance, units, signs, kitchens))
    made += [_common(each, units, position) for position, each in enumerate(_COMMON)]
    made += [_dorm(number, chance, units) for number in range(240)]
    assert len({each.number for each in made}) == len(made)
    return made


def _unit(units: dict[str, int], line: str) -> int:
    units[line] = units.get(line, 0) + 1
    return units[line]


def _shop(
    code: str, building: str, floor: int, line: str, chance: Random, units: dict[str, int], signs: Iterator[str],
    kitchens: Iterator[str],
) -> Place:  # fmt: skip
    unit = _unit(units, line)
    number = f"2603110{len(units)}{sum(units.values()):04d}"
    aim = _AIMS.get(code, Aim.NORMAL)
    kitchen, market = code in _RESTAURANTS, code == _SUPERMARKET
    if market:
        load, annual, peak, profile, ct = LoadKind.SUPERMARKET, 310_000, 110_000, SPM9513, 40
    elif kitchen:
        load, annual, peak, profile, ct = LoadKind.RESTAURANT, chance.randint(28, 70) * 1000, 28_000, SPM9513, 1
    else:
        load, annual, peak, profile, ct = LoadKind.SHOP, chance.randint(45, 160) * 100, 7_500, SPM9511, 1
    a_day = annual * KWH // 365
    alarm_1, alarm_2, hoarding = 50 * KWH, 10 * KWH, (1_500 if code in ("A-203", "B-105") else 9_999) * KWH
    if load is not LoadKind.SHOP:
        alarm_1, alarm_2, hoarding = 3 * a_day // KWH * KWH, a_day // KWH * KWH, 99_999 * KWH
    serial = sum(units.values())
    return Place(
        desk=MALL, building=building, floor=floor, room=code,
        sign=names.SUPERMARKET_SIGN if market else next(kitchens) if kitchen else next(signs),
        area_dm2=120_000 if market else chance.randint(90, 240) * 100 if kitchen else chance.randint(18, 80) * 100,
        number=number, profile=profile, line=line, unit=unit, ct_ratio=ct, load=load, annual_kwh=annual, peak_w=peak,
        seed=serial, aim=aim, balance_wh=_BALANCES.get(code) if load is LoadKind.SHOP or code in _BALANCES else None,
        tenant=names.person(serial), phone=names.phone(serial),
        customer_class="超市" if market else "餐饮" if kitchen else "商铺", plan="shop",
        alarm_1=alarm_1, alarm_2=alarm_2, overdraft=0,
        # where a visitor raises the load to see credit end, a load limit must not trip first
        hoarding=hoarding, load_limit_w=120_000 if market else 30_000 if kitchen else 0 if code in _BALANCES else 8_000,
        warning_trip=code in ("B-402", "B-104"), warning_tripped=code == "B-402", keep_on=code == "D-11",
        hand_opened=code == "B-110", dark_h={"A-305": 37, "B-207": 1, "B-402": 2, "B-110": 26}.get(code, 0),
    )  # fmt: skip


def _common(each: tuple[str, str, int, str, str, int], units: dict[str, int], position: int) -> Place:
    code, building, floor, line, profile, annual = each
    unit = _unit(units, line)
    return Place(
        desk=MALL, building=building, floor=floor, room=code, sign="公共用电", area_dm2=0,
        number=f"26031190{position + 1:04d}", profile=profile, line=line, unit=unit, ct_ratio=1, load=LoadKind.COMMON,
        annual_kwh=annual, peak_w=0, seed=9_000 + position, aim=Aim.COMMON, balance_wh=None, tenant="", phone="",
        customer_class="", plan="", alarm_1=0, alarm_2=0, overdraft=0, hoarding=0, load_limit_w=0,
    )  # fmt: skip


def _dorm(position: int, chance: Random, units: dict[str, int]) -> Place:
    gateway, rest = divmod(position, 60)
    floor, door = divmod(rest, 10)
    line = f"D{gateway + 1}-{1 if rest < 30 else 2}"
    unit = _unit(units, line)
    annual = chance.randint(9, 18) * 100
    return Place(
        desk=DORM, building=str(gateway + 1), floor=floor + 1, room=f"{gateway + 1}-{floor + 1}{door + 1:02d}",
        sign="", area_dm2=2_400, number=f"2603120{gateway + 1}{rest + 1:04d}", profile=SPM9511, line=line, unit=unit,
        ct_ratio=1, load=LoadKind.DORM, annual_kwh=annual, peak_w=2_400, seed=5_000 + position, aim=Aim.NORMAL,
        balance_wh=None, tenant=names.person(300 + position), phone=names.phone(1_000 + position),
        customer_class="学生宿舍", plan="dorm", alarm_1=10 * KWH, alarm_2=3 * KWH, overdraft=2 * KWH,
        hoarding=9_999 * KWH, load_limit_w=2_500,
    )  # fmt: skip
