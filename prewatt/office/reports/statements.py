"""The statement of a contract (对账单): what it had, paid, got back and used between two instants, and what was left.

Amounts in minor units. Opening + paid - returned - used = closing, in any window, and windows that meet add up. What
counts when: money at the instant of its entry, `begins` <= at < `ends`; use at the end of its interval, `begins` <
to <= `ends`, since the interval ends before that instant. Where the meter holds the credit, use is what was released of
deferred income for the days that are over, at the average price of the purse. An interval that straddles `begins` is
shown with its own ends, not cut: charges end at local midnight and at price changes, so statements of days and months
never meet one, but for meter-held days, which end at their last reading.
docs/algorithms/billing.md has the rules and worked numbers.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.db.models import Min

from prewatt.core.refusals import Refused, Text, register
from prewatt.office.estate.models import Contract, SupplyPoint

MOST_LINES: Final = 20_000  # three years of a contract with sixteen circuits; more is asked for in parts

register(
    {
        "statement_range": Text(
            en="A statement ends after it begins. Ask for another time.",
            zh="对账单的结束时间必须晚于开始时间。请重新选择。",
        ),
        "statement_too_long": Text(
            en="This statement has more than {most} lines. Ask for a shorter time.",
            zh="该对账单超过 {most} 行。请缩短时间范围。",
        ),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StatementLine:
    """What one circuit used at one price in one local day; `ends` is exclusive, lines of a circuit never overlap."""

    circuit_id: int
    begins: datetime
    ends: datetime
    energy_wh: int
    price: Decimal  # per kWh
    amount_minor: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """The lines add up to `used_minor`. `paid_minor` has make-ups in it and is lowered by reversals."""

    begins: datetime
    ends: datetime
    opening_minor: int
    paid_minor: int
    returned_minor: int
    used_minor: int
    lines: tuple[StatementLine, ...]

    @property
    def closing_minor(self) -> int:
        return self.opening_minor + self.paid_minor - self.returned_minor - self.used_minor


def statement(contract: Contract, *, begins: datetime | None, ends: datetime | None, at: datetime) -> Statement:
    """The statement of a contract; None: from when it was first supplied, up to now.

    Raises Refused: statement_range, statement_too_long.
    """
    if begins is None:
        first = SupplyPoint.objects.filter(contract=contract).aggregate(first=Min("valid_from"))["first"] or at
        begins = min(first, contract.opened_at or first)
        ends = max(ends or at, begins)
    ends = ends or at
    if ends < begins:
        raise Refused("statement_range")
    told = {"contract": contract.pk, "begins": begins, "ends": ends, "most": MOST_LINES + 1}
    with connection.cursor() as cursor:
        cursor.execute(_SUMS, told)
        row = cursor.fetchone()
        assert row is not None
        cursor.execute(_LINES, told)
        lines = [StatementLine(**dict(zip(StatementLine.__slots__, each, strict=True))) for each in cursor.fetchall()]
    if len(lines) > MOST_LINES:
        raise Refused("statement_too_long", most=MOST_LINES)
    opening, paid, returned, used = (int(value) for value in row)
    made = Statement(
        begins=begins, ends=ends, opening_minor=opening, paid_minor=paid, returned_minor=returned, used_minor=used,
        lines=tuple(lines),
    )  # fmt: skip
    assert sum(line.amount_minor for line in lines) == used, contract.number
    return made


# Money that came and went: (at, paid, returned), both growing with what they are named after.
_MOVES: Final = """
accounts AS (
    SELECT DISTINCT c.site_id, sp.credit_account_id AS id FROM estate_supplypoint sp
    JOIN estate_circuit c ON c.id = sp.circuit_id
    WHERE sp.contract_id = %(contract)s AND sp.credit_account_id IS NOT NULL
), moves AS (
    SELECT e.at, CASE WHEN e.kind IN ('credit_returned', 'return_taken_back') THEN 0 ELSE t.amount END AS paid,
        CASE WHEN e.kind IN ('credit_returned', 'return_taken_back') THEN -t.amount ELSE 0 END AS returned
    FROM accounts a
    CROSS JOIN LATERAL (
        SELECT entry_id, amount_minor AS amount FROM ledger_transfer
        WHERE site_id = a.site_id AND credit_account_id = a.id
        UNION ALL SELECT entry_id, -amount_minor FROM ledger_transfer
        WHERE site_id = a.site_id AND debit_account_id = a.id) t
    JOIN ledger_entry e ON e.id = t.entry_id AND e.kind <> 'charge'
    UNION ALL
    -- a sale that is reversed after its credit came out by a return: neither was paid, neither came back
    SELECT e.at, -t.amount_minor, -t.amount_minor FROM accounts a
    JOIN ledger_transfer t ON t.site_id = a.site_id AND t.credit_account_id = a.id
    JOIN ledger_entry e ON e.reverses_id = t.entry_id AND e.kind = 'reversal'
    WHERE NOT EXISTS (SELECT FROM ledger_transfer o WHERE o.site_id = a.site_id AND o.entry_id = e.id
                      AND a.id IN (o.debit_account_id, o.credit_account_id))
    UNION ALL
    -- where the meter holds the credit: sales when the money came, also while their credit is on its way
    SELECT s.at, s.amount_minor, 0 FROM vending_sale s JOIN vending_delivery d ON d.sale_id = s.id
    WHERE s.contract_id = %(contract)s AND d.credit_account_id IS NULL
    UNION ALL
    SELECT e.at, -s.amount_minor, CASE d.state WHEN 'confirmed' THEN -s.amount_minor ELSE 0 END
    FROM vending_sale s JOIN vending_delivery d ON d.sale_id = s.id JOIN ledger_entry e ON e.reverses_id = s.entry_id
    WHERE s.contract_id = %(contract)s AND d.credit_account_id IS NULL
    UNION ALL
    SELECT e.at, 0, d.value_minor FROM vending_sale s JOIN vending_delivery d ON d.sale_id = s.id
    JOIN ledger_entry e ON e.site_id = s.site_id AND e.key = 'refund:' || d.id
    WHERE s.contract_id = %(contract)s AND d.credit_account_id IS NULL
    UNION ALL
    SELECT e.at, CASE d.origin WHEN 'make_up' THEN d.value_minor ELSE 0 END,
        CASE d.origin WHEN 'return' THEN d.value_minor ELSE 0 END
    FROM estate_supplypoint sp
    JOIN vending_delivery d ON d.circuit_id = sp.circuit_id AND d.created_at >= sp.valid_from
        AND (sp.valid_to IS NULL OR d.created_at < sp.valid_to)
    JOIN ledger_entry e ON e.site_id = d.site_id AND e.key = 'confirm:' || d.id
    WHERE sp.contract_id = %(contract)s AND d.credit_account_id IS NULL AND d.origin IN ('make_up', 'return')
    UNION ALL
    -- credit that was found in a meter at its opening was there before all else
    SELECT '-infinity', t.amount_minor, 0 FROM vending_opening o
    JOIN ledger_entry e ON e.site_id = o.site_id AND e.key = 'opening:' || o.id
    JOIN ledger_transfer t ON t.site_id = e.site_id AND t.entry_id = e.id
    WHERE o.contract_id = %(contract)s
)"""

_USES: Final = """
uses AS (
    SELECT u.circuit_id, u.from_at, u.to_at, u.energy_wh, u.plan_version_id, u.price, u.amount_minor
    FROM estate_supplypoint sp JOIN billing_charge u ON u.supply_point_id = sp.id
    WHERE sp.contract_id = %(contract)s
    UNION ALL
    SELECT r.circuit_id, r.from_at, r.to_at, r.energy_wh, -extract(epoch FROM r.from_at)::bigint, r.price,
        r.amount_minor
    FROM estate_supplypoint sp JOIN billing_release r ON r.supply_point_id = sp.id
    WHERE sp.contract_id = %(contract)s
)"""

_SUMS: Final = f"""
WITH {_MOVES}, {_USES}
SELECT m.opening - u.opening, m.paid, m.returned, u.used
FROM (SELECT coalesce(sum(paid - returned) FILTER (WHERE at < %(begins)s), 0) AS opening,
          coalesce(sum(paid) FILTER (WHERE at >= %(begins)s AND at < %(ends)s), 0) AS paid,
          coalesce(sum(returned) FILTER (WHERE at >= %(begins)s AND at < %(ends)s), 0) AS returned FROM moves) m,
     (SELECT coalesce(sum(amount_minor) FILTER (WHERE to_at <= %(begins)s), 0) AS opening,
          coalesce(sum(amount_minor) FILTER (WHERE to_at > %(begins)s AND to_at <= %(ends)s), 0) AS used FROM uses) u
