"""The books in Python: accounts, entries, balances. Writing is one call of the SQL function `ledger_book`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection

from prewatt.office.ledger import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.ledger.call import call
from prewatt.office.ledger.models import AccountKind, Entry

MAX_TRANSFERS: Final = 100  # of one entry; the largest business act has four
# what grows on the debit side; the others grow on the credit side
DEBIT_NATURED: Final = frozenset(
    {AccountKind.CASH, AccountKind.CLEARING, AccountKind.MAKE_UP_COST, AccountKind.OVER_SHORT, AccountKind.HANDED_OVER}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """One move of `amount_minor` > 0 between two accounts."""

    debit_account_id: int
    credit_account_id: int
    amount_minor: int

    def __post_init__(self) -> None:
        assert self.amount_minor > 0, self
        assert self.debit_account_id != self.credit_account_id, self


@dataclass(frozen=True, kw_only=True, slots=True)
class NewEntry:
    """An entry to be booked. `key` was made by the caller; it is booked once."""

    company_id: int
    site_id: int
    timezone: str  # of the site: says into which day the entry falls
    key: str
    kind: str
    actor: str
    at: datetime
    transfers: Sequence[Transfer]
    reason: str = ""
    reverses: int | None = None  # entry that this one takes back

    def __post_init__(self) -> None:
        assert 1 <= len(self.transfers) <= MAX_TRANSFERS, self.key


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A transfer of an entry as it stands in the books, with the accounts' keys."""

    debit_account: str
    credit_account: str
    amount_minor: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Books:
    """Sums over all that was booked, minor units. The two sides are added up each for itself."""

    debit_minor: int
    credit_minor: int
    by_kind: dict[AccountKind, int]  # in the account's own nature: cash in hand > 0, deferred income > 0

    def of(self, kind: AccountKind) -> int:
        return self.by_kind.get(kind, 0)

    @property
    def cash_minor(self) -> int:
        return self.of(AccountKind.CASH)

    @property
    def in_delivery_minor(self) -> int:
        return self.of(AccountKind.IN_DELIVERY)

    @property
    def deferred_income_minor(self) -> int:
        return self.of(AccountKind.DEFERRED_INCOME)


def account(*, company_id: int, site_id: int, kind: AccountKind, key: str) -> int:
    """The id of an account, made when it is first needed. Raises Refused `account_kind_differs`."""
    row = call("SELECT ledger_account(%s, %s, %s, %s)", [company_id, site_id, kind.value, key])
    assert row is not None
    return int(row[0])


def credit_account(*, company_id: int, site_id: int, key: str) -> int:
    """The id of an account of server-held credit ("credit:contract:<id>", "credit:supply:<id>"); its running row."""
    row = call("SELECT ledger_credit_account(%s, %s, %s)", [company_id, site_id, key])
    assert row is not None
    return int(row[0])


def running(account_id: int) -> int:
    """What stands on an account of server-held credit, credit positive, minor units."""
    row = call("SELECT balance_minor FROM ledger_runningbalance WHERE account_id = %s", [account_id])
    assert row is not None, account_id
    return int(row[0])


def book(entry: NewEntry) -> int:
    """Book one entry in the caller's transaction; its id.

    Raises Refused `entry_key_used`, `day_closed`, `entry_unknown`, `entry_reversed_already`.
    """
    return _book("ledger_book", entry)


def book_running(entry: NewEntry) -> int:
    """As `book`, for an entry that touches server-held credit: the running balances are kept with it."""
    return _book("ledger_book_running", entry)


def _book(function: str, entry: NewEntry) -> int:
    row = call(
        f"SELECT {function}(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::bigint[], %s::bigint[], %s::bigint[])",
        [entry.company_id, entry.site_id, entry.key, entry.kind, entry.actor, entry.reason, entry.at,
         entry.at.astimezone(ZoneInfo(entry.timezone)).date(), entry.reverses,
         [each.debit_account_id for each in entry.transfers], [each.credit_account_id for each in entry.transfers],
         [each.amount_minor for each in entry.transfers]],
    )  # fmt: skip
    assert row is not None
    return int(row[0])


def lines_of(entry: Entry) -> list[Line]:
    """The transfers of an entry, in order."""
    rows = _rows(
        "SELECT d.key, c.key, t.amount_minor FROM ledger_transfer t JOIN ledger_account d ON d.id = t.debit_account_id "
        "JOIN ledger_account c ON c.id = t.credit_account_id WHERE t.site_id = %s AND t.entry_id = %s ORDER BY t.line",
        [entry.site_id, entry.pk],
    )
    return [Line(debit_account=debit, credit_account=credit, amount_minor=amount) for debit, credit, amount in rows]


def balance(*, site_id: int, account_id: int) -> int:
    """Debits less credits of one account, minor units."""
    row = call("SELECT ledger_balance(%s, %s)", [site_id, account_id])
    assert row is not None
    return int(row[0])


def balance_of_key(*, site_id: int, key: str) -> int:
    """Debits less credits of the account with this key; 0 when nothing was ever booked to it."""
    row = call("SELECT ledger_balance(site_id, id) FROM ledger_account WHERE site_id = %s AND key = %s", [site_id, key])
    return 0 if row is None else int(row[0])


def books(company_id: int, site_ids: Sequence[int] | None = None) -> Books:
    """All that was booked for a company, or for some of its sites."""
    sites = None if site_ids is None else list(site_ids)
    sides: dict[str, dict[AccountKind, int]] = {}
    for side in ("debit", "credit"):
        rows = _rows(
            f"SELECT a.kind, sum(t.amount_minor) FROM ledger_transfer t "
            f"JOIN ledger_account a ON a.site_id = t.site_id AND a.id = t.{side}_account_id "
            f"WHERE a.company_id = %s AND (%s::bigint[] IS NULL OR t.site_id = ANY (%s::bigint[])) GROUP BY a.kind",
            [company_id, sites, sites],
        )
        sides[side] = {AccountKind(kind): int(total) for kind, total in rows}
    by_kind = {kind: _natural(kind, sides["debit"].get(kind, 0), sides["credit"].get(kind, 0)) for kind in AccountKind}
    return Books(debit_minor=sum(sides["debit"].values()), credit_minor=sum(sides["credit"].values()), by_kind=by_kind)


def _natural(kind: AccountKind, debits: int, credits: int) -> int:
    return debits - credits if kind in DEBIT_NATURED else credits - debits


def is_closed(*, site_id: int, day: date) -> bool:
    """Whether nothing is booked into this local day of the site any more."""
    row = call("SELECT ledger_closed(%s, %s)", [site_id, day])
    assert row is not None
    return bool(row[0])


def _rows(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
