"""The card "today's sales" that stands beside selling."""

from dataclasses import dataclass

from django.utils.functional import Promise

from prewatt.office.reports.sales import Filters, SaleRow, sales, total
from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats
from prewatt.web.ui.words import TENDERS

ROWS = 8


@dataclass(frozen=True, kw_only=True)
class Line:
    """A sale as the card shows it."""

    row: SaleRow
    time: str
    amount: str
    tender: str | Promise


@dataclass(frozen=True, kw_only=True)
class Today:
    """The newest sales of the site's day, and all of them summed."""

    rows: tuple[Line, ...]
    number: int
    sum: str


def today_of(ask: Ask) -> Today:
    start = ask.at.astimezone(ask.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    filters = Filters(since=start)
    number, minor = total(ask.operator.pk, ask.site.id, filters)
    rows = tuple(
        Line(
            row=row, time=formats.clock(row.at, ask.zone), amount=formats.scaled(row.amount_minor, ask.site.exponent),
            tender=TENDERS.get(row.tender, row.tender),
        )
        for row in sales(ask.operator.pk, ask.site.id, filters, most=ROWS)
    )  # fmt: skip
    return Today(rows=rows, number=number, sum=formats.money(minor, ask.site.currency, ask.site.exponent))
