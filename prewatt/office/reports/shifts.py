"""Shifts of a site as lists show them. Reads only; the site is one the operator may see as a whole."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

LIST_MOST: Final = 30  # a page; the next one goes on by key
_SQL: Final = """
SELECT h.id, t.code, t.name, coalesce(o.name, ''), h.operator_id, h.opened_at, h.closed_at, h.float_minor,
       h.counted_minor, h.expected_minor, h.note,
       (SELECT count(*) FROM vending_sale s WHERE s.shift_id = h.id),
       (SELECT coalesce(sum(p.amount_minor), 0) FROM payments_payment p WHERE p.shift_id = h.id AND p.amount_minor > 0)
FROM vending_shift h
JOIN vending_till t ON t.id = h.till_id
JOIN estate_site si ON si.id = t.site_id
LEFT JOIN staff_operator o ON o.id = h.operator_id
WHERE t.site_id = %(site)s
  AND EXISTS (SELECT 1 FROM staff_scope sc WHERE sc.operator_id = %(operator)s
      AND (sc.company_id = si.company_id OR sc.site_id = si.id))
  AND (%(all)s OR h.operator_id = %(operator)s)
  AND (%(id)s::bigint IS NULL OR h.id = %(id)s)
  AND (%(before)s::bigint IS NULL OR h.id < %(before)s)
ORDER BY h.id DESC LIMIT %(most)s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShiftRow:
    """One shift. Amounts in minor units; `counted_minor` None: it is open."""

    id: int
    till: str
    till_name: str
    operator: str
    operator_id: int
    opened_at: datetime
    closed_at: datetime | None
    float_minor: int
    counted_minor: int | None
    expected_minor: int | None
    note: str
    sales: int
    taken_minor: int

    @property
    def difference_minor(self) -> int | None:
        if self.counted_minor is None or self.expected_minor is None:
            return None
        return self.counted_minor - self.expected_minor


def shift_rows(
    operator_id: int, site_id: int, *, everybodys: bool, shift_id: int | None = None, before_id: int | None = None,
    most: int = LIST_MOST,
) -> list[ShiftRow]:  # fmt: skip
    """Newest first. `everybodys` False: only his own."""
    with connection.cursor() as cursor:
        cursor.execute(
            _SQL,
            {
                "operator": operator_id,
                "site": site_id,
                "all": everybodys,
                "id": shift_id,
                "before": before_id,
                "most": most,
            },
        )
        names = ShiftRow.__slots__
        return [ShiftRow(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
