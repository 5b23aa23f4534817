"""Statements of server-held contracts: opening + paid - returned - used = closing, in any window."""

from datetime import timedelta

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.estate import plans
from prewatt.office.ledger import books
from prewatt.office.ledger.models import AccountKind, Entry
from prewatt.office.reports.statements import Statement, statement
from tests.cast import NOON
from tests.office.billing.scene import HOUR, MINUTE, OPENING_WH, Shop, another, opened

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def stated(shop: Shop, begins: timedelta | None = None, ends: timedelta | None = None) -> Statement:
    at = NOON + 40 * DAY
    return statement(
        shop.contract,
        begins=None if begins is None else NOON + begins,
        ends=None if ends is None else NOON + ends,
        at=at,
    )


def sums(made: Statement) -> tuple[int, int, int, int, int]:
    return made.opening_minor, made.paid_minor, made.returned_minor, made.used_minor, made.closing_minor


def lines(made: Statement) -> list[tuple[float, float, int, str, int]]:
    """Hours after NOON, Wh, price, minor units."""
    return [
        ((n.begins - NOON) / HOUR, (n.ends - NOON) / HOUR, n.energy_wh, str(n.price.normalize()), n.amount_minor)
        for n in made.lines
    ]


def booked(
    shop: Shop, key: str, kind: str, amount_minor: int, other: AccountKind, *, credits: bool, **more: object
) -> int:
    """An entry between the contract's credit and another account; `credits`: the credit grows."""
    site = shop.cast.site
    far = books.account(company_id=site.company_id, site_id=site.pk, kind=other, key=other.value)
    debit, credit = (far, shop.account) if credits else (shop.account, far)
    return books.book_running(
        books.NewEntry(
            company_id=site.company_id, site_id=site.pk, timezone=site.timezone, key=key, kind=kind, actor="system",
            at=NOON + 2 * HOUR, reverses=more.get("reverses"),  # type: ignore[arg-type]
            transfers=[books.Transfer(debit_account_id=debit, credit_account_id=credit, amount_minor=amount_minor)],
        )
    )  # fmt: skip


def test_a_contract_that_was_just_opened_has_nothing() -> None:
    assert sums(stated(opened())) == (0, 0, 0, 0, 0)


def test_what_was_paid_and_used_is_what_is_left() -> None:
    shop = opened()
    shop.pay(5000, after=HOUR)
    shop.read_and_sweep(2 * HOUR, OPENING_WH + 1000)

    made = stated(shop)
    assert sums(made) == (0, 5000, 0, 92, 4908)
    assert made.closing_minor == shop.balance
    assert lines(made) == [(0, 2, 1000, "0.92", 92)]


def test_windows_that_meet_add_up() -> None:
    shop = opened()
    shop.pay(5000, after=HOUR)
    for n in range(1, 10):
        shop.read_and_sweep(n * 7 * HOUR, OPENING_WH + n * 777)
    shop.pay(100, key="pay:2", after=20 * HOUR)

    edges = [-HOUR, HOUR, 12 * HOUR, 13 * HOUR, 20 * HOUR, 21 * HOUR, 36 * HOUR, 90 * HOUR]
    parts = [stated(shop, a, b) for a, b in zip(edges, edges[1:], strict=False)]
    whole = stated(shop, edges[0], edges[-1])

    assert [part.opening_minor for part in parts[1:]] == [part.closing_minor for part in parts[:-1]]
    assert sum(part.used_minor for part in parts) == whole.used_minor
    assert sum(part.paid_minor for part in parts) == whole.paid_minor == 5100
    assert whole.closing_minor == shop.balance
    assert sum(line.energy_wh for part in parts for line in part.lines) == 9 * 777


def test_a_line_is_a_day_of_a_circuit_at_one_price() -> None:
    shop = opened()
    other = another(shop, shop.cast.lift)
    shop.new_price(6 * HOUR, "1.5")
    for n in range(1, 17):  # each hour, over midnight at 12
        shop.read(n * HOUR, OPENING_WH + n * 100)
        shop.sweep(n * HOUR)
    other.read_and_sweep(2 * HOUR, OPENING_WH + 1000)

    made = stated(shop)
    assert lines(made) == [
        (0, 6, 600, "0.92", 55), (6, 12, 600, "1.5", 90), (12, 16, 400, "1.5", 60), (0, 2, 1000, "0.92", 92),
    ]  # fmt: skip
    assert sum(line.amount_minor for line in made.lines) == made.used_minor


