"""The books: an unbalanced entry cannot be written, nothing written can be changed."""

from datetime import UTC, date, datetime

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from prewatt.core.refusals import Refused
from prewatt.office.ledger import days
from prewatt.office.ledger.books import (
    NewEntry,
    Transfer,
    account,
    balance,
    balance_of_key,
    book,
    books,
    is_closed,
    lines_of,
)
from prewatt.office.ledger.models import Account, AccountKind, ClosedDay, Entry
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.models import Role

AT = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)  # the 21st, 01:00, in Shanghai
FAY = Actor(key="operator:9", name="Fay", role=Role.FINANCE, operator_id=9)


def accounts() -> tuple[int, int]:
    cash = account(company_id=1, site_id=1, kind=AccountKind.CASH, key="cash:till:1:shift:1")
    transit = account(company_id=1, site_id=1, kind=AccountKind.IN_DELIVERY, key="in_delivery")
    return cash, transit


def new(key: str, *transfers: tuple[int, int, int], reverses: int | None = None, at: datetime = AT) -> NewEntry:
    return NewEntry(
        company_id=1, site_id=1, timezone="Asia/Shanghai", key=key, kind="sale", actor="operator:1", at=at,
        transfers=[Transfer(debit_account_id=d, credit_account_id=c, amount_minor=a) for d, c, a in transfers],
        reverses=reverses,
    )  # fmt: skip


def code_of(entry: NewEntry) -> str:
    with pytest.raises(Refused) as caught, transaction.atomic():
        book(entry)
    return caught.value.code


@pytest.mark.django_db
def test_an_entry_moves_money_between_accounts() -> None:
    cash, transit = accounts()
    made = book(new("k1", (cash, transit, 5000), (cash, transit, 1)))
    assert balance(site_id=1, account_id=cash) == 5001
    assert balance(site_id=1, account_id=transit) == -5001
    assert balance_of_key(site_id=1, key="in_delivery") == -5001
    assert balance_of_key(site_id=1, key="nothing") == 0
    found = books(1)
    assert (found.debit_minor, found.credit_minor, found.cash_minor, found.in_delivery_minor) == (
        5001,
        5001,
        5001,
        5001,
    )
    assert books(1, [2]).debit_minor == 0
    assert books(2).debit_minor == 0
    lines = lines_of(Entry.objects.get(pk=made))
    assert [(line.debit_account, line.amount_minor) for line in lines] == [
        ("cash:till:1:shift:1", 5000), ("cash:till:1:shift:1", 1),
    ]  # fmt: skip


@pytest.mark.django_db
def test_an_account_is_made_once_and_keeps_its_kind() -> None:
    cash, _ = accounts()
    assert accounts()[0] == cash
    with pytest.raises(Refused) as caught:
        account(company_id=1, site_id=1, kind=AccountKind.INCOME, key="in_delivery")
    assert caught.value.code == "account_kind_differs"


@pytest.mark.django_db
def test_an_entry_key_is_booked_once() -> None:
    cash, transit = accounts()
    book(new("k1", (cash, transit, 1)))
    assert code_of(new("k1", (cash, transit, 1))) == "entry_key_used"


@pytest.mark.django_db
def test_an_entry_is_reversed_once_at_most() -> None:
    cash, transit = accounts()
    first = book(new("k1", (cash, transit, 7)))
    book(new("k2", (transit, cash, 7), reverses=first))
    assert code_of(new("k3", (transit, cash, 7), reverses=first)) == "entry_reversed_already"
    assert code_of(new("k4", (transit, cash, 7), reverses=10**9)) == "entry_unknown"
    assert balance(site_id=1, account_id=cash) == 0


