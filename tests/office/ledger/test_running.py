"""Running balances of server-held credit: kept with each entry, and checked against the transfers."""

from datetime import UTC, datetime

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.ledger import books
from prewatt.office.ledger.models import AccountKind, RunningBalance
from prewatt.office.vending.audits import audit_books

AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def entry(key: str, *transfers: tuple[int, int, int]) -> books.NewEntry:
    """`transfers`: debit account, credit account, minor units."""
    moves = [books.Transfer(debit_account_id=d, credit_account_id=c, amount_minor=a) for d, c, a in transfers]
    return books.NewEntry(
        company_id=1, site_id=1, timezone="Asia/Shanghai", key=key, kind="sale", actor="system", at=AT, transfers=moves
    )


def plain(kind: AccountKind, key: str) -> int:
    return books.account(company_id=1, site_id=1, kind=kind, key=key)


@pytest.mark.django_db
def test_an_account_of_credit_begins_at_nothing_and_is_made_once() -> None:
    credit = books.credit_account(company_id=1, site_id=1, key="credit:contract:7")

    assert books.credit_account(company_id=1, site_id=1, key="credit:contract:7") == credit
    assert books.running(credit) == 0
    assert audit_books() == []


@pytest.mark.django_db
def test_each_entry_moves_what_runs_by_what_it_transfers() -> None:
    worth, income = plain(AccountKind.OPENING, "opening"), plain(AccountKind.INCOME, "income")
    one, other = (books.credit_account(company_id=1, site_id=1, key=f"credit:contract:{n}") for n in (1, 2))

    books.book_running(entry("sale:1", (worth, one, 5000)))
    books.book_running(entry("charge:1", (one, income, 7000), (other, income, 300)))
    books.book_running(entry("move:1", (income, one, 40), (one, other, 10)))

    assert (books.running(one), books.running(other)) == (5000 - 7000 + 40 - 10, -300 + 10)
    assert books.balance(site_id=1, account_id=one) == -books.running(one)
    assert audit_books() == []


@pytest.mark.django_db
def test_what_is_refused_moves_nothing() -> None:
    worth = plain(AccountKind.OPENING, "opening")
    credit = books.credit_account(company_id=1, site_id=1, key="credit:supply:1")
    books.book_running(entry("sale:1", (worth, credit, 5000)))

    with pytest.raises(Refused) as refused:
        books.book_running(entry("sale:1", (worth, credit, 5000)))

    assert refused.value.code == "entry_key_used"


@pytest.mark.django_db
def test_the_audit_finds_an_entry_that_was_booked_beside_the_running_balance() -> None:
    worth = plain(AccountKind.OPENING, "opening")
    credit = books.credit_account(company_id=1, site_id=1, key="credit:supply:1")
    books.book(entry("sale:1", (worth, credit, 5000)))

    assert [(f.check, f.seen) for f in audit_books() if f.check == "running_balance"] == [
        ("running_balance", "running 0, transfers 5000")
    ]


@pytest.mark.django_db
def test_the_audit_finds_an_account_of_credit_whose_running_balance_is_missing() -> None:
    credit = books.credit_account(company_id=1, site_id=1, key="credit:supply:1")
    RunningBalance.objects.filter(pk=credit).delete()

    assert [f.seen for f in audit_books()] == ["running missing, transfers 0"]
