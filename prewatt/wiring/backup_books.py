"""What a database says of its books, in a few figures: taken in the snapshot of a backup, and again after a restore.

Plain SQL on what every version has had; a table that a version lacks is left out, so that an older backup can be read.
"""

from typing import Final, LiteralString

import psycopg

Connection = psycopg.Connection[tuple[object, ...]]
Books = dict[str, int]

# name -> (table, expression). Sums are of bigints that no site can make overflow a numeric; they are read as int.
_FIGURES: Final[dict[str, tuple[str, LiteralString]]] = {
    "companies": ("estate_company", "count(*)"),
    "sites": ("estate_site", "count(*)"),
    "circuits": ("estate_circuit", "count(*)"),
    "contracts": ("estate_contract", "count(*)"),
    "supply_points": ("estate_supplypoint", "count(*)"),
    "operators": ("staff_operator", "count(*)"),
    "api_keys": ("staff_apikey", "count(*)"),
    "sales": ("vending_sale", "count(*)"),
    "sales_minor": ("vending_sale", "coalesce(sum(amount_minor), 0)"),
    "deliveries": ("vending_delivery", "count(*)"),
    "receipts": ("vending_receipt", "count(*)"),
    "payments": ("payments_payment", "count(*)"),
    "payments_minor": ("payments_payment", "coalesce(sum(amount_minor), 0)"),
    "entries": ("ledger_entry", "count(*)"),
    "transfers": ("ledger_transfer", "count(*)"),
    "transfers_minor": ("ledger_transfer", "coalesce(sum(amount_minor), 0)"),
    "running_minor": ("ledger_runningbalance", "coalesce(sum(balance_minor), 0)"),
    "charges": ("billing_charge", "count(*)"),
    "charges_minor": ("billing_charge", "coalesce(sum(amount_minor), 0)"),
    "latest": ("metering_latest", "count(*)"),
}


def tables(connection: Connection) -> set[str]:
    """The tables of the public schema."""
    rows = connection.execute(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
    ).fetchall()
    return {str(row[0]) for row in rows}


def figures(connection: Connection) -> Books:
    """Counts and sums (minor units) of what this database has."""
    there = tables(connection)
    found: Books = {}
    for name, (table, expression) in _FIGURES.items():
        if table in there:
            row = connection.execute(f"SELECT ({expression})::bigint FROM {table}").fetchone()
            assert row is not None and isinstance(row[0], int)
            found[name] = row[0]
    return found


def applied(connection: Connection) -> list[tuple[str, str]]:
    """The migrations this database has had."""
    if "django_migrations" not in tables(connection):
        return []
    rows = connection.execute("SELECT app, name FROM django_migrations ORDER BY app, name").fetchall()
    return [(str(app), str(name)) for app, name in rows]


def holds_something(connection: Connection) -> bool:
    """Whether there is anything worth a backup: a company."""
    if "estate_company" not in tables(connection):
        return False
    row = connection.execute("SELECT EXISTS (SELECT FROM estate_company)").fetchone()
    return row is not None and bool(row[0])