@pytest.mark.django_db
def test_nothing_is_booked_into_a_closed_day_of_the_sites_own_time() -> None:
    cash, transit = accounts()
    with pytest.raises(Refused) as caught:
        days.close(site_id=1, timezone="Asia/Shanghai", day=date(2026, 11, 21), actor=FAY, at=AT)
    assert caught.value.code == "day_not_over"
    days.close(site_id=1, timezone="Asia/Shanghai", day=date(2026, 11, 20), actor=FAY, at=AT)
    assert is_closed(site_id=1, day=date(2026, 11, 20))
    assert code_of(new("k1", (cash, transit, 1), at=datetime(2026, 11, 20, 15, 59, tzinfo=UTC))) == "day_closed"
    book(new("k2", (cash, transit, 1)))
    with pytest.raises(Refused) as caught:
        days.close(site_id=1, timezone="Asia/Shanghai", day=date(2026, 11, 20), actor=FAY, at=AT)
    assert caught.value.code == "day_closed_already"
    alice = Actor(key="operator:1", name="Alice", role=Role.CASHIER, operator_id=1)
    with pytest.raises(Refused) as caught:
        days.close(site_id=1, timezone="Asia/Shanghai", day=date(2026, 11, 19), actor=alice, at=AT)
    assert caught.value.code == "not_permitted"


@pytest.mark.parametrize("amount", [0, -1])
@pytest.mark.django_db
def test_python_and_database_both_refuse_an_amount_that_is_not_positive(amount: int) -> None:
    cash, transit = accounts()
    with pytest.raises(AssertionError):
        Transfer(debit_account_id=cash, credit_account_id=transit, amount_minor=amount)
    with pytest.raises(DatabaseError, match="transfer_positive"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO ledger_transfer VALUES (1, 1, 1, %s, %s, %s)", [cash, transit, amount])
    with pytest.raises(DatabaseError, match="transfer_two_accounts"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO ledger_transfer VALUES (1, 1, 1, %s, %s, 5)", [cash, cash])


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_transfer", "ledger_account", "ledger_closedday"])
@pytest.mark.parametrize("what", ["UPDATE {} SET site_id = 2", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
@pytest.mark.django_db
def test_the_database_itself_refuses_to_change_the_books(table: str, what: str) -> None:
    cash, transit = accounts()
    book(new("k1", (cash, transit, 1)))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a truncation would stumble over deferred checks before
    with pytest.raises(DatabaseError, match="append_only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(what.format(table))


@pytest.mark.django_db
def test_the_orm_cannot_change_the_books_either() -> None:
    cash, transit = accounts()
    book(new("k1", (cash, transit, 1)))
    ClosedDay.objects.create(site_id=1, day=AT.date(), closed_at=AT, actor="x")
    for rows in (Entry.objects.all(), Account.objects.all(), ClosedDay.objects.all()):
        with pytest.raises(DatabaseError, match="append_only"), transaction.atomic():
            rows.update(site_id=2)
        with pytest.raises(DatabaseError, match="append_only"), transaction.atomic():
            rows.delete()


class BooksAlwaysBalance(TestCase):
    """Whatever is booked, both sides agree, and each account is what its transfers say."""

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 10**12)), min_size=1, max_size=20))
    def test_over_any_transfers(self, moves: list[tuple[int, int, int]]) -> None:
        kinds = [AccountKind.CASH, AccountKind.IN_DELIVERY, AccountKind.DEFERRED_INCOME, AccountKind.INCOME]
        ids = [account(company_id=5, site_id=5, kind=kind, key=kind.value) for kind in kinds]
        expected = [0] * 4
        for n, (debit, credit, amount) in enumerate(moves):
            if debit == credit:
                continue
            book(NewEntry(
                company_id=5, site_id=5, timezone="UTC", key=f"p{n}", kind="test", actor="t", at=AT,
                transfers=[Transfer(debit_account_id=ids[debit], credit_account_id=ids[credit], amount_minor=amount)],
            ))  # fmt: skip
            expected[debit] += amount
            expected[credit] -= amount
        found = books(5)
        assert found.debit_minor == found.credit_minor
        assert [balance(site_id=5, account_id=each) for each in ids] == expected
        assert found.cash_minor == expected[0] and found.in_delivery_minor == -expected[1]
