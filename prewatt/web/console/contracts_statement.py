"""The statement on the contract page: what the contract had, paid, got back and used this month, and what is left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.translation import gettext as _

from prewatt.office.estate.models import Contract, SupplyPoint
from prewatt.office.reports.statements import Statement, StatementLine, statement
from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats

MOST_SHOWN: Final = 62  # a month of two circuits; the API gives all

Line = tuple[str, str, int, object, int]  # day, meter number, Wh, price, minor units


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The card: sums as (label, amount, is the last), lines newest first, how many more there are."""

    sums: Sequence[tuple[str, str, bool]]
    lines: Sequence[Line]
    more: int
    begins: str


def shown(ask: Ask, contract: Contract, points: Sequence[SupplyPoint], *, begins: datetime | None) -> Shown:
    """`begins` None: since the contract was first supplied. Money is known also where the meter counts energy."""
    made = statement(contract, begins=begins, ends=None, at=ask.at)
    numbers = {point.circuit_id: point.circuit.meter.number for point in points}
    newest = sorted(made.lines, key=lambda line: line.begins, reverse=True)
    return Shown(
        sums=_sums(ask, made),
        lines=[_line(ask, line, numbers) for line in newest[:MOST_SHOWN]],
        more=max(0, len(newest) - MOST_SHOWN),
        begins=formats.day(made.begins, ask.zone),
    )


def _line(ask: Ask, line: StatementLine, numbers: dict[int, str]) -> Line:
    day = line.begins.astimezone(ask.zone).strftime("%Y-%m-%d")
    return day, numbers.get(line.circuit_id, formats.DASH), line.energy_wh, line.price, line.amount_minor


def _sums(ask: Ask, made: Statement) -> Sequence[tuple[str, str, bool]]:
    def money(minor: int) -> str:
        return formats.money(minor, ask.site.currency, ask.site.exponent)

    return [
        (_("Credit at its beginning"), money(made.opening_minor), False),
        (_("+ paid"), money(made.paid_minor), False),
        (_("− returned"), money(made.returned_minor), False),
        (_("− used"), money(made.used_minor), False),
        (_("= remaining"), money(made.closing_minor), True),
    ]
