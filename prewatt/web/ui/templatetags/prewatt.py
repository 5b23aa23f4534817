"""Template tags: the parts every page is made of. Everything that enters HTML here is escaped by `format_html`."""

from datetime import datetime
from typing import Any

from django import template
from django.urls import Resolver404, resolve
from django.utils.html import format_html, json_script
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from prewatt.office.metering.states import CircuitState
from prewatt.office.reports.board import BoardRow, VisibleSite
from prewatt.office.reports.overview import open_alarms, open_shift
from prewatt.web.console.menu import entries_for
from prewatt.web.console.views_base import shell_of
from prewatt.web.ui import assets, formats
from prewatt.web.ui.csp import stream_origin
from prewatt.web.ui.states import BADGES, ROLES, STATES, delivery_look

register = template.Library()
Context = template.Context


# ---------------------------------------------------------------- files, icons, marks


@register.simple_tag
def asset(name: str) -> str:
    return assets.address(name)


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """An icon of the sprite, for the eye only: the word stands beside it."""
    css = f"icon {extra}".strip()
    sprite = assets.address("ui/icons.svg")
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}#i-{}"/></svg>', css, sprite, name)


@register.simple_tag
def brand() -> SafeString:
    return format_html('<img src="{}" width="22" height="22" alt="">', assets.address("ui/mark.svg"))


@register.simple_tag
def html_language() -> str:
    return "zh-Hans" if formats.chinese() else "en"


def glyph_html(css: str) -> SafeString:
    sprite = assets.address("ui/icons.svg")
    return format_html(
        '<svg class="pw-glyph" viewBox="0 0 14 14" aria-hidden="true"><use href="{}#s-{}"/></svg>', sprite, css
    )


@register.simple_tag
def glyph(css: str) -> SafeString:
    """The shape of a state in small; the legend teaches the board."""
    return glyph_html(css)


@register.simple_tag
def state(value: str, age: str = "") -> SafeString:
    """Glyph and word of a circuit state; lost contact may carry its age."""
    look = STATES[CircuitState(value)]
    after = f" {age}" if age else ""
    return format_html('<span class="pw-state s-{}">{}{}{}</span>', look.css, glyph_html(look.css), look.word, after)


@register.simple_tag
def badge(name: str) -> SafeString:
    look = BADGES[name]
    return format_html('<span class="pw-badge {}">{}</span>', look.css, look.word)


@register.simple_tag
def delivery(value: str, in_books: bool = False, by_token: bool = False) -> SafeString:
    """The result of a delivery: word, colour and shape."""
    look = delivery_look(value, in_books, by_token)
    mark = icon(look.icon) if look.icon else ""
    return format_html('<span class="pw-d {}" data-delivery="{}">{}{}</span>', look.css, value, mark, look.word)


@register.simple_tag
def figure(label: str, number: str, unit: str = "", note: str = "") -> SafeString:
    """A figure: label, number, unit, then its time or interval."""
    return format_html(
        '<div><div class="pw-fig-label">{}</div><div class="pw-fig">{}{}</div><div class="pw-fig-note">{}</div></div>',
        label, number, format_html('<span class="unit">{}</span>', unit) if unit else "", note,
    )  # fmt: skip


@register.simple_tag
def age(moment: datetime | None, at: datetime) -> SafeString:
    """How long ago, counting on by script; `—` when never."""
    if moment is None:
        return mark_safe(formats.DASH)
    seconds = int((at - moment).total_seconds())
    return format_html('<time datetime="{}" data-age="{}">{}</time>', moment.isoformat(), int(moment.timestamp()),
                       formats.ago(seconds))  # fmt: skip


# ---------------------------------------------------------------- filters


@register.filter
def money(minor: int | None, site: VisibleSite | None = None) -> str:
    if minor is None:
        return formats.DASH
    return formats.money(minor, site.currency, site.exponent) if site else formats.money(minor)


@register.filter
def kwh(wh: int | None) -> str:
    return formats.DASH if wh is None else formats.energy(wh)


@register.filter
def kw(watt: int | None) -> str:
    return formats.power(watt)


# ---------------------------------------------------------------- parts


@register.inclusion_tag("ui/parts/notice.html")
def notice(kind: str, happened: str, not_done: str = "", do: str = "", code: str = "") -> dict[str, str]:
    """A notice block: what happened; what was not done (bold); what to do; the code.

    Kinds: unknown refused info warn.
    """
    assert kind in ("unknown", "refused", "info", "warn"), kind
    return {"kind": kind, "happened": happened, "not_done": not_done, "do": do, "code": code}


@register.inclusion_tag("ui/parts/empty.html")
def empty(icon_name: str, title: str, text: str, url: str = "", label: str = "") -> dict[str, str]:
    """What a page says when there is nothing yet, and the first thing to do."""
    return {"icon_name": icon_name, "title": title, "text": text, "url": url, "label": label}


