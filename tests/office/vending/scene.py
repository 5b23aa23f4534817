"""A small estate for the tests of selling: one site, circuits with SPM9511 meters, tills, a cast.

Alice is the cashier at till W1, Bob the site manager, Fay of finance; the key sells at API1.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
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
from prewatt.office.ledger import books
from prewatt.office.ledger.models import AccountKind
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.models import Operator, Role
from prewatt.office.vending import credits
from prewatt.office.vending.models import CircuitCredit, Shift, Till
from prewatt.office.vending.sales import SaleResult, SellCommand, sell

AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)  # 10:00 in Shanghai
BEGAN = AT - timedelta(days=90)
PRICE = Decimal("0.92")


@dataclass
class Scene:
    """What the tests act with."""

    company: Company
    site: Site
    gateway: Gateway
    line: Line
    plan: Plan
    version: PlanVersion
    alice: Actor
    bob: Actor
    fay: Actor
    key: Actor
    w1: Till
    w2: Till
    api: Till
    shift: Shift
    circuits: list[Circuit] = field(default_factory=list)
    contracts: list[Contract] = field(default_factory=list)

    def sell(self, n: int = 0, *, key: str = "k1", amount_minor: int = 5000, **changes: object) -> SaleResult:
        return sell(self.command(n, key=key, amount_minor=amount_minor, **changes))

    def command(self, n: int = 0, *, key: str = "k1", amount_minor: int = 5000, **changes: object) -> SellCommand:
        """Alice sells 50 yuan for cash at W1 to the n-th circuit."""
        given: dict[str, object] = {
            "key": key, "contract_number": self.contracts[n].number, "circuit_id": self.circuits[n].pk,
            "till_id": self.w1.pk, "amount_minor": amount_minor, "actor": self.alice, "at": AT, **changes,
        }  # fmt: skip
        return SellCommand(**given)  # type: ignore[arg-type]


def actor_of(operator: Operator) -> Actor:
    return Actor(key=f"operator:{operator.pk}", name=operator.name, role=Role(operator.role), operator_id=operator.pk)


def operator(name: str, role: Role) -> Operator:
    made: Operator = Operator.objects.create(
        username=name.lower(), name=name, role=role, created_at=BEGAN, password="!"
    )
    return made


def build(circuits: int = 2) -> Scene:
    company = Company.objects.create(name="Acme 物业", currency="CNY", exponent=2)
    site = Site.objects.create(company=company, code="MALL", name="Mall", timezone="Asia/Shanghai")
    building = Building.objects.create(site=site, code="A座", name="A座")
    gateway = Gateway.objects.create(site=site, code="G1", name="G1", host="127.0.0.1")
    line = Line.objects.create(gateway=gateway, code="L1", transport="rtu-over-tcp", port=4001)
    plan = Plan.objects.create(company=company, code="flat", name="Flat")
    version = PlanVersion.objects.create(plan=plan, price=PRICE, valid_from=BEGAN, created_at=BEGAN)
    alice, bob, fay = (
        actor_of(operator(name, role))
        for name, role in (("Alice", Role.CASHIER), ("Bob", Role.MANAGER), ("Fay", Role.FINANCE))
    )
    w1 = Till.objects.create(site_id=site.pk, code="W1", name="窗口1")
    w2 = Till.objects.create(site_id=site.pk, code="W2", name="窗口2")
    api = Till.objects.create(site_id=site.pk, code="API1", name="API", needs_shift=False)
    shift = Shift.objects.create(till=w1, operator_id=alice.operator_id, opened_at=AT, float_minor=0)
    scene = Scene(
        company=company, site=site, gateway=gateway, line=line, plan=plan, version=version,
        alice=alice, bob=bob, fay=fay,
        key=Actor(key="key:1", name="shop", role=Role.MANAGER, operator_id=bob.operator_id),
        w1=w1, w2=w2, api=api, shift=shift,
    )  # fmt: skip
    for n in range(circuits):
        add_circuit(scene, building, n)
    return scene


def add_circuit(scene: Scene, building: Building, n: int) -> None:
    room = Room.objects.create(building=building, floor=1, code=f"{101 + n}")
    meter = Meter.objects.create(
        site=scene.site, number=f"{260000000000 + n}", profile="pilot-spm9511", line=scene.line, unit=n + 1
    )
    circuit = Circuit.objects.create(site=scene.site, meter=meter, index=1, room=room)
    customer = Customer.objects.create(company=scene.company, name=f"Tenant {n}")
    contract = Contract.objects.create(
        site=scene.site, number=f"H{10001 + n}", customer=customer, state="open", opened_at=BEGAN
    )
    point = SupplyPoint.objects.create(
        contract=contract, circuit=circuit, custody="meter", credit_unit="Wh", state="open", valid_from=BEGAN
    )
    PlanAssignment.objects.create(supply_point=point, plan=scene.plan, valid_from=BEGAN)
    credits.begin(site_id=scene.site.pk, circuit_id=circuit.pk, purchase_count=3, at=BEGAN)
    scene.circuits.append(circuit)
    scene.contracts.append(contract)


def read_latest(scene: Scene, n: int, *, balance: int, at: datetime = AT, power_w: int = 0) -> None:
    """What the last poll of the n-th circuit said."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_latest (site_id, circuit_id, at, balance, power_w, relay) "
            "VALUES (%s, %s, %s, %s, %s, 1) "
            "ON CONFLICT (site_id, circuit_id) DO UPDATE SET at = excluded.at, balance = excluded.balance, "
            "power_w = excluded.power_w",
            [scene.site.pk, scene.circuits[n].pk, at, balance, power_w],
        )


