"""From a workbook or a folder of .csv files to rows of trimmed texts. Nothing is judged but the form."""

import csv
import io
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from numbers import Real
from pathlib import Path
from typing import Final

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, WorksheetNotFound, ZipError

from prewatt.core.refusals import Refused
from prewatt.office.sheets import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.sheets.shape import (
    HEADER_ROW,
    MAX_BYTES,
    MAX_CELL,
    MAX_ROWS,
    MAX_UNPACKED_BYTES,
    OPTIONAL,
    SHEETS,
    Content,
    Row,
    RowRefusal,
)

_MIB: Final = 1024 * 1024
_DIGITS_OF_A_NUMBER: Final = 15  # what Excel keeps of a number; a longer one has lost its end already
_ASIDE: Final = "_"  # sheets and files whose name begins so are notes of the writer
_BOM: Final = "\ufeff"
_DETAIL: Final = 120  # characters of a library's complaint

Table = Sequence[Sequence[object]]


class _Unreadable(Exception):
    """A cell without a text; the argument is the refusal's code."""


def read_path(path: Path) -> Content:
    """The content of a workbook or of a folder. Raises Refused `file_missing`, `file_unreadable`, `file_too_large`,
    `file_empty`; what is wrong inside is in the content's refusals."""
    try:
        if path.is_dir():
            return _read_folder(path)
        if path.stat().st_size > MAX_BYTES:
            raise Refused("file_too_large", most=MAX_BYTES // _MIB)
        return read_workbook(path.read_bytes(), name=path.name)
    except FileNotFoundError:
        raise Refused("file_missing", path=path) from None
    except OSError as error:
        raise Refused("file_unreadable", path=path, detail=error.strerror or type(error).__name__) from None


def read_workbook(data: bytes, *, name: str) -> Content:
    """The content of an .xlsx file. Raises Refused `file_unreadable`, `file_too_large`, `file_empty`."""
    if len(data) > MAX_BYTES:
        raise Refused("file_too_large", most=MAX_BYTES // _MIB)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(part.file_size for part in packed.infolist()) > MAX_UNPACKED_BYTES:
                raise Refused("file_too_large", most=MAX_UNPACKED_BYTES // _MIB)
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        tables: dict[str, Table] = {}
        refusals: list[RowRefusal] = []
        for title in book.sheet_names:
            sheet = book.get_sheet_by_name(title)
            if title.startswith(_ASIDE) or sheet.total_height == 0 and title.strip().lower() not in SHEETS:
                continue
            if sheet.total_height > MAX_ROWS + HEADER_ROW:
                refusals.append(_of_sheet(title, "sheet_too_long", most=MAX_ROWS))
                continue
            tables[title] = sheet.to_python(skip_empty_area=False)
    except (CalamineError, PasswordError, WorksheetNotFound, ZipError, zipfile.BadZipFile, ValueError) as error:
        raise Refused("file_unreadable", path=name, detail=str(error)[:_DETAIL]) from None
    return _content(tables, refusals)


def _read_folder(folder: Path) -> Content:
    tables: dict[str, Table] = {}
    refusals: list[RowRefusal] = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() != ".csv" or path.name.startswith(_ASIDE) or not path.is_file():
            continue
        if path.stat().st_size > MAX_BYTES:
            refusals.append(_of_sheet(path.stem, "file_too_large", most=MAX_BYTES // _MIB))
            continue
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError:
            refusals.append(_of_sheet(path.stem, "sheet_not_utf8"))
            continue
        head = text.partition("\n")[0]
        # Excel writes what the country uses; a header of ours holds neither of these otherwise
        separator = next((each for each in (",", ";", "\t") if each in head), ",")
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
        except csv.Error as error:
            refusals.append(_of_sheet(path.stem, "file_unreadable", path=path.name, detail=str(error)[:_DETAIL]))
            continue
        if len(rows) > MAX_ROWS + HEADER_ROW:
            refusals.append(_of_sheet(path.stem, "sheet_too_long", most=MAX_ROWS))
            continue
        tables[path.stem] = rows
    return _content(tables, refusals)


def _of_sheet(sheet: str, code: str, **params: object) -> RowRefusal:
    return RowRefusal(sheet=sheet.strip().lower()[:MAX_CELL], row=HEADER_ROW, code=code, params=params)


def _content(tables: Mapping[str, Table], refusals: list[RowRefusal]) -> Content:
    named = {title.strip().lower(): table for title, table in tables.items()}
    refusals += [_of_sheet(name, "sheet_unknown", name=name) for name in named if name not in SHEETS]
    rows: dict[str, tuple[Row, ...]] = {}
    for sheet in SHEETS:
        if sheet in named:
            rows[sheet] = tuple(_rows(sheet, named[sheet], refusals))
    if not rows and not refusals:
        raise Refused("file_empty", sheets=", ".join(SHEETS))
    return Content(rows=rows, refusals=tuple(refusals))


def _rows(sheet: str, table: Table, refusals: list[RowRefusal]) -> Iterator[Row]:
    if not table:
        return
    columns = _header(sheet, table[0], refusals)
    if columns is None:
        return
    for number, given in enumerate(table[1:], HEADER_ROW + 1):
        cells: dict[str, str] = {column: text for (of, column), text in OPTIONAL.items() if of == sheet}
        filled = False
        wrong: list[RowRefusal] = []
        for column, value in zip(columns, given, strict=False):
            try:
                text = _text(value)
            except _Unreadable as why:
                wrong.append(RowRefusal(sheet=sheet, row=number, code=str(why), params={"column": column}))
                continue
            if len(text) > MAX_CELL:
                params = {"column": column, "most": MAX_CELL}
                wrong.append(RowRefusal(sheet=sheet, row=number, code="cell_too_long", params=params))
            elif text:
                filled, cells[column] = True, text
        if cells.pop("", "") or any(_is_filled(each) for each in given[len(columns) :]):
            wrong.append(RowRefusal(sheet=sheet, row=number, code="row_too_long"))
        refusals += wrong
        if filled or wrong:
            yield Row(sheet=sheet, number=number, cells=cells, sound=not wrong)


def _header(sheet: str, given: Iterable[object], refusals: list[RowRefusal]) -> list[str] | None:
    """The columns by place; None when something is wrong with them: the rows could only be guessed at."""
    names = []
    for each in given:
        try:
            names.append(_text(each).lower())
        except _Unreadable:
            names.append("?")
    while names and not names[-1]:
        names.pop()
    known = SHEETS[sheet]
    wrong = [
        _of_sheet(sheet, "column_missing", column=column)
        for column in known if column not in names and (sheet, column) not in OPTIONAL
    ]  # fmt: skip
    strange = [name for name in names if name and name not in known]
    wrong += [_of_sheet(sheet, "column_unknown", column=name[:MAX_CELL]) for name in strange]
    wrong += [_of_sheet(sheet, "column_twice", column=column) for column in known if names.count(column) > 1]
    refusals += wrong
    return None if wrong else names


def _is_filled(value: object) -> bool:
    return value is not None and str(value).strip() != ""


def _text(value: object) -> str:
    """A cell as the person who typed it meant it."""
    match value:
        case None:
            return ""
        case bool():
            return str(int(value))
        case datetime():
            if value.time() != datetime.min.time():
                raise _Unreadable("cell_unreadable")
            return value.date().isoformat()
        case date():
            return value.isoformat()
        case Real():
            text = format(value, f".{_DIGITS_OF_A_NUMBER}g")
            if "e" in text or not text.strip("-").replace(".", "").isdigit():
                raise _Unreadable("cell_needs_text")
            return text
        case str():
            text = " ".join(unicodedata.normalize("NFC", value.replace(_BOM, "")).split())
            if not text.isprintable():
                raise _Unreadable("cell_unreadable")
            return text
    raise _Unreadable("cell_unreadable")
