"""The live board as markup: buildings, floors as the building stands, tiles; and the counts behind the filters."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import groupby

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from prewatt.office.metering.states import CircuitState
from prewatt.office.reports.board import BoardRow, board_rows
from prewatt.office.staff.models import Operator
from prewatt.web.console.tiles import badges_of, html, tile
from prewatt.web.console.views_base import stale_limit
from prewatt.web.ui import formats
from prewatt.web.ui.states import BADGES, STATES

PER_LINE = 10  # tiles beside each other; the style sheet's grid has as many columns


@dataclass(frozen=True, kw_only=True)
class Count:
    """One filter chip."""

    name: str
    css: str
    word: str
    number: int


def state_counts(rows: Iterable[BoardRow]) -> list[Count]:
    found = Counter(row.state for row in rows)
    return [
        Count(name=look.css, css=look.css, word=str(look.word), number=found[state]) for state, look in STATES.items()
    ]


def badge_counts(rows: Iterable[BoardRow]) -> list[Count]:
    found = Counter(name for row in rows for name in badges_of(row))
    return [Count(name=name, css=look.css, word=str(look.word), number=found[name]) for name, look in BADGES.items()]


def floor_name(floor: int) -> str:
    return f"B{-floor}" if floor < 0 else f"{floor}F"


def _links(rows: Sequence[BoardRow], at: datetime) -> str:
    """Gateway health for the building line, apart from the meters, by station; a lost link is named once, and a station
    of which all are lost instead of them."""
    told = []
    behind = sorted((row for row in rows if row.gateway), key=lambda row: (row.station or "~", row.gateway))
    for station, standing in groupby(behind, key=lambda row: row.station):
        here = list(standing)
        if station and not any(row.line_up for row in here):
            told.append(_lost(f"{station} {here[0].station_name}", here, at))
            continue
        each = " · ".join(_link(gateway, list(group), at) for gateway, group in groupby(here, lambda row: row.gateway))
        told.append(f"{escape(station)}: {each}" if station else each)
    return " · ".join(told)


def _link(gateway: str, rows: Sequence[BoardRow], at: datetime) -> str:
    down = [row for row in rows if not row.line_up]
    return _lost(gateway, down, at) if down else escape(_("%s online") % gateway)


def _lost(what: str, down: Sequence[BoardRow], at: datetime) -> str:
    since = min((row.line_since for row in down if row.line_since), default=None)
    for_ = formats.duration(int((at - since).total_seconds())) if since else ""
    return f'<b class="s-lost">{escape(_("%s lost") % what)} {for_}</b>'


def _building(name: str, rows: Sequence[BoardRow], at: datetime) -> str:
    fresh = [row.read_at for row in rows if row.gateway and row.read_at and row.state is not CircuitState.OFFLINE]
    oldest = _("oldest %s") % formats.age_short(int((at - min(fresh)).total_seconds())) if fresh else ""
    watts = sum(row.power_w or 0 for row in rows if row.state is not CircuitState.OFFLINE)
    parts = [
        f'<section class="pw-wing" data-building="{rows[0].building_id or 0}" aria-label="{escape(name)}">',
        f'<div class="pw-bld"><b>{escape(name)}</b><span>{escape(_("%d circuits") % len(rows))}</span>'
        f'<span class="then">{escape(_("as it was then"))}</span>'
        f"<span>{_links(rows, at)}{' · ' if oldest else ''}{escape(oldest)}</span>"
        f"<span>{formats.power(watts, 1)} kW</span></div>",
    ]
    for floor, group in groupby(rows, key=lambda row: row.floor):
        tiles = [html(tile(row, at)) for row in group]
        for start in range(0, len(tiles), PER_LINE):
            label = floor_name(floor) if start == 0 and floor else ""
            parts.append(f'<div class="pw-floor"><span class="f">{label}</span>')
            parts.extend(tiles[start : start + PER_LINE])
            parts.append("</div>")
    parts.append("</section>")
    return "".join(parts)


def floors(rows: Sequence[BoardRow], at: datetime) -> SafeString:
    """All buildings. `rows` in the order of `board_rows`."""
    wings = (list(group) for _key, group in groupby(rows, key=lambda row: row.building_id))
    return mark_safe("".join(_building(wing[0].building or _("Not in a building"), wing, at) for wing in wings))


def render_board(operator: Operator, site_id: int, at: datetime) -> str:
    """The whole board of a site as the operator may see it: read, judged and written. `bench board_2000` times this."""
    return str(floors(board_rows(operator.pk, site_id, at=at, stale=stale_limit()), at))


def spark(points: Sequence[tuple[int, int]], width: int = 284, height: int = 54) -> SafeString:
    """A load curve. `points`: (seconds, watts) in order of time; the last one is now."""
    if len(points) < 2:
        return mark_safe("")
    first, last = points[0][0], points[-1][0]
    top = max(watt for _second, watt in points) or 1
    span = max(1, last - first)
    path = "L".join(
        f"{(second - first) * width // span} {height - 2 - max(0, watt) * (height - 8) // top}"
        for second, watt in points
    )
    end = height - 2 - max(0, points[-1][1]) * (height - 8) // top
    return format_html(
        '<svg class="pw-spark" viewBox="0 0 {w} {h}" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="area" d="M{p}L{w} {h}L0 {h}Z"/><path class="line" d="M{p}"/>'
        '<path class="base" d="M0 {b}H{w}"/><circle class="now" cx="{x}" cy="{y}" r="3"/></svg>',
        w=width, h=height, p=mark_safe(path), b=height, x=width - 3, y=end,
    )  # fmt: skip