def test_a_plan_that_goes_and_comes_back_the_same_day_gives_lines_that_do_not_overlap() -> None:
    shop = opened()
    dear = plans.add_plan(
        shop.cast.company, code="dear", name="Dear", price=shop.cast.version.price * 2,
        valid_from=NOON, actor="system", at=NOON,
    )  # fmt: skip
    plans.assign(shop.supply, dear, valid_from=NOON + HOUR, actor="system", at=NOON)
    plans.assign(shop.supply, shop.cast.plan, valid_from=NOON + 2 * HOUR, actor="system", at=NOON)
    for n in range(1, 4):
        shop.read_and_sweep(n * HOUR, OPENING_WH + n * 1000)
    assert [(a, b, price) for a, b, _, price, _ in lines(stated(shop))] == [
        (0, 1, "0.92"), (1, 2, "1.84"), (2, 3, "0.92"),
    ]  # fmt: skip


def test_an_interval_over_the_edge_belongs_where_it_ends() -> None:
    shop = opened()
    shop.read_and_sweep(2 * HOUR, OPENING_WH + 1000)
    assert lines(stated(shop, timedelta(), HOUR)) == []
    assert lines(stated(shop, HOUR, 2 * HOUR)) == [(0, 2, 1000, "0.92", 92)]
    assert lines(stated(shop, 2 * HOUR, 3 * HOUR)) == []
    assert stated(shop, 2 * HOUR, 3 * HOUR).opening_minor == -92


def test_a_reversal_lowers_what_was_paid() -> None:
    shop = opened()
    shop.pay(5000, after=HOUR)
    booked(shop, "reversal:1", "reversal", 5000, AccountKind.OVER_SHORT, credits=False,
           reverses=Entry.objects.get(key="pay:1").pk)  # fmt: skip
    assert sums(stated(shop)) == (0, 0, 0, 0, 0)
    assert sums(stated(shop, 2 * HOUR, 3 * HOUR)) == (5000, -5000, 0, 0, 0)


def test_returns_are_told_apart_and_can_be_taken_back() -> None:
    shop = opened()
    shop.pay(5000, after=HOUR)
    returned = booked(shop, "confirm:1", "credit_returned", 3000, AccountKind.REFUND_PAYABLE, credits=False)
    assert sums(stated(shop)) == (0, 5000, 3000, 0, 2000)

    booked(shop, "back:1", "return_taken_back", 3000, AccountKind.REFUND_PAYABLE, credits=True, reverses=returned)
    assert sums(stated(shop)) == (0, 5000, 0, 0, 5000)


def test_a_sale_reversed_after_its_return_was_neither_paid_nor_returned() -> None:
    shop = opened()
    shop.pay(5000, after=HOUR)
    booked(shop, "confirm:1", "credit_returned", 5000, AccountKind.REFUND_PAYABLE, credits=False)
    site = shop.cast.site
    payable, cash = (
        books.account(company_id=site.company_id, site_id=site.pk, kind=kind, key=kind.value)
        for kind in (AccountKind.REFUND_PAYABLE, AccountKind.CLEARING)
    )
    books.book(
        books.NewEntry(
            company_id=site.company_id, site_id=site.pk, timezone=site.timezone, key="reversal:1", kind="reversal",
            actor="system", at=NOON + 3 * HOUR, reverses=Entry.objects.get(key="pay:1").pk,
            transfers=[books.Transfer(debit_account_id=payable, credit_account_id=cash, amount_minor=5000)],
        )
    )  # fmt: skip
    assert sums(stated(shop)) == (0, 0, 0, 0, 0)


def test_money_given_for_nothing_counts_as_paid() -> None:
    shop = opened()
    booked(shop, "make_up:1", "make_up", 700, AccountKind.MAKE_UP_COST, credits=True)
    assert sums(stated(shop)) == (0, 700, 0, 0, 700)


def test_a_statement_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        stated(opened(), HOUR, MINUTE)
    assert refused.value.code == "statement_range"
