"""Reading a table of a TOML file so that nothing is taken for granted and nothing is overlooked."""

from enum import StrEnum
from typing import Final, TypeVar

from prewatt.core.refusals import Refused, Text, register

E = TypeVar("E", bound=StrEnum)
MOST_NUMBERS: Final = 64  # of a list; nobody writes down more by hand

register(
    {
        "profile_missing": Text("The profile lacks {key}.", "表型档案缺少 {key}。"),
        "profile_unknown_key": Text("The profile has an unknown key {key}.", "表型档案含有未知键 {key}。"),
        "profile_value": Text("{key} = {value} is not allowed.", "{key} = {value} 不允许。"),
    }
)


def shown(value: object) -> str:
    """A value as a refusal names it; Python writes no number of thousands of digits down."""
    try:
        return str(value)[:40]
    except ValueError:
        return "…"


class Table:
    """A TOML table whose every key must be asked for: what is left over is a typing error."""

    def __init__(self, raw: object, name: str, base: int = 0) -> None:
        if not isinstance(raw, dict):
            raise Refused("profile_value", key=name, value="not a table")
        self._raw: dict[str, object] = dict(raw)
        self.name = name
        self.base = base  # what register addresses are counted from, here and in the tables within

    def has(self, key: str) -> bool:
        return key in self._raw

    def _take(self, key: str, default: object) -> object:
        if key not in self._raw:
            if default is None:
                raise Refused("profile_missing", key=f"{self.name}.{key}")
            return default
        return self._raw.pop(key)

    def refuse(self, key: str, value: object) -> Refused:
        return Refused("profile_value", key=f"{self.name}.{key}", value=shown(value))

    def integer(self, key: str, least: int, most: int, default: int | None = None) -> int:
        value = self._take(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.refuse(key, value)
        return value

    def address(self, key: str, most: int = 0xFFFF, default: int | None = None) -> int:
        """The address of a register as it goes over the wire, from 0; `most` and `default` are of that kind too."""
        shown = None if default is None else default + self.base
        return self.integer(key, self.base, most + self.base, shown) - self.base

    def choice(self, key: str, allowed: tuple[int, ...]) -> int:
        value = self.integer(key, min(allowed), max(allowed))
        if value not in allowed:
            raise self.refuse(key, value)
        return value

    def integers(self, key: str, least: int, most: int) -> tuple[int, ...]:
        """A list of numbers, each once; none where the key is left out."""
        values = self.names(key, [])
        if len(values) > MOST_NUMBERS or len({repr(each) for each in values}) != len(values):
            raise self.refuse(key, values)
        numbers = [each for each in values if isinstance(each, int) and not isinstance(each, bool)]
        if len(numbers) != len(values) or not all(least <= each <= most for each in numbers):
            raise self.refuse(key, values)
        return tuple(numbers)

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self.refuse(key, value)
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self.refuse(key, value)
        return value

    def word(self, key: str, names: type[E], default: str | None = None) -> E:
        value = self.text(key, default)
        return self.named(key, value, names)

    def named(self, key: str, value: object, names: type[E]) -> E:
        if not isinstance(value, str) or value not in {each.value for each in names}:
            raise self.refuse(key, value)
        return names(value)

    def table(self, key: str) -> "Table":
        return Table(self._take(key, None), f"{self.name}.{key}", self.base)

    def tables(self, key: str) -> "list[Table]":
        raw = self._take(key, [])
        if not isinstance(raw, list):
            raise self.refuse(key, raw)
        return [Table(each, f"{self.name}.{key}[{index}]", self.base) for index, each in enumerate(raw)]

    def items(self) -> dict[str, object]:
        taken, self._raw = self._raw, {}
        return taken

    def names(self, key: str, default: list[str] | None = None) -> list[object]:
        value = self._take(key, default)
        if not isinstance(value, list):
            raise self.refuse(key, value)
        return value

    def done(self) -> None:
        for key in self._raw:
            raise Refused("profile_unknown_key", key=f"{self.name}.{key}")