"""

# One line for each run of charges of one circuit, day and price
_LINES: Final = f"""
WITH {_USES}, told AS (
    SELECT u.*, (u.from_at AT TIME ZONE s.timezone)::date AS day FROM uses u
    JOIN estate_circuit c ON c.id = u.circuit_id JOIN estate_site s ON s.id = c.site_id
    WHERE u.to_at > %(begins)s AND u.to_at <= %(ends)s
), marked AS (
    SELECT *, (plan_version_id, day) IS DISTINCT FROM (lag(plan_version_id) OVER w, lag(day) OVER w) AS begins
    FROM told WINDOW w AS (PARTITION BY circuit_id ORDER BY from_at)
), runs AS (
    SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY circuit_id ORDER BY from_at) AS run FROM marked
)
SELECT circuit_id, min(from_at), max(to_at), sum(energy_wh)::bigint, min(price), sum(amount_minor)::bigint
FROM runs GROUP BY circuit_id, run ORDER BY circuit_id, min(from_at) LIMIT %(most)s
"""


def as_dict(made: Statement) -> dict[str, Any]:
    """As the API gives it; instants stay instants."""
    return {
        "opening_minor": made.opening_minor,
        "paid_minor": made.paid_minor,
        "returned_minor": made.returned_minor,
        "used_minor": made.used_minor,
        "closing_minor": made.closing_minor,
        "lines": [
            {
                "circuit_id": str(line.circuit_id),
                "from": line.begins,
                "to": line.ends,
                "energy_wh": line.energy_wh,
                "price": f"{line.price.normalize():f}",
                "amount_minor": line.amount_minor,
            }
            for line in made.lines
        ],
    }
