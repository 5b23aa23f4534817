"""Reading a site file piece by piece: one JSON object, its keys taken once, and what every meter has: a load."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

ENERGY_LIMIT_WH = 10**12  # a petawatt-hour in a meter is a slip of the pen
LOAD_LIMIT_W = 10_000_000

E = TypeVar("E", bound=StrEnum)


class SiteError(Exception):
    """The site file or a request to the simulator is wrong. `code` is stable, `where` names the place."""

    def __init__(self, code: str, where: str, text: str) -> None:
        super().__init__(f"{where}: {text}")
        self.code = code
        self.where = where
        self.text = text


class LoadKind(StrEnum):
    """How a load runs through the day (`town`)."""

    NONE = "none"  # nothing connected
    CONSTANT = "constant"  # peak_w all day and night
    SHOP = "shop"  # 10:00-22:00, light and air conditioning
    RESTAURANT = "restaurant"  # two peaks, cold room at night
    SUPERMARKET = "supermarket"  # open hours over refrigeration that never stops
    COMMON = "common"  # lifts, corridors, lamps
    DORM = "dorm"  # evening peak, quiet noon


@dataclass(frozen=True, kw_only=True)
class Load:
    """What hangs on a circuit. `peak_w` caps the curve (0 = no cap); `seed` makes its noise its own."""

    kind: LoadKind = LoadKind.NONE
    annual_kwh: int = 0
    peak_w: int = 0
    seed: int = 0


@dataclass
class Fields:
    """One JSON object being read: each key is taken once, what is left over is refused."""

    where: str
    left: dict[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, value: object, where: str) -> "Fields":
        if not isinstance(value, Mapping):
            raise SiteError("not_an_object", where, "must be an object")
        return cls(where, dict(value))

    def _take(self, key: str, default: object) -> object:
        if key in self.left:
            return self.left.pop(key)
        if default is None:
            raise SiteError("missing", f"{self.where}.{key}", "is missing")
        return default

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise SiteError("not_an_integer", f"{self.where}.{key}", f"must be an integer {low}..{high}")
        return value

    def probability(self, key: str) -> float:
        value = self._take(key, 0.0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise SiteError("not_a_probability", f"{self.where}.{key}", "must be a number 0..1")
        return float(value)

    def flag(self, key: str, default: bool | None = False) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise SiteError("not_a_flag", f"{self.where}.{key}", "must be true or false")
        return value

    def text(self, key: str, default: str | None = None, *, limit: int = 200) -> str:
        value = self._take(key, default)
        if not isinstance(value, str) or not 0 < len(value) <= limit:
            raise SiteError("not_a_text", f"{self.where}.{key}", f"must be a text of 1..{limit} characters")
        return value

    def texts(self, key: str, limit: int) -> tuple[str, ...]:
        """A list of texts, empty where there is none."""
        value = self._take(key, ())
        if not isinstance(value, (list, tuple)) or len(value) > limit:
            raise SiteError("not_a_list", f"{self.where}.{key}", f"must be a list of at most {limit}")
        each = Fields(self.where, {f"{key}[{position}]": item for position, item in enumerate(value)})
        return tuple(each.text(name) for name in list(each.left))

    def matching(self, key: str, pattern: re.Pattern[str]) -> str:
        value = self.text(key)
        if not pattern.fullmatch(value):
            raise SiteError("not_a_name", f"{self.where}.{key}", f"must match {pattern.pattern}")
        return value

    def choice(self, key: str, kind: type[E], default: E | None = None) -> E:
        value = self._take(key, default)
        if not isinstance(value, str) or value not in [member.value for member in kind]:
            known = ", ".join(member.value for member in kind)
            raise SiteError("not_a_choice", f"{self.where}.{key}", f"must be one of {known}")
        return kind(value)

    def parts(self, key: str, limit: int) -> list["Fields"]:
        value = self._take(key, None)
        if not isinstance(value, list) or len(value) > limit:
            raise SiteError("not_a_list", f"{self.where}.{key}", f"must be a list of at most {limit}")
        return [Fields.of(item, f"{self.where}.{key}[{position}]") for position, item in enumerate(value)]

    def part(self, key: str) -> "Fields":
        return Fields.of(self._take(key, {}), f"{self.where}.{key}")

    def done(self) -> None:
        if self.left:
            raise SiteError("unknown_key", f"{self.where}.{min(self.left)}", "is not known here")


def load_from(fields: Fields) -> Load:
    load = Load(
        kind=fields.choice("kind", LoadKind, LoadKind.NONE),
        annual_kwh=fields.integer("annual_kwh", 0, 100_000_000, 0),
        peak_w=fields.integer("peak_w", 0, LOAD_LIMIT_W, 0),
        seed=fields.integer("seed", 0, 2**31 - 1, 0),
    )
    fields.done()
    return load
