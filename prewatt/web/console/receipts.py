"""Receipts (收据, 非发票) on three-part paper, 241 x 140 mm: looked at freely, counted when printed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from prewatt.core.units import currency
from prewatt.office.reports.sales_receipts import ReceiptFull, receipt_full
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending.models import DeliveryState
from prewatt.office.vending.receipts import number_of, printed
from prewatt.web.console.sales_by_token import slip_shown
from prewatt.web.console.sell_parts import with_unit
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats
from prewatt.web.ui.states import delivery_look
from prewatt.web.ui.words import RECEIPTS, TENDERS, price_words

PAIRS = 3  # label and value, per line of the table
DIGITS_MOST = 6  # of a print number in an address


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A label and its value; numbers stand right."""

    label: str
    value: str
    number: bool = False
    bold: bool = False


def _found_or_404(ask: Ask, receipt_id: int) -> ReceiptFull:
    full = receipt_full(ask.operator, receipt_id)
    if full is None:
        raise Http404
    return full


def _credit(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    exponent = currency(str(data["currency"])).exponent if data.get("currency") else 2
    return formats.DASH if value is None else with_unit(int(value), str(data.get("credit_unit", "Wh")), exponent)


def _money(data: Mapping[str, Any], name: str = "amount_minor") -> str:
    value, code = data.get(name), str(data.get("currency", "CNY"))
    return formats.DASH if value is None else formats.money(int(value), code, currency(code).exponent)


def _price(data: Mapping[str, Any]) -> str:
    value = data.get("price")
    return formats.DASH if value is None else price_words(Decimal(str(value)), str(data.get("currency", "CNY")))


def _text(data: Mapping[str, Any], name: str) -> str:
    return str(data.get(name) or "") or formats.DASH


def _room(data: Mapping[str, Any]) -> str:
    """Building and room; a room whose code begins with that of its building says it once."""
    text = _text(data, "room")
    building, _blank, room = text.partition(" ")
    return room if room.startswith(building) else text


def _party(data: Mapping[str, Any]) -> list[Cell]:
    return [
        Cell(label=_("Contract no."), value=_text(data, "contract_number")),
        Cell(label=_("Customer"), value=_text(data, "customer")), Cell(label=_("Shop"), value=_room(data)),
        Cell(label=_("Meter no."), value=_text(data, "meter_number")),
        Cell(label=_("Purchase count"), value=_text(data, "purchase_count"), number=True),
    ]  # fmt: skip


def _sale_cells(full: ReceiptFull, data: Mapping[str, Any], zone: ZoneInfo) -> list[Cell]:
    read_at = data.get("balance_before_at")
    read = datetime.fromisoformat(str(read_at)).astimezone(zone).strftime("%m-%d %H:%M:%S") if read_at else formats.DASH
    repaid = {**data, "repaid": int(data.get("repaid_past_zero") or 0) + int(data.get("repaid_overdraft") or 0)}
    return [
        *_party(data), Cell(label=_("Sale no."), value=full.sale_number or _text(data, "sale_number")),
        Cell(label=_("Balance before"), value=_credit(data, "balance_before"), number=True),
        Cell(label=_("Read at"), value=read), Cell(label=_("Plan"), value=_text(data, "plan")),
        Cell(label=_("Unit price"), value=_price(data), number=True),
        Cell(label=_("Bought"), value=_credit(data, "credit"), number=True),
        Cell(label=_("Amount received"), value=_money(data), number=True, bold=True),
        Cell(label=_("Repaid first"), value=_credit(repaid, "repaid"), number=True),
        Cell(label=_("Added"), value=_credit(data, "added"), number=True, bold=True),
        Cell(label=_("Tender"), value=str(TENDERS.get(str(data.get("tender")), _text(data, "tender")))),
    ]  # fmt: skip


def _back_cells(full: ReceiptFull, data: Mapping[str, Any], zone: ZoneInfo) -> list[Cell]:
    """Refund and reversal: money that went out."""
    return [
        *_party(data), Cell(label=_("Sale no."), value=full.sale_number or formats.DASH),
        Cell(label=_("Credit"), value=_credit(data, "credit"), number=True),
        Cell(label=_("Unit price"), value=_price(data), number=True),
        Cell(label=_("Amount paid back"), value=_money(data), number=True, bold=True),
        Cell(label=_("Balance before"), value=_credit(data, "balance_before"), number=True),
        Cell(label=_("Tender"), value=str(TENDERS.get(str(data.get("tender")), _text(data, "tender")))),
        Cell(label=_("Reverses receipt"), value=_text(data, "reverses_receipt")),
        Cell(label=_("Reason"), value=_text(data, "reason")),
    ]  # fmt: skip


def _slip_cells(full: ReceiptFull, data: Mapping[str, Any], zone: ZoneInfo) -> list[Cell]:
    """Opening and closing of a contract: what stood in the meter, what was set."""
    energy = data.get("energy_wh")
    balance = _("Balance") if data.get("custody") == "server" else _("Balance in the meter")
    cells = [
        *_party(data), Cell(label=balance, value=_credit(data, "balance"), number=True, bold=True),
        Cell(label=_("Energy register"), number=True,
             value=formats.DASH if energy is None else f"{formats.energy(int(energy))} kWh"),
    ]  # fmt: skip
    if full.receipt.kind == "opening":
        cells += [
            Cell(label=_("Unit price"), value=_price(data), number=True),
            Cell(label=_("Taken over, worth"), value=_money(data, "taken_over_minor"), number=True),
            Cell(label=_("Alarm 1"), value=_credit(data, "alarm_1"), number=True),
            Cell(label=_("Alarm 2"), value=_credit(data, "alarm_2"), number=True),
            Cell(label=_("Hoarding limit"), value=_credit(data, "hoarding_limit"), number=True),
            Cell(label=_("Permitted overdraft"), value=_credit(data, "overdraft"), number=True),
            Cell(label=_("Load limit"), value=f"{formats.power(data.get('load_limit_w'))} kW", number=True),
        ]  # fmt: skip
    return cells


_CELLS: dict[str, Callable[[ReceiptFull, Mapping[str, Any], ZoneInfo], list[Cell]]] = {
    "sale": _sale_cells, "refund": _back_cells, "return": _back_cells, "reversal": _back_cells,
    "opening": _slip_cells, "closing": _slip_cells,
}  # fmt: skip


def _rows(cells: list[Cell]) -> list[list[Cell]]:
    padded = cells + [Cell(label="", value="")] * (-len(cells) % PAIRS)
    return [padded[at : at + PAIRS] for at in range(0, len(padded), PAIRS)]


def _in_books(data: Mapping[str, Any]) -> bool:
    """Whether the office's books hold the credit. Receipts of before purses in money do not say: money was theirs."""
    return bool(data.get("custody", "meter" if data.get("credit_unit", "Wh") == "Wh" else "server") == "server")


def _delivered(full: ReceiptFull, zone: ZoneInfo) -> str:
    """What is known of the credit at the moment of printing: an unconfirmed one says so."""
    if full.delivery is None or full.receipt.kind != "sale":
        return ""
    if full.receipt.data.get("carrier") == "token":
        return {DeliveryState.CONFIRMED: _("token below"), DeliveryState.REFUSED: _("no token")}.get(
            full.delivery, _("token follows")
        )
    word = str(delivery_look(full.delivery.value, _in_books(full.receipt.data)).word)
    if full.delivery is DeliveryState.CONFIRMED and full.settled_at is not None:
        return f"{word} {formats.clock_seconds(full.settled_at, zone)}"
    return _("%s, to be confirmed") % word


def _tokens(full: ReceiptFull) -> list[dict[str, Any]]:
    """What the customer types in, in this order: the digits that stand, whoever asks."""
    row = full.delivery_row
    return slip_shown(row) if row is not None and full.receipt.kind == "sale" else []


def _copy(full: ReceiptFull, number: int) -> str:
    """First print or which reprint (补打): a copy says so."""
    if number <= 0:
        return _("Not printed yet") if full.receipt.prints == 0 else _("Printed %d times") % full.receipt.prints
    return _("First print") if number == 1 else _("Reprint no. %d") % number


@require_safe
@console()
def receipt(ask: Ask, receipt_id: int) -> HttpResponse:
    """The receipt as it is printed. `?print=2` opens the print dialogue for the print that was just counted."""
    full = _found_or_404(ask, receipt_id)
    data, zone = full.receipt.data, ZoneInfo(full.timezone)
    asked = ask.request.GET.get("print", "")
    number = int(asked) if asked.isdecimal() and len(asked) <= DIGITS_MOST else 0
    number = number if number <= full.receipt.prints else 0
    made_at = (
        datetime.fromisoformat(str(data["at"])).astimezone(zone) if data.get("at") else full.receipt.at.astimezone(zone)
    )
    context = {
        "full": full, "data": data, "title": RECEIPTS.get(full.receipt.kind, full.receipt.kind),
        "number": number_of(data) if "receipt_number" in data else "",
        "rows": _rows(_CELLS[full.receipt.kind](full, data, zone)),
        "words": data.get("amount_words_zh" if formats.chinese() else "amount_words_en", ""),
        "delivered": _delivered(full, zone), "copy": _copy(full, number), "printing": number > 0,
        "date": f"{made_at.year}年{made_at.month}月{made_at.day}日 {made_at:%H:%M}" if formats.chinese()
        else f"{made_at:%Y-%m-%d %H:%M}", "cashier": data.get("cashier", ""),
        "may_print": may(ask.operator.role, Act.REPRINT),
        "held": _in_books(data),
        "by_token": data.get("carrier") == "token", "tokens": _tokens(full),
    }  # fmt: skip
    return ask.page("ui/receipt.html", context)


@require_POST
@console()
def print_one(ask: Ask, receipt_id: int) -> HttpResponse:
    """Count a print, then show the page that prints itself."""
    full = _found_or_404(ask, receipt_id)
    number = printed(full.receipt, actor=of_operator(ask.operator), at=ask.at)
    return redirect(f"/console/receipts/{receipt_id}?print={number}")


urlpatterns = [
    path("receipts/<int:receipt_id>", receipt, name="receipt"),
    path("receipts/<int:receipt_id>/print", print_one, name="receipt-print"),
]
