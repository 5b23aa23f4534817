"""The list of sales as a workbook: the same filters, the same columns, the same words as on the page."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from zoneinfo import ZoneInfo

import xlsxwriter
from django.utils.translation import gettext as _

from prewatt.office.reports.sales import SaleRow
from prewatt.web.console.lists import cut_words
from prewatt.web.ui.formats import credit_unit_word
from prewatt.web.ui.states import delivery_look
from prewatt.web.ui.words import TENDERS

WIDTHS = (17, 14, 10, 18, 12, 18, 12, 12, 12, 12, 12, 14, 10, 10)


def headings(currency: str) -> list[str]:
    return [
        _("Time"), _("Sale no."), _("Shop"), _("Name"), _("Contract no."), _("Customer"),
        f"{_('Amount')} {currency}", _("Credit"), _("Tender"), _("Delivery"), _("Cashier"), _("Receipt"),
        _("By token"), _("Credit unit"),
    ]  # fmt: skip


def workbook(
    rows: Sequence[SaleRow], *, zone: ZoneInfo, currency: str, exponent: int, total_minor: int, most: int
) -> bytes:
    """One sheet of at most `most` rows; one that is cut says so. Amounts and credit are numbers with two decimals,
    times are times of the site."""
    whole, rows = len(rows) <= most, rows[:most]
    held = BytesIO()
    book = xlsxwriter.Workbook(held, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet(_("Sales"))
    bold, money = book.add_format({"bold": True}), book.add_format({"num_format": "#,##0.00"})
    time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    sum_of = book.add_format({"num_format": "#,##0.00", "bold": True})
    for column, (heading, width) in enumerate(zip(headings(currency), WIDTHS, strict=True)):
        sheet.write_string(0, column, heading, bold)
        sheet.set_column(column, column, width)
    sheet.freeze_panes(1, 0)
    for number, row in enumerate(rows, 1):
        sheet.write_datetime(number, 0, _local(row.at, zone), time)
        for column, text in (
            (1, row.number),
            (2, row.room),
            (3, row.room_name),
            (4, row.contract_number),
            (5, row.customer),
        ):
            sheet.write_string(number, column, text)
        sheet.write_number(number, 6, Decimal(row.amount_minor).scaleb(-exponent), money)
        sheet.write_number(number, 7, Decimal(row.credit).scaleb(-3 if row.credit_unit == "Wh" else -exponent), money)
        for column, text in (
            (8, str(TENDERS.get(row.tender, row.tender))),
            (9, state_word(row)),
            (10, row.cashier),
            (11, row.receipt),
            (12, _("yes") if row.by_token else ""),
            (13, credit_unit_word(row.credit_unit) or row.credit_unit),
        ):
            sheet.write_string(number, column, text)
    last = len(rows) + 1
    if not whole:
        sheet.write_string(last, 0, cut_words(most), bold)
        last += 1
    sheet.write_string(last, 0, _("Total of the sales that stand"), bold)
    sheet.write_number(last, 6, Decimal(total_minor).scaleb(-exponent), sum_of)
    book.close()
    return held.getvalue()


def state_word(row: SaleRow) -> str:
    look = delivery_look(row.delivery, row.in_books, row.by_token)
    return _("Reversed") if row.state == "reversed" else str(look.word)


def _local(at: datetime, zone: ZoneInfo) -> datetime:
    """A workbook knows no zones: the site's wall clock."""
    return at.astimezone(zone).replace(tzinfo=None)
