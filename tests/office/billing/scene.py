"""A server-held shop for the tests of billing, and readings as the head-end leaves them.

The shop's meter stands at 1,000 kWh when it is opened at NOON, at 0.92 a kWh.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from prewatt.office.billing import charges
from prewatt.office.billing.models import Progress
from prewatt.office.billing.openings import open_server_held
from prewatt.office.estate.models import Circuit, Contract, Customer, PlanVersion, SupplyPoint
from prewatt.office.ledger import books
from prewatt.office.ledger.models import AccountKind
from tests.cast import NOON, Cast, assemble

OPENING_WH = 1_000_000
GOOD, BACKWARD, JUMP, REPEATED = range(4)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Charge:
    """A row of billing_charge as a person reads it: hours after NOON, Wh, price, minor units."""

    begins: float
    ends: float
    wh: int
    price: str
    minor: int


@dataclass
class Shop:
    """One server-held circuit and its contract."""

    cast: Cast
    circuit: Circuit
    contract: Contract
    supply: SupplyPoint

    def read(self, after: timedelta, wh: int, quality: int = GOOD) -> None:
        """The meter said `wh` so long after NOON."""
        put([(self.circuit, NOON + after, wh, quality)])

    def sweep(self, after: timedelta = timedelta(days=60)) -> int:
        return charges.sweep(at=NOON + after)

    def read_and_sweep(self, after: timedelta, wh: int, quality: int = GOOD) -> int:
        self.read(after, wh, quality)
        return self.sweep(after)

    def pay(self, amount_minor: int, key: str = "pay:1", after: timedelta = timedelta()) -> None:
        """Money at the counter becomes credit of the contract."""
        site = self.cast.site
        cash = books.account(
            company_id=site.company_id, site_id=site.pk, kind=AccountKind.CASH, key="cash:till:1:shift:0"
        )
        books.book_running(
            books.NewEntry(
                company_id=site.company_id, site_id=site.pk, timezone=site.timezone, key=key, kind="sale",
                actor="system", at=NOON + after,
                transfers=[books.Transfer(
                    debit_account_id=cash, credit_account_id=self.account, amount_minor=amount_minor)],
            )
        )  # fmt: skip

    @property
    def account(self) -> int:
        assert self.supply.credit_account_id is not None
        return self.supply.credit_account_id

    @property
    def balance(self) -> int:
        return books.running(self.account)

    @property
    def progress(self) -> Progress:
        return Progress.objects.get(pk=self.supply.pk)

    @property
    def charges(self) -> list[Charge]:
        rows = query(
            "SELECT from_at, to_at, energy_wh, price, amount_minor FROM billing_charge WHERE circuit_id = %s"
            " ORDER BY from_at",
            [self.circuit.pk],
        )
        return [
            Charge(begins=(a - NOON) / HOUR, ends=(b - NOON) / HOUR, wh=wh, price=str(price.normalize()), minor=minor)
            for a, b, wh, price, minor in rows
        ]

    def new_price(self, after: timedelta, price: str) -> None:
        PlanVersion.objects.create(plan=self.cast.plan, price=Decimal(price), valid_from=NOON + after, created_at=NOON)


def query(sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def put(rows: Iterable[tuple[Circuit, datetime, int, int]]) -> None:
    """Readings as absorbed: circuit, time, Wh, quality; the newest becomes the latest."""
    with connection.cursor() as cursor:
        for circuit, at, wh, quality in rows:
            cursor.execute(
                "INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, energy_wh, relay)"
                " VALUES (%s, %s, %s, false, 0, %s, %s, 1)",
                [circuit.site_id, circuit.pk, at, quality, wh],
            )
            cursor.execute(
                "INSERT INTO metering_latest (site_id, circuit_id, at, energy_wh, relay) VALUES (%s, %s, %s, %s, 1)"
                " ON CONFLICT (site_id, circuit_id) DO UPDATE SET at = excluded.at, energy_wh = excluded.energy_wh"
                " WHERE excluded.at > metering_latest.at",
                [circuit.site_id, circuit.pk, at, wh],
            )


def waiting(**changes: Any) -> Shop:
    """Opened from NOON on, and not read yet."""
    cast = assemble()
    ended = changes.get("valid_from", NOON) - HOUR
    SupplyPoint.objects.filter(circuit=cast.shop_102).update(state="closed", valid_to=ended)
    customer = Customer.objects.create(company=cast.company, name="Wang")
    contract = Contract.objects.create(site=cast.site, number="30010202", customer=customer, state="opening")
    return Shop(cast, cast.shop_102, contract, supplied(cast, contract, cast.shop_102, **changes))


def supplied(cast: Cast, contract: Contract, circuit: Circuit, **changes: Any) -> SupplyPoint:
    given = {"shared": True, "overdraft": 0, "alarm_1": 5000, "alarm_2": 1000, "valid_from": NOON, **changes}
    return open_server_held(contract, circuit, cast.plan, actor="system", at=NOON, **given)


def opened(**changes: Any) -> Shop:
    """Opened at NOON at OPENING_WH."""
    shop = waiting(**changes)
    shop.read_and_sweep(timedelta(), OPENING_WH)
    assert shop.progress.charged_wh == OPENING_WH
    return shop


def another(shop: Shop, circuit: Circuit, **changes: Any) -> Shop:
    """A further circuit of the same contract, opened at NOON at OPENING_WH."""
    circuit.use = "tenant"
    circuit.meter.profile = "acrel-ddsy1352"
    made = replace(shop, circuit=circuit, supply=supplied(shop.cast, shop.contract, circuit, **changes))
    made.read_and_sweep(timedelta(), OPENING_WH)
    return made