@register.inclusion_tag("ui/parts/steps.html")
def steps(steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Delivery steps. Each: stage (done now unknown refused todo), name, fact, time (text), at (moment or None)."""
    return {"steps": steps}


@register.inclusion_tag("ui/parts/notices.html", takes_context=True)
def notices(context: Context) -> dict[str, Any]:
    """What the last act had to say (Django messages), as notice blocks."""
    return {"messages": context.get("messages", ())}


# ---------------------------------------------------------------- the shell


@register.inclusion_tag("ui/parts/side_menu.html", takes_context=True)
def side_menu(context: Context) -> dict[str, Any]:
    request = context["request"]
    site, _sites = shell_of(request)
    role = getattr(request.user, "role", "")
    hit = [
        entry.url for entry in entries_for(role) for url in (entry.url, *entry.also) if _is_here(request.path, url)
    ]  # fmt: skip
    here = max(hit, key=len, default="")
    counts = {"alarms": open_alarms(request.user.pk, site.id) if site else 0}
    return {
        "entries": [
            {
                "url": entry.url, "label": entry.label, "icon": entry.icon, "key": entry.key,
                "active": entry.url == here, "count": counts.get(entry.count, 0),
                "count_label": _("%d open") % counts.get(entry.count, 0),
            }
            for entry in entries_for(role)
        ]
    }  # fmt: skip


def _is_here(path: str, url: str) -> bool:
    return path == url or (url != "/console/" and path.startswith(url + "/"))


@register.simple_tag(takes_context=True)
def side_foot(context: Context) -> SafeString:
    """The open shift and what its drawer should hold, below the menu."""
    request = context["request"]
    site, _sites = shell_of(request)
    shift = open_shift(request.user.pk, site.id) if site else None
    if shift is None or site is None:
        return mark_safe("")
    return format_html(
        '<div class="pw-side-foot">{}<br>{} <b class="num">{}</b></div>',
        _("Shift · %s") % shift.till, _("Drawer should hold"),
        formats.money(shift.drawer_minor, site.currency, site.exponent),
    )  # fmt: skip


@register.inclusion_tag("ui/parts/top_bar.html", takes_context=True)
def top_bar(context: Context) -> dict[str, Any]:
    request = context["request"]
    site, sites = shell_of(request)
    return {
        "request": request, "csrf_token": context.get("csrf_token"), "operator": request.user,
        "role": ROLES.get(getattr(request.user, "role", ""), ""), "site": site, "sites": sites,
        "stream": stream_origin(request), "language": get_language(),
        "can_find": site is not None,
    }  # fmt: skip


@register.inclusion_tag("ui/parts/language_switch.html", takes_context=True)
def language_switch(context: Context) -> dict[str, Any]:
    request = context["request"]
    return {"chinese": formats.chinese(), "next": request.get_full_path(), "csrf_token": context.get("csrf_token")}


@register.inclusion_tag("ui/parts/keyboard_help.html")
def keyboard_help() -> dict[str, Any]:
    return {
        "keys": [
            ("/", _("find")), ("S", _("sell")), ("R", _("read or check now")), ("P", _("print")),
            ("N", _("next customer")), ("1-4", _("tender")), ("Alt 1-4", _("tender, also inside the amount")),
            ("Enter", _("the blue button")),
            ("Esc", _("back, close, clear")), ("← → ↑ ↓", _("between tiles and rows")), ("?", _("this list")),
            ("G", _("then O L S C M K A R: go to a page")),
        ]
    }  # fmt: skip


@register.simple_tag
def panel_acts(row: BoardRow) -> SafeString:
    """The buttons of the side panel: those whose pages exist; dangerous ones last, in red text."""
    parts = []
    sell, read, relay = (_resolves(path) for path in ("/console/sell", _act(row, "read"), _act(row, "relay")))
    if sell and row.opened and row.contract_number:
        parts.append(format_html(
            '<a class="btn btn-primary" href="/console/sell?circuit={}" data-hotkey="s">{}{} <kbd>S</kbd></a>',
            row.circuit_id, icon("bolt", "icon-s"), _("Sell")))  # fmt: skip
    pair = []
    if read:
        pair.append(format_html(
            '<button type="button" class="btn" hx-post="{}" hx-target="#pw-told" data-hotkey="r">'
            '{} <kbd>R</kbd></button>',
            _act(row, "read"), _("Read now")))  # fmt: skip
    if row.contract_number and _resolves(f"/console/contracts/{row.contract_number}"):
        pair.append(format_html(
            '<a class="btn" href="/console/contracts/{}" data-hotkey="Enter">{} <kbd>↵</kbd></a>',
            row.contract_number, _("Open contract")))  # fmt: skip
    if pair:
        parts.append(format_html('<div class="two-acts">{}</div>', mark_safe("".join(pair))))
    if relay and not row.never_cut and not row.common and row.opened:
        address = _act(row, "relay")
        parts.append(format_html(
            '<div class="two-acts"><a class="btn" href="{}?wish=keep_on">{}</a>'
            '<a class="btn btn-risk" href="{}?wish=trip">{}</a></div>',
            address, _("Keep on…"), address, _("Trip…")))  # fmt: skip
    return mark_safe("".join(parts))


def _act(row: BoardRow, name: str) -> str:
    return f"/console/circuits/{row.circuit_id}/{name}"


def _resolves(path: str) -> bool:
    """Whether a page stands behind an address: no button leads nowhere."""
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


@register.simple_tag
def board_words() -> SafeString:
    """Badge letters and words for the board's script."""
    marks = {name: [look.css, str(look.letter), str(look.word)] for name, look in BADGES.items()}
    return json_script(marks, "pw-badges")


@register.simple_tag
def page_words() -> SafeString:
    """The words our script needs, as data: a JSON block runs nothing, so the policy permits it."""
    words = {
        "live": _("Live"), "polling": _("Polling"), "ago": _("%s ago"), "s": _("%d s"), "min": _("%d min"),
        "h": _("%d h"), "d": _("%d d"), "lost": _("Disconnected for %s"), "connecting": _("Connecting"),
        "lost_bar": _("This computer has been cut off from the server for %s."),
        "lost_more": _("Below is how it was at %s, not now. Meters go on supplying; we try again every 5 seconds."),
        "stale_colour": _("Colours are withdrawn; shape and word still show the state of %s"),
        "ended": _("Your session has ended. Please log in again."), "none": _("Nothing found"),
        "failed": _("The server did not answer. Nothing was done; please try again."),
    }  # fmt: skip
    return json_script(words, "pw-words")
