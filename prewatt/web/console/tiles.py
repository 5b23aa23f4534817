"""A circuit as a tile: what stands on it, and its HTML.

`Tile` is the one description; `html` writes it for the page, `data` for the live stream, whose script fills the same
places. 2,000 tiles are written per page, so this is plain string formatting with every text escaped, no template.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from html import escape

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from prewatt.core.meters.quantities import StatusBit
from prewatt.office.metering.states import CircuitState
from prewatt.office.reports.board import BoardRow, seconds_left
from prewatt.web.ui import formats
from prewatt.web.ui.states import BADGES, STATES


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """Texts in the reader's language. `read_s`: when the value was read, seconds since 1970, 0 never."""

    circuit_id: int
    css: str
    room: str
    label: str
    read_s: int
    age: str
    value: str
    badges: tuple[str, ...]
    below: str  # power, or a word
    below_word: bool
    end: str  # days left, or a word
    end_strong: bool

    def data(self) -> dict[str, object]:
        """What the stream sends; the names are short because thousands travel."""
        return {
            "id": self.circuit_id, "c": self.css, "n": self.label, "at": self.read_s, "v": self.value,
            "b": list(self.badges), "p": self.below, "pw": self.below_word, "e": self.end, "ew": self.end_strong,
        }  # fmt: skip


def badges_of(row: BoardRow) -> tuple[str, ...]:
    """Names of `ui.states.BADGES`, most urgent first."""
    found = []
    if row.tripped:
        found.append("trip")
    if row.dark and row.has(StatusBit.WARNING_TRIP):
        found.append("warn")
    if row.wish == "keep_on":
        found.append("keep")
    if row.delivery is not None:
        found.append("pend")
    if row.tag is not None:
        found.append("tag")
    return tuple(found)


@lru_cache(maxsize=64)
def _words(language: str) -> dict[str, str]:
    """Translated words, looked up once per language and not once per tile."""
    words = {f"s:{state}": str(look.word) for state, look in STATES.items()}
    words |= {f"b:{name}": str(look.word) for name, look in BADGES.items()}
    words |= {f"l:{name}": str(look.letter) for name, look in BADGES.items()}
    return words | {"dark": _("dark"), "common": _("common area")}


def tile(row: BoardRow, at: datetime) -> Tile:
    words = _words(get_language() or "zh-hans")
    state, lost = row.state, row.state is CircuitState.OFFLINE
    word = words[f"s:{state}"]
    age_s = int((at - row.read_at).total_seconds()) if row.read_at else -1
    badges = badges_of(row)
    below, below_word, end, end_strong = formats.power(row.power_w), False, "", False
    if state is CircuitState.NOT_OPENED:
        below, below_word = word, True
    elif lost:
        below, below_word, end = word, True, "? kW"
    elif state is CircuitState.ARREARS:
        end, end_strong = word, True
    elif row.dark:
        end, end_strong = words["dark"], bool(set(badges) & {"warn", "trip"})
    elif row.common:
        end = words["common"]
    else:
        left = seconds_left(row)
        end = formats.left_short(left) if left is not None else ""
        end_strong = state is not CircuitState.NORMAL
    shown = (
        formats.DASH
        if state is CircuitState.NOT_OPENED or row.common
        else formats.credit_short(row.balance, row.credit_unit, row.exponent)
    )
    name = row.room if row.index == 1 else f"{row.room}/{row.index}"
    spoken = " ".join([word, *(words[f"b:{each}"] for each in badges)])
    return Tile(
        circuit_id=row.circuit_id, css=STATES[state].css, room=name, label=spoken,
        read_s=int(row.read_at.timestamp()) if row.read_at and state is not CircuitState.NOT_OPENED else 0,
        age=_age(age_s, lost) if state is not CircuitState.NOT_OPENED else "", value=shown, badges=badges,
        below=below, below_word=below_word, end=end, end_strong=end_strong,
    )  # fmt: skip


def _age(seconds: int, lost: bool) -> str:
    if seconds < 0:
        return formats.DASH
    return formats.ago(seconds) if lost else formats.age_short(seconds)


def html(one: Tile) -> str:
    """The tile as markup. Room codes come from people, so they are escaped; the rest is ours."""
    words = _words(get_language() or "zh-hans")
    badges = "".join(
        f'<span class="pw-badge {BADGES[name].css}" title="{words[f"b:{name}"]}">{words[f"l:{name}"]}</span>'
        for name in one.badges
    )
    lost = one.css == "lost"
    below_css = "w" if lost else "" if one.below_word else "q"
    return (
        f'<a href="?circuit={one.circuit_id}" class="pw-tile t-{one.css}" id="c{one.circuit_id}" '
        f'data-s="{one.css}" data-b="{" ".join(one.badges)}">'
        f'<span><span class="r">{escape(one.room)}</span>'
        f'<span class="{"age" if lost else "q"}" data-at="{one.read_s}">{one.age}</span></span>'
        f'<span><span class="v">{one.value}</span><span class="bs">{badges}</span></span>'
        f'<span><span class="{below_css}">{one.below}</span>'
        f'<span class="{"strong" if one.end_strong else "q"}">{one.end}</span></span>'
        f'<span class="visually-hidden">{escape(one.label)}</span></a>'
    )
