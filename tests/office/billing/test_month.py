"""A month of 500 server-held circuits against the books: with gaps, late, repeated, lying and backward readings,
rollovers, CT ratios, shared contracts and a price change. The books equal a recomputation that knows nothing of them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

import pytest
from django.db import connection

from prewatt.office.billing import charges
from prewatt.office.billing.openings import open_server_held
from prewatt.office.estate.models import Circuit, Contract, Customer, Meter, PlanVersion
from prewatt.office.ledger import books
from prewatt.office.ledger.models import AccountKind
from prewatt.office.reports.statements import statement
from prewatt.office.vending.audits import audit_books
from tests.cast import Cast, assemble
from tests.office.billing import month
from tests.office.billing.scene import query

BEGINS: Final = datetime(2026, 11, 1, tzinfo=UTC)
ENDS: Final = BEGINS + timedelta(days=month.DAYS)
CHANGE: Final = BEGINS + timedelta(days=13, hours=2, minutes=17, seconds=23)
CONTRACTS: Final = 400  # the first hundred supply two circuits each
_TYPES: Final = ["int8", "int8", "timestamptz", "bool", "int2", "int2", "int8"]


@pytest.mark.time_limit(600)
@pytest.mark.django_db
def test_the_books_of_a_month_equal_an_independent_recomputation_to_the_minor_unit() -> None:
    cast = assemble()
    PlanVersion.objects.create(plan=cast.plan, price=Decimal("1.057301"), valid_from=CHANGE, created_at=BEGINS)
    circuits = installed(cast)
    contracts = supplied(cast, circuits)
    played = [month.play(number, BEGINS) for number in range(month.CIRCUITS)]
    paid = lived_through(cast, circuits, contracts, played)

    expected = [month.due(each, change=CHANGE) for each in played]
    charged = {
        circuit: (old, new, minor)
        for circuit, old, new, minor in query(
            "SELECT circuit_id, sum(energy_wh) FILTER (WHERE price = 0.92)::bigint,"
            " coalesce(sum(energy_wh) FILTER (WHERE price <> 0.92), 0)::bigint, sum(amount_minor)::bigint"
            " FROM billing_charge GROUP BY circuit_id",
            [],
        )
    }
    wrong = [
        (number, due, charged.get(circuit.pk))
        for number, (circuit, due) in enumerate(zip(circuits, expected, strict=True))
        if (due.old_wh, due.new_wh, due.minor) != tuple(n or 0 for n in charged.get(circuit.pk, (0, 0, 0)))
    ]
    assert wrong == []
    assert books.books(cast.company.pk).of(AccountKind.INCOME) == sum(due.minor for due in expected)
    assert [finding for finding in audit_books() if finding.check != "money"] == []
    each_contract_adds_up(contracts, expected, paid)
    the_month_had_everything(played)


def installed(cast: Cast) -> list[Circuit]:
    """500 meters with their CT ratios, on the cast's line in all but address."""
    cast.line.pk = None
    lines = [cast.line.__class__(gateway=cast.gateway, code=f"M{n}", transport="rtu-over-tcp", port=5000 + n)
             for n in range(3)]  # fmt: skip
    made = cast.line.__class__.objects.bulk_create(lines)
    meters = Meter.objects.bulk_create(
        Meter(
            site=cast.site, number=f"{700_000_000 + n}", profile="acrel-dtsy1352", line=made[n // 200],
            unit=n % 200 + 1, ct_ratio=month.RATIOS[n % len(month.RATIOS)],
        )
        for n in range(month.CIRCUITS)
    )  # fmt: skip
    return Circuit.objects.bulk_create(Circuit(site=cast.site, meter=meter, index=1) for meter in meters)


def supplied(cast: Cast, circuits: list[Circuit]) -> dict[int, tuple[Contract, list[int], int]]:
    """Contract id -> contract, numbers of its circuits, account."""
    customer = Customer.objects.create(company=cast.company, name="Wang")
    contracts = Contract.objects.bulk_create(
        Contract(site=cast.site, number=f"4{n:07d}", customer=customer, state="opening") for n in range(CONTRACTS)
    )
    made: dict[int, tuple[Contract, list[int], int]] = {}
    for number, circuit in enumerate(circuits):
        contract = contracts[number % CONTRACTS]
        supply = open_server_held(
            contract, circuit, cast.plan, overdraft=0, alarm_1=5000, alarm_2=1000, valid_from=BEGINS, actor="system",
            at=BEGINS,
        )  # fmt: skip
        account = supply.credit_account_id
        assert account is not None
        _, numbers, _ = made.setdefault(contract.pk, (contract, [], account))
        numbers.append(number)
    return made


def lived_through(
    cast: Cast,
    circuits: list[Circuit],
    contracts: dict[int, tuple[Contract, list[int], int]],
    played: list[month.Played],
) -> Counter[int]:
    """Day by day: readings come, the sweep charges, what is late comes, customers pay. What each contract paid."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT metering_make_partitions(%s, 1, %s)", [BEGINS.date(), month.DAYS + 1])
    chance, paid = Random(7), Counter[int]()
    cash = books.account(
        company_id=cast.company.pk, site_id=cast.site.pk, kind=AccountKind.OPENING, key="opening"
    )  # the counter is not what is tried here
    for day in range(month.DAYS):
        evening = BEGINS + timedelta(days=day + 1)
        copied(circuits, month.of_day(played, day))
        became_latest(evening - timedelta(days=1))
        charges.sweep(at=evening)
        copied(circuits, month.late_of_day(played, day))
        assert charges.sweep(at=evening) == 0
        for contract_id in chance.sample(sorted(contracts), 15):
            amount = chance.randrange(100, 500_000)
            books.book_running(
                books.NewEntry(
                    company_id=cast.company.pk, site_id=cast.site.pk, timezone=cast.site.timezone,
                    key=f"sale:{day}:{contract_id}", kind="sale", actor="system", at=evening - timedelta(hours=3),
                    transfers=[books.Transfer(
                        debit_account_id=cash, credit_account_id=contracts[contract_id][2], amount_minor=amount)],
                )
            )  # fmt: skip
            paid[contract_id] += amount
    return paid


def copied(circuits: list[Circuit], reads: Iterable[tuple[int, month.Read]]) -> None:
    """As the intake leaves them."""
    with connection.cursor() as cursor:
        raw: Any = cursor.connection.cursor()
        with raw.copy(
            "COPY metering_reading (site_id, circuit_id, at, full_read, source, quality, energy_wh)"
            " FROM STDIN (FORMAT BINARY)"
        ) as copy:
            copy.set_types(_TYPES)
            for number, read in reads:
                circuit = circuits[number]
                copy.write_row((circuit.site_id, circuit.pk, read.at, False, 0, read.quality, read.wh))


def became_latest(since: datetime) -> None:
    """What was read last of each circuit, true or not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_latest (site_id, circuit_id, at, energy_wh) SELECT DISTINCT ON (circuit_id)"
            " site_id, circuit_id, at, energy_wh FROM metering_reading WHERE at >= %s ORDER BY circuit_id, at DESC"
            " ON CONFLICT (site_id, circuit_id) DO UPDATE SET at = excluded.at, energy_wh = excluded.energy_wh",
            [since],
        )


