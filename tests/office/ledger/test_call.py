"""The one way to call a function of the database: values, refusals, transactions, lost servers."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import OperationalError, ProgrammingError, connection, transaction

from prewatt.core.refusals import Refused
from prewatt.office.ledger.call import call


@pytest.mark.django_db
def test_values_go_there_and_back() -> None:
    at = datetime(2026, 11, 23, 8, 30, 0, 250_000, tzinfo=UTC)
    sent = ["户 'o' $1 %", 2**40, None, True, Decimal("0.920000"), at, [1, 2]]
    row = call("SELECT %s::text, %s::bigint, %s::bigint, %s::boolean, %s::numeric, %s::timestamptz, %s::bigint[]", sent)
    assert row == tuple(sent)


@pytest.mark.django_db
def test_one_statement_serves_numbers_of_every_size() -> None:
    sizes = [call("SELECT %s::bigint + 1", [size]) for size in (1, 40_000, 2**33)]
    assert sizes == [(2,), (40_001,), (2**33 + 1,)]


@pytest.mark.django_db
def test_no_row_is_none() -> None:
    assert call("SELECT id FROM ledger_account WHERE key = %s", ["nobody's"]) is None


@pytest.mark.django_db
@pytest.mark.parametrize("lists", [("{}", "{}", "{}"), (None, None, None), ("{1}", None, "{1}"), ("{1}", "{2}", "{}")])
def test_a_refusal_of_a_function_has_its_code_and_parameters(lists: tuple[str | None, str | None, str | None]) -> None:
    with pytest.raises(Refused) as caught, transaction.atomic():
        call(
            "SELECT ledger_book(%s, %s, %s, 'sale', 'x', '', now(), current_date, NULL, %s::bigint[], %s::bigint[],"
            " %s::bigint[])",
            [1, 1, "sale:S1", *lists],
        )
    assert (caught.value.code, caught.value.params["key"]) == ("entry_empty", "sale:S1")


@pytest.mark.django_db
def test_another_error_of_the_database_is_djangos() -> None:
    with pytest.raises(ProgrammingError, match="no_such_function"), transaction.atomic():
        call("SELECT no_such_function(%s)", [1])


@pytest.mark.django_db(transaction=True)
def test_a_call_that_comes_first_is_part_of_the_transaction() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        call("SELECT ledger_account(%s, %s, %s, %s)", [1, 1, "income", "income"])
        raise ZeroDivisionError
    assert call("SELECT count(*) FROM ledger_account WHERE key = %s", ["income"]) == (0,)


@pytest.mark.django_db(transaction=True)
def test_a_lost_server_is_an_operational_error_and_the_next_session_prepares_anew() -> None:
    assert call("SELECT %s::bigint", [7]) == (7,)
    with pytest.raises(OperationalError):
        call("SELECT pg_terminate_backend(pg_backend_pid())", [])
    with pytest.raises(OperationalError):
        call("SELECT %s::bigint", [7])
    connection.close()
    assert call("SELECT %s::bigint", [7]) == (7,)
