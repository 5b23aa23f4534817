"""What every list of the console shares: filters that are remembered, sorting, keyset pages, export to a workbook."""

import base64
import binascii
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import xlsxwriter
from django.http import HttpResponse, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats
from prewatt.web.ui.words import CUSTODIES

TEXT_MOST = 64  # of a filter's text
CURSOR_MOST = 400  # characters; ours have some 60
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Cell = str | int | Decimal | datetime | None


@dataclass(frozen=True, kw_only=True)
class Head:
    """One column head; `url` sorts by it, `sorted` is "ascending", "descending" or empty."""

    label: str | Promise
    css: str = ""
    url: str = ""
    sorted: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One way to narrow a list: a chip that is a link."""

    label: str | Promise
    url: str
    on: bool
    count: int | None = None
    state: str = ""  # css of a state glyph


def remembered(ask: Ask, name: str) -> QueryDict:
    """The list's filters: those asked for, else those of the last visit. `?clear` forgets them."""
    key, asked = f"list:{name}", ask.request.GET
    if "clear" in asked:
        ask.request.session.pop(key, None)
        return QueryDict("", mutable=True)
    query = asked.copy()
    if not query:
        kept = ask.request.session.get(key, "")
        return QueryDict(kept if isinstance(kept, str) else "", mutable=True)
    kept_query = query.copy()
    kept_query.pop("after", None)
    if ask.request.session.get(key) != kept_query.urlencode():
        ask.request.session[key] = kept_query.urlencode()[:1000]
    return query


def with_(query: QueryDict, path: str, **changes: str) -> str:
    """The address of the same list with something changed; an empty value takes a filter away. Pages begin anew."""
    copy = query.copy()
    copy.pop("after", None)
    for name, value in changes.items():
        copy.pop(name, None)
        if value:
            copy[name] = value
    # an empty query would bring the remembered filters back
    return f"{path}?{copy.urlencode()}" if copy else f"{path}?clear"


def heads(
    query: QueryDict, path: str, columns: Iterable[tuple[str | Promise, str, str]], sort: str, descending: bool
) -> list[Head]:
    """Column heads from (label, css, sort name or empty)."""
    made = []
    for label, css, name in columns:
        if not name:
            made.append(Head(label=label, css=css))
            continue
        on = name == sort
        made.append(
            Head(
                label=label,
                css=css,
                url=with_(query, path, sort=name, desc="" if not on or descending else "1"),
                sorted=("descending" if descending else "ascending") if on else "",
            )
        )
    return made


def cursor(key: str | int, row_id: int) -> str:
    """A place in a list as text for an address."""
    return base64.urlsafe_b64encode(json.dumps([key, row_id]).encode()).decode().rstrip("=")


def place(text: str) -> tuple[str | int, int] | None:
    """What `cursor` made; None for anything else."""
    if not 0 < len(text) <= CURSOR_MOST or not text.isascii():
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        return None
    match found:
        case [str() | int() as key, int() as row_id]:
            return key, row_id
    return None


def number(text: str) -> int | None:
    """A row's id from an address or a form; None for what is no id."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def cut_words(most: int) -> str:
    """The last line of a sheet that could not take all: a reader must not sum up what looks whole."""
    return _("NOT COMPLETE: only the first %d rows are here. Narrow the filters and export in parts.") % most


def workbook(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], zone: ZoneInfo, *, most: int
) -> HttpResponse:
    """A sheet with these rows; where there are more than `most`, the last line says that it is cut.

    Texts are written as texts: a name that begins with = calculates nothing.
    """
    body = io.BytesIO()
    book = xlsxwriter.Workbook(body, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet(name[:31])
    bold, moment = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    widths = [len(label.encode()) for label in columns]
    for place_, label in enumerate(columns):
        sheet.write_string(0, place_, label, bold)
    for line, row in enumerate(rows, 1):
        if line > most:
            sheet.write_string(line, 0, cut_words(most), bold)
            break
        for place_, cell in enumerate(row):
            match cell:
                case None:
                    continue
                case datetime():
                    sheet.write_datetime(line, place_, cell.astimezone(zone).replace(tzinfo=None), moment)
                case int() | Decimal():
                    sheet.write_number(line, place_, cell)
                case _:
                    sheet.write_string(line, place_, cell)
            widths[place_] = max(widths[place_], 16 if isinstance(cell, datetime) else len(str(cell).encode()))
    for place_, width in enumerate(widths):
        sheet.set_column(place_, place_, min(40, width + 2))
    sheet.freeze_panes(1, 0)
    book.close()
    answer = HttpResponse(body.getvalue(), content_type=XLSX)
    answer["Content-Disposition"] = f'attachment; filename="{name}.xlsx"'
    return answer


def in_unit(value: int | None, unit: str, exponent: int) -> Decimal | None:
    """A credit as a number for a sheet: kWh, or the currency's major unit."""
    return None if value is None else Decimal(value).scaleb(-3 if unit == "Wh" else -exponent)


def held_cells(custody: str | None, unit: str, carrier: str = "") -> list[Cell]:
    """Who holds the credit, in words, and the unit of the amounts that follow."""
    held = str(CUSTODIES.get(custody or "", "")) + (_(", by token") if carrier == "token" else "")
    return [held, formats.credit_unit_word(unit) or unit]


def kwh(wh: int | None) -> Decimal | None:
    """Wh as a number of kWh for a sheet: exact, never a float."""
    return None if wh is None else Decimal(wh).scaleb(-3)
