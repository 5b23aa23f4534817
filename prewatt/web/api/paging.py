"""Keyset pages: ?cursor= &limit=, 200 at most. A cursor is the last id, opaque to the reader."""

from collections.abc import Sequence
from typing import Final, TypeVar

from prewatt.core.refusals import Refused

LIMIT_MAX: Final = 200
LIMIT_DEFAULT: Final = 50
_PREFIX: Final = "k"
T = TypeVar("T")


def after(cursor: str | None) -> int:
    """The id after which to go on. Refuses cursor_malformed."""
    if cursor is None or cursor == "":
        return 0
    digits = cursor.removeprefix(_PREFIX)
    if not cursor.startswith(_PREFIX) or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise Refused("cursor_malformed")
    return int(digits)


def cut(items: Sequence[T], ids: Sequence[int], limit: int) -> tuple[list[T], str | None]:
    """At most `limit` of limit + 1 items, and the cursor of the next page; None at the end."""
    assert len(items) == len(ids)
    if len(items) <= limit:
        return list(items), None
    return list(items[:limit]), f"{_PREFIX}{ids[limit - 1]}"


def number(text: str) -> int | None:
    """An id as typed into an address; None when it can be nobody's."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
