"""A mall with all six states, as the design sheets tell it: Jinhu Plaza on a Monday, times relative to `at`.

120 circuits in three buildings behind four gateways; G4 is lost. Rows are written as the head-end and the desk would
have left them; the pages only read.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from prewatt.office.alarms.models import Alarm
from prewatt.office.estate.models import (
    Building,
    Circuit,
    Company,
    Contract,
    Customer,
    Gateway,
    Line,
    Meter,
    Plan,
    PlanAssignment,
    PlanVersion,
    Room,
    Site,
    SupplyPoint,
)
from prewatt.office.metering.models import LineState, MaintenanceTag, MeterState, RelayWish, SupplyEvent
from prewatt.office.staff.models import Operator, Scope
from prewatt.office.vending.models import Delivery

SHOPS = "青禾 小马 云朵 拾光 湘里 星野 川味 墨茶 鲜果 优贝 禾木 捷修".split()
TRADES = "美发 生煎 美甲 花坊 人家 烘焙 小馆 奶茶 时光 童装 瑜伽 手机".split()
NAMES = {"cashier": "陈晓梅", "manager": "王建国", "finance": "李敏", "electrician": "张师傅", "administrator": "吴工"}
CREDIT_TRIP, WARNING_TRIP = 1, 2  # status bits, in the order of core StatusBit

# room -> what is special about it; everybody else is normal
ALARM_1 = {"A-506", "A-402", "A-210", "A-112", "B-508", "B-306", "B-310", "B-203", "D-04"}
ALARM_2 = {"A-318", "A-204", "B-503", "B-402", "D-07"}
NOT_OPENED = {"A-511", "A-404", "B-510", "B-406", "B-209", "D-15"}
LOST = {"D-19", "D-20"}
BALANCE = {"A-305": 0, "B-207": -12_350, "D-11": -38_600, "A-112": 86_400, "A-318": 9_850, "A-204": 15_720,
           "B-503": 11_300, "B-402": 12_060, "D-07": 4_120}  # fmt: skip
DARK = {"A-305": CREDIT_TRIP, "B-207": CREDIT_TRIP, "B-402": WARNING_TRIP, "B-118": 0}
PENDING = {"A-410": ("unknown", 50_000), "B-502": ("disputed", 20_000), "D-19": ("waiting", 30_000)}


@dataclass(frozen=True, kw_only=True)
class Scene:
    site: Site
    other_site: Site
    operators: dict[str, Operator]
    circuits: dict[str, Circuit]
    at: datetime


def _rooms() -> list[tuple[str, int, str]]:
    """(building, floor, room code): ten per floor, as on the sheets."""
    found = []
    for letter in "AB":
        for floor in range(1, 6):
            special = sorted(
                code for code in ALARM_1 | ALARM_2 | NOT_OPENED | set(DARK) | set(PENDING)
                if code.startswith(f"{letter}-{floor}")
            )  # fmt: skip
            codes = special + [
                f"{letter}-{floor}{n:02d}" for n in range(1, 12) if f"{letter}-{floor}{n:02d}" not in special
            ]
            found += [(letter, floor, code) for code in sorted(codes[:10])]
    return found + [("D", -1, f"D-{n:02d}") for n in range(1, 21)]


def _wires(site: Site, at: datetime) -> dict[str, Line]:
    lines = {}
    for number, (letter, name) in enumerate({"A": "A座", "B": "B座", "D": "地下室", "P": "停车场通道"}.items(), 1):
        gateway = Gateway.objects.create(site=site, code=f"G{number}", name=name, host="127.0.0.1")
        line = Line.objects.create(gateway=gateway, code="1", transport="rtu-over-tcp", port=4000 + number)
        lost = letter == "P"
        LineState.objects.create(
            line=line, up=not lost, error="timeout" if lost else "", since=at - timedelta(hours=9, minutes=32),
            at=at, replies=0 if lost else 99_871, timeouts=700 if lost else 129,
            last_reply_at=at - timedelta(hours=9, minutes=32) if lost else at - timedelta(seconds=number),
        )  # fmt: skip
        lines[letter] = line
    return lines


def assemble(at: datetime) -> Scene:
    """The mall in an empty database."""
    company = Company.objects.create(name="锦湖商业管理", currency="CNY", exponent=2)
    site = Site.objects.create(company=company, code="jinhu", name="锦湖广场")
    other = Site.objects.create(company=company, code="dorm", name="学生公寓")
    operators = {}
    for role, name in NAMES.items():
        operators[role] = Operator.objects.create(username=role, name=name, role=role, created_at=at, password="!")
        Scope.objects.create(operator=operators[role], site_id=site.pk)
    operators["nobody"] = Operator.objects.create(username="nobody", name="Charlie", role="cashier", created_at=at)
    lines = _wires(site, at)
    plan = Plan.objects.create(company=company, code="shop", name="商铺电价")
    PlanVersion.objects.create(plan=plan, price=Decimal("0.92"), valid_from=at - timedelta(days=60), created_at=at)
    buildings = {
        letter: Building.objects.create(site=site, code=letter, name=name, sort=sort)
        for sort, (letter, name) in enumerate({"A": "A座", "B": "B座", "D": "地下室"}.items())
    }
    circuits = {}
    for number, (letter, floor, code) in enumerate(_rooms()):
        line = lines["P"] if code in LOST else lines[letter]
        circuits[code] = _shop(site, buildings[letter], floor, code, number, line, plan, at)
    scene = Scene(site=site, other_site=other, operators=operators, circuits=circuits, at=at)
    _stories(scene, lines)
    return scene


def _shop(
    site: Site, building: Building, floor: int, code: str, number: int, line: Line, plan: Plan, at: datetime
) -> Circuit:
    name = SHOPS[number % len(SHOPS)] + TRADES[number * 5 % len(TRADES)]
    room = Room.objects.create(building=building, floor=floor, code=code, name=name, initials="qh")
    meter = Meter.objects.create(
        site=site, number=f"2603{11_000_000 + number:08d}", profile="pilot-spm9511", line=line, unit=number + 1
    )
    MeterState.objects.create(meter=meter, silent=code in LOST, since=at, at=at)
    circuit = Circuit.objects.create(site=site, meter=meter, room=room)
    if code in NOT_OPENED:
        with connection.cursor() as cursor:  # metered like all, supplied to nobody
            cursor.execute(
                "INSERT INTO metering_latest (site_id, circuit_id, at, energy_wh, power_w, relay, status)"
                " VALUES (%s, %s, %s, 0, 0, 0, 0)",
                [site.pk, circuit.pk, at],
            )
        return circuit
    customer = Customer.objects.create(company=site.company, name=name, phone=f"1390000{number:04d}")
    contract = Contract.objects.create(
        site=site, number=f"3001{number:04d}", customer=customer, state="open", opened_at=at
    )
    supply = SupplyPoint.objects.create(
        contract=contract, circuit=circuit, custody="meter", credit_unit="Wh", state="open",
        valid_from=at - timedelta(days=60), alarm_1=100_000 if code == "A-112" else 50_000, alarm_2=20_000,
        load_limit_w=15_000,
    )  # fmt: skip
    PlanAssignment.objects.create(supply_point=supply, plan=plan, valid_from=at - timedelta(days=60))
    balance = BALANCE.get(code, 40_000 + number * 37 if code in ALARM_1 else 60_000 + number * 7_919 % 900_000)
    day_wh = 12_000 + number * 4_441 % 30_000
    watt = 0 if code in DARK else 250 + number * 677 % 6_000
    read_at = at - (timedelta(hours=9, minutes=32) if code in LOST else timedelta(seconds=number * 13 % 57))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_latest (site_id, circuit_id, at, energy_wh, power_w, balance, purchase_count, relay,"
            " status, relay_at) VALUES (%s, %s, %s, 5000000, %s, %s, 23, %s, %s, %s)",
            [
                site.pk,
                circuit.pk,
                read_at,
                watt,
                balance,
                int(code not in DARK),
                DARK.get(code, 0),
                at - timedelta(hours=37),
            ],
        )
        cursor.executemany(
            "INSERT INTO metering_daily (site_id, circuit_id, day, used_wh, last_energy_wh) VALUES (%s, %s, %s, %s, 1)",
            [
                (site.pk, circuit.pk, (at + timedelta(hours=8)).date() - timedelta(days=back),
                 day_wh * (90 + (back * 7 + number) % 20) // 100 if back else day_wh // 3)
                for back in range(15)
            ],
        )  # fmt: skip
    return circuit


def _stories(scene: Scene, lines: dict[str, Line]) -> None:
    """What happened since Friday evening, what is unconfirmed, who keeps what on."""
    at, site = scene.at, scene.site

    def circuit(code: str) -> int:
        return scene.circuits[code].pk

    def event(kind: str, before: timedelta, code: str = "", line: str = "", **more: object) -> None:
        SupplyEvent.objects.create(
            site_id=site.pk, circuit_id=circuit(code) if code else None, line_id=lines[line].pk if line else None,
            kind=kind, at=at - before, **more,
        )  # fmt: skip

    hours = timedelta(hours=1)
    event("opened", 37 * hours, "A-305", cause="credit_trip", balance=0)
    event("line_lost", 35 * hours, line="B")
    event("line_back", 34.2 * hours, line="B")
    event("opened", 26 * hours, "B-118", cause="overload_trip", balance=412_700, power_w=8_600)
    event("opened", 19 * hours, "B-408", cause="warning_trip", balance=6_200)
    event("closed", 18.4 * hours, "B-408")
    event("line_lost", 9.5 * hours, line="P")
    event("opened", 1.5 * hours, "B-402", cause="warning_trip", balance=12_060)
    event("opened", 0.8 * hours, "B-207", cause="credit_trip", balance=-12_350)
    for code, (state, minor) in PENDING.items():
        Delivery.objects.create(
            site_id=site.pk, circuit=scene.circuits[code], origin="make_up", kind="purchase", amount=minor * 10,
            value_minor=minor, expected_count=18, read_count=19 if state == "disputed" else None, state=state,
            next_try_at=at + timedelta(minutes=5), created_at=at - timedelta(minutes=1),
        )  # fmt: skip
    RelayWish.objects.create(
        circuit=scene.circuits["D-11"],
        wish="keep_on",
        reason="冷库",
        until=at + timedelta(days=1),
        actor="x",
        set_at=at,
    )
    MaintenanceTag.objects.create(
        circuit=scene.circuits["B-118"], name="张师傅", reason="换断路器", set_at=at, until=at + hours, actor="x"
    )
    for code, kind in [
        *((each, "low_credit_1") for each in sorted(ALARM_1)),
        *((each, "low_credit_2") for each in ALARM_2),
    ]:
        Alarm.objects.create(site_id=site.pk, kind=kind, circuit_id=circuit(code), raised_at=at - 2 * hours)
    for code in ("A-305", "B-207", "D-11"):
        Alarm.objects.create(site_id=site.pk, kind="arrears", circuit_id=circuit(code), raised_at=at - 2 * hours)
    with connection.cursor() as cursor:
        cursor.execute("SELECT metering_make_partitions(%s, 2, 1)", [at.date()])
        cursor.executemany(
            "INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, power_w)"
            " VALUES (%s, %s, %s, false, 0, 0, %s)",
            [
                (site.pk, circuit("A-112"), at - timedelta(minutes=30 * n), 400 + (n * 977) % 4_000)
                for n in range(64)
            ],
        )  # fmt: skip


def now_reads(scene: Scene, code: str, *, at: datetime, balance: int, power_w: int = 500, relay: int = 1) -> None:
    """A poll of one circuit that just came in, told to the live stream as the office tells it."""
    circuit = scene.circuits[code]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE metering_latest SET at = %s, balance = %s, power_w = %s, relay = %s, status = 0"
            " WHERE site_id = %s AND circuit_id = %s",
            [at, balance, power_w, relay, scene.site.pk, circuit.pk],
        )
        told = json.dumps({"site": scene.site.pk, "circuits": [circuit.pk]})
        cursor.execute("SELECT pg_notify('prewatt_live', %s)", [told])
