"""Which sheets a take-over has, which columns, and what each row came to. Names are pinned (issue 3, section 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from prewatt.core.refusals import CHINESE, message

# in the order in which rows can refer to each other
SHEETS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "buildings": ("code", "name"),
        "rooms": ("building", "floor", "code", "name"),
        "stations": ("code", "name", "place", "equipment"),
        "gateways": ("code", "name", "transport", "host", "port", "baud", "station", "medium", "key", "line"),
        "meters": ("number", "profile", "gateway", "unit", "ratio", "line"),
        "sts": (
            "meter", "pan", "sgc", "krn", "kt", "ti", "ken", "base_date", "ea", "dkga", "tct", "credit_kind",
            "three_tokens",
        ),
        "circuits": ("meter", "index", "room", "never_cut"),
        "plans": ("code", "name", "price", "valid_from"),
        "customers": ("id", "name", "class", "phone"),
        "contracts": ("number", "customer", "opened_on"),
        "supply_points": (
            "contract", "meter", "circuit", "plan", "custody", "overdraft_minor", "alarm_1_minor", "alarm_2_minor",
            "from", "carrier",
        ),
    }
)  # fmt: skip
# columns that may be left out altogether, and what their cells then hold
OPTIONAL: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("meters", "ratio"): "1",
        ("circuits", "index"): "1",
        ("circuits", "never_cut"): "0",
        ("customers", "class"): "",
        ("customers", "phone"): "",
        ("rooms", "name"): "",
        ("gateways", "baud"): "",
        ("stations", "place"): "",
        ("stations", "equipment"): "",
        ("gateways", "station"): "",
        ("gateways", "medium"): "",
        ("gateways", "key"): "",
        ("gateways", "line"): "",
        ("meters", "line"): "",
        ("sts", "kt"): "2",
        ("sts", "ken"): "255",
        ("sts", "ea"): "07",
        ("sts", "dkga"): "04",
        ("sts", "tct"): "02",
        ("sts", "credit_kind"): "0",
        ("sts", "three_tokens"): "0",
        ("supply_points", "carrier"): "network",
        ("supply_points", "circuit"): "1",
        ("supply_points", "overdraft_minor"): "0",
        ("supply_points", "alarm_1_minor"): "0",
        ("supply_points", "alarm_2_minor"): "0",
    }
)
HEADER_ROW: Final = 1
MAX_ROWS: Final = 20_000  # of a sheet: a whole town's estate in one file; more is taken over in parts
MAX_BYTES: Final = 16 * 1024 * 1024  # of a file as it comes
MAX_UNPACKED_BYTES: Final = 256 * 1024 * 1024  # of a workbook's parts: it is a packed file
MAX_CELL: Final = 255  # characters; no column holds more


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row as it was written: `number` as the spreadsheet shows it, texts by column, trimmed.

    Not `sound`: a cell of it could not be read, and was refused; what is left tells only what others may refer to.
    """

    sheet: str
    number: int
    cells: Mapping[str, str]
    sound: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class RowRefusal:
    """Why a row (or a whole sheet: row 1; or the whole file: sheet "", row 0) is not taken."""

    sheet: str
    row: int
    code: str
    params: Mapping[str, object] = field(default_factory=dict)

    def message(self, lang: str = CHINESE) -> str:
        return message(self.code, lang, self.params)


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What a file holds: rows by sheet, for the sheets it has; and what could not be read as rows at all."""

    rows: Mapping[str, tuple[Row, ...]]
    refusals: tuple[RowRefusal, ...] = ()


class Effect(StrEnum):
    """What a row does: nothing stood there, the same stands already, or it is refused."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What became of a file, or would (dry run).

    `effects` by sheet, in the order of the rows: (row number, effect). With any refusal nothing is created, and
    `created` is zero throughout; the effects still say what each row by itself would do.
    """

    effects: Mapping[str, tuple[tuple[int, Effect], ...]]
    refusals: tuple[RowRefusal, ...]

    @property
    def refused(self) -> bool:
        return bool(self.refusals)

    @property
    def created(self) -> dict[str, int]:
        """How many rows of each sheet that the file has were created; with a refusal none."""
        return {sheet: 0 if self.refused else _count(rows, Effect.CREATED) for sheet, rows in self.effects.items()}

    @property
    def unchanged(self) -> dict[str, int]:
        """How many rows of each sheet that the file has stood already as written."""
        return {sheet: _count(rows, Effect.UNCHANGED) for sheet, rows in self.effects.items()}


def _count(rows: tuple[tuple[int, Effect], ...], effect: Effect) -> int:
    return sum(each == effect for _, each in rows)
