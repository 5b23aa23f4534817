"""The fixed cast. Alice the cashier, Bob the site manager, Charlie who may see nothing;
shop 101 (meter-held), shop 102 (server-held meter), shop 103 (not opened), the lift (common area).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.db import connection

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
from prewatt.office.ledger.books import credit_account
from prewatt.office.staff.models import Operator, Role, Scope
from prewatt.office.vending.models import CircuitCredit, Till

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)  # Monday 12:00 in Shanghai
OPENED = datetime(2026, 9, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Rows that most stories need."""

    company: Company
    site: Site
    gateway: Gateway
    line: Line
    shop_101: Circuit
    shop_102: Circuit
    shop_103: Circuit
    lift: Circuit
    contract_101: Contract
    supply_101: SupplyPoint
    supply_102: SupplyPoint
    plan: Plan
    version: PlanVersion
    till: Till  # needs no shift
    window: Till  # needs one
    alice: Operator
    bob: Operator
    charlie: Operator


def _operator(name: str, role: str, **scope: int) -> Operator:
    operator: Operator = Operator.objects.create(
        username=name, name=name.title(), role=role, created_at=OPENED, password="!"
    )
    if scope:
        Scope.objects.create(operator=operator, **scope)
    return operator


def _shop(site: Site, building: Building, line: Line, code: str, unit: int, profile: str, use: str) -> Circuit:
    room = Room.objects.create(building=building, floor=1, code=code, name=f"Shop {code}")
    meter = Meter.objects.create(site=site, number=f"2603110{unit:05d}", profile=profile, line=line, unit=unit)
    return Circuit.objects.create(site=site, meter=meter, index=1, room=room, use=use)


def _contract(site: Site, customer: Customer, circuit: Circuit, number: str, custody: str, plan: Plan) -> SupplyPoint:
    contract = Contract.objects.create(site=site, number=number, customer=customer, state="open", opened_at=OPENED)
    supply = SupplyPoint.objects.create(
        contract=contract, circuit=circuit, custody=custody, credit_unit="Wh", state="open", valid_from=OPENED,
        alarm_1=50_000, alarm_2=10_000, hoarding_limit=2_000_000,
    )  # fmt: skip
    if custody == "server":  # in money: alarms at 50.00 and 10.00
        key = f"credit:contract:{contract.pk}"
        supply.credit_unit, supply.alarm_1, supply.alarm_2 = "CNY", 5_000, 1_000
        supply.credit_account_id = credit_account(company_id=site.company_id, site_id=site.pk, key=key)
        supply.save(update_fields=["credit_unit", "alarm_1", "alarm_2", "credit_account_id"])
    PlanAssignment.objects.create(supply_point=supply, plan=plan, valid_from=OPENED)
    return supply


def assemble() -> Cast:
    """The cast in an empty database, in the caller's transaction."""
    company = Company.objects.create(name="Jinhu Commercial Management", currency="CNY", exponent=2)
    site = Site.objects.create(company=company, code="jinhu", name="Jinhu Plaza", timezone="Asia/Shanghai")
    building = Building.objects.create(site=site, code="A", name="Tower A")
    gateway = Gateway.objects.create(site=site, code="G1", name="Tower A", host="127.0.0.1")
    line = Line.objects.create(gateway=gateway, code="1", transport="rtu-over-tcp", port=4001)
    plan = Plan.objects.create(company=company, code="shop", name="Shops")
    version = PlanVersion.objects.create(plan=plan, price=Decimal("0.92"), valid_from=OPENED, created_at=OPENED)
    spm, acrel = "pilot-spm9511", "acrel-ddsy1352"
    shop_101 = _shop(site, building, line, "A-101", 1, spm, "tenant")
    shop_102 = _shop(site, building, line, "A-102", 2, acrel, "tenant")
    shop_103 = _shop(site, building, line, "A-103", 3, spm, "tenant")
    lift = _shop(site, building, line, "LIFT", 4, acrel, "common")
    tenant = Customer.objects.create(company=company, name="Li Xingye", phone="13900002286", customer_class="shop")
    supply_101 = _contract(site, tenant, shop_101, "30010101", "meter", plan)
    supply_102 = _contract(site, tenant, shop_102, "30010102", "server", plan)
    CircuitCredit.objects.create(circuit=shop_101, site_id=site.pk, purchase_count=5, updated_at=OPENED)
    return Cast(
        company=company, site=site, gateway=gateway, line=line,
        shop_101=shop_101, shop_102=shop_102, shop_103=shop_103, lift=lift,
        contract_101=supply_101.contract, supply_101=supply_101, supply_102=supply_102, plan=plan, version=version,
        till=Till.objects.create(site_id=site.pk, code="K1", name="API", needs_shift=False),
        window=Till.objects.create(site_id=site.pk, code="W1", name="Window 1"),
        alice=_operator("alice", Role.CASHIER, site_id=site.pk),
        bob=_operator("bob", Role.MANAGER, site_id=site.pk),
        charlie=_operator("charlie", Role.CASHIER),
    )  # fmt: skip


def lately_read(circuit: Circuit, *, at: datetime, balance: int = 100_000, count: int = 5, relay: int = 1) -> None:
    """A status poll of a circuit, as the head-end would have left it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_latest (site_id, circuit_id, at, energy_wh, power_w, balance, purchase_count, relay,"
            " status) VALUES (%s, %s, %s, 1000000, 850, %s, %s, %s, 0) ON CONFLICT (site_id, circuit_id) DO UPDATE SET"
            " at = excluded.at, balance = excluded.balance, purchase_count = excluded.purchase_count,"
            " relay = excluded.relay",
            [circuit.site_id, circuit.pk, at, balance, count, relay],
        )