def each_contract_adds_up(
    contracts: dict[int, tuple[Contract, list[int], int]], expected: list[month.Due], paid: Counter[int]
) -> None:
    for contract_id, (contract, numbers, account) in contracts.items():
        made = statement(contract, begins=BEGINS, ends=ENDS + timedelta(hours=1), at=ENDS)
        used = sum(expected[number].minor for number in numbers)
        assert (made.opening_minor, made.paid_minor, made.returned_minor, made.used_minor) == (
            0, paid[contract_id], 0, used,
        )  # fmt: skip
        assert made.closing_minor == books.running(account) == paid[contract_id] - used
        ends: defaultdict[int, datetime] = defaultdict(lambda: BEGINS)
        for line in made.lines:
            assert ends[line.circuit_id] <= line.begins < line.ends
            ends[line.circuit_id] = line.ends


def the_month_had_everything(played: list[month.Played]) -> None:
    """Guards the test against a month in which nothing happened."""
    reads = [read for each in played for day in each.on_time for read in day]
    marked = Counter(read.quality for read in reads)
    lies_believed = sum(1 for read in reads if read.total < 0 and read.quality == 0)
    good = [each.good() for each in played]
    rolled = sum(1 for each in good if each[-1].total >= month.ROLLS_AT)
    longest = max(b.at - a.at for each in good for a, b in zip(each, each[1:], strict=False))
    assert len(reads) > 650_000 and min(marked[n] for n in range(4)) > 100, marked
    assert lies_believed > 50 and rolled >= 20 and longest > timedelta(days=2)
    assert sum(len(day) for each in played for day in each.late) > 500