def meter_says(
    delivery_id: int, verdict: str, *, code: str = "", values: str = "{}", sent: bool = True, again: bool = False
) -> None:
    """The mailbox stored an outcome of a delivery's job."""
    with connection.cursor() as cursor:
        cursor.execute(
            'UPDATE metering_job j SET state = %s, verdict = %s, code = %s, "values" = %s::jsonb, claim = j.claim + 1, '
            "attempts = j.attempts + 1, claimed_at = clock_timestamp(), ever_sent = ever_sent OR %s, "
            "due_at = clock_timestamp() + interval '2 seconds', finished_at = CASE WHEN %s THEN NULL ELSE "
            "clock_timestamp() END FROM vending_delivery d WHERE d.id = %s AND j.id = d.job_id",
            ["queued" if again else "done", verdict, code, values, sent, again, delivery_id],
        )


def hold(scene: Scene, n: int = 0, *, key: str = "", **changes: object) -> int:
    """The books hold the n-th circuit's credit from now on; their account. As `billing.open_server_held` leaves it."""
    contract = scene.contracts[n]
    key = key or f"credit:contract:{contract.pk}"
    account = books.credit_account(company_id=scene.company.pk, site_id=scene.site.pk, key=key)
    CircuitCredit.objects.filter(circuit=scene.circuits[n]).delete()
    SupplyPoint.objects.filter(circuit=scene.circuits[n]).update(
        **{"custody": "server", "credit_unit": "CNY", "credit_account_id": account, **changes}
    )
    return account


def use(scene: Scene, account: int, amount_minor: int, *, at: datetime = AT) -> None:
    """Electricity of that amount was used and charged."""
    income = books.account(
        company_id=scene.company.pk, site_id=scene.site.pk, kind=AccountKind.INCOME, key="income"
    )
    move = books.Transfer(debit_account_id=account, credit_account_id=income, amount_minor=amount_minor)
    books.book_running(
        books.NewEntry(
            company_id=scene.company.pk, site_id=scene.site.pk, timezone=scene.site.timezone,
            key=f"charge:{account}:{books.running(account)}", kind="charge", actor="system", at=at, transfers=[move],
        )
    )  # fmt: skip
