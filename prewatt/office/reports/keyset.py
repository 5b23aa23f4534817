"""What lists of circuits share: the balance by who holds it, the find text, paging by key."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from django.db import connection

# what a circuit's credit is, of `sp` (its supply point), `la` (the latest telemetry) and `rb` (what the books hold)
BALANCE: Final = "CASE sp.custody WHEN 'server' THEN rb.balance_minor WHEN 'meter' THEN la.balance END"
RUNNING: Final = "LEFT JOIN ledger_runningbalance rb ON rb.account_id = sp.credit_account_id AND sp.custody = 'server'"

Row = TypeVar("Row")


def find_text(text: str) -> dict[str, str]:
    """The parameters of a search: as typed, and as patterns of LIKE that mean just that."""
    plain = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return {"text": text, "inside": f"%{plain}%", "start": f"{plain}%"}


def keyset(
    row: type[Row],
    columns: str,
    source: str,
    arguments: Mapping[str, Any],
    *,
    sort: tuple[str, str],
    tie: str,
    descending: bool,
    after: tuple[str | int, int] | None,
    most: int,
) -> list[Row]:
    """At most `most` rows of `source` (FROM ... WHERE ...) behind the key `after` = (sort value, tie breaker).

    `sort` is an expression that is never null, and its type; its value is the last column of a row.
    """
    expression, kind = sort
    order, compare = ("DESC", "<") if descending else ("ASC", ">")
    given = {"most": most, "after": after[0] if after else None, "after_id": after[1] if after else None}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns}, {expression} {source}"
            f" AND (%(after_id)s::bigint IS NULL OR ({expression}, {tie}) {compare} (%(after)s::{kind}, %(after_id)s))"
            f" ORDER BY {expression} {order}, {tie} {order} LIMIT %(most)s",
            {**arguments, **given},
        )
        names: tuple[str, ...] = getattr(row, "__slots__")  # noqa: B009  a frozen dataclass with slots
        return [row(**dict(zip(names, values, strict=True))) for values in cursor.fetchall()]
