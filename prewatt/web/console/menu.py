"""The console's menu. A page group appends its entry when its page works; nothing is listed before.

`roles` empty means everybody. Labels are lazy, so that one list serves both languages.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, kw_only=True)
class MenuEntry:
    """One line of the side menu. `place` orders it; `key` is pressed after G; `count` names a figure to show."""

    place: int
    url: str
    label: str | Promise
    icon: str
    key: str
    roles: frozenset[str] = frozenset()
    also: tuple[str, ...] = ()  # addresses of pages that belong to it
    count: str = ""  # "alarms": the number of open alarms stands behind the word


MENU: list[MenuEntry] = []


def add(entry: MenuEntry) -> None:
    """Append an entry; a place may be taken once, so that two pages cannot hide each other."""
    taken = next((known for known in MENU if known.place == entry.place), None)
    if taken == entry:
        return
    assert taken is None, f"menu place {entry.place} is taken by {taken.url}" if taken else ""
    MENU.append(entry)
    MENU.sort(key=lambda known: known.place)


def entries_for(role: str) -> Iterable[MenuEntry]:
    return (entry for entry in MENU if not entry.roles or role in entry.roles)


add(MenuEntry(place=10, url="/console/", label=_("Overview"), icon="home", key="o"))
add(MenuEntry(place=20, url="/console/live", label=_("Live board"), icon="layout-grid", key="l"))
