"""A database whose functions were written when the files said something else gets those of today."""

from types import SimpleNamespace

import pytest
from django.db import connection

from prewatt.office.sqlfiles import functions_again
from tests.office.billing.scene import query

pytestmark = pytest.mark.django_db
FILES = (
    "0001_sell", "0002_settle", "0003_acts", "0004_shifts", "0005_history", "0006_held", "0007_recount", "0008_carried",
)  # fmt: skip


def functions() -> dict[str, str]:
    """Source and settings of each."""
    return dict(
        query(
            "SELECT oid::regprocedure::text, prosrc || coalesce(array_to_string(proconfig, ' '), '') FROM pg_proc"
            " WHERE proname LIKE 'vending%%'",
            [],
        )
    )


def test_what_was_written_otherwise_is_as_in_a_new_database() -> None:
    new = functions()
    with connection.cursor() as cursor:
        for one in [each for each in new if each.startswith(("vending_sell(", "vending_handed_out("))]:
            cursor.execute(f"DROP FUNCTION {one}")
        cursor.execute("CREATE FUNCTION vending_sell(p_old text) RETURNS text LANGUAGE sql AS 'SELECT p_old'")
        cursor.execute(
            "CREATE OR REPLACE FUNCTION vending_settle(p_delivery bigint, p_at timestamptz) RETURNS text"
            " LANGUAGE sql AS 'SELECT NULL::text'"
        )
    assert functions() != new
    functions_again("vending", *FILES).code(None, SimpleNamespace(connection=connection))  # type: ignore[arg-type]
    assert functions() == new
    planned = [each.split("(")[0] for each, text in new.items() if text.endswith("enable_seqscan=off")]
    assert sorted(planned) == [
        "vending_facts", "vending_load_returns", "vending_load_sales", "vending_sell", "vending_settle",
    ]  # fmt: skip
