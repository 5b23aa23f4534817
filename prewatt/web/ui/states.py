"""How a state, a badge and a delivery look: one table each, used by the board, tables, portal and export.

The rule that gives a circuit its state is `office.metering.states.circuit_state`; here it only gets a colour class, a
glyph and a word. Badges stand on top of a state and never borrow its colour.
"""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from prewatt.office.metering.states import CircuitState


@dataclass(frozen=True, kw_only=True)
class Look:
    """`css` is the suffix of the classes s-… (word), t-… (tile) and of the glyph;
    `letter` is a tile's one character.
    """

    css: str
    word: str | Promise
    letter: str | Promise = ""
    icon: str = ""


STATES: dict[CircuitState, Look] = {
    CircuitState.NORMAL: Look(css="normal", word=_("Normal")),
    CircuitState.ALARM_1: Look(css="alarm1", word=_("Alarm 1")),
    CircuitState.ALARM_2: Look(css="alarm2", word=_("Alarm 2")),
    CircuitState.ARREARS: Look(css="arrears", word=_("Arrears")),
    CircuitState.NOT_OPENED: Look(css="unopened", word=_("Not opened")),
    CircuitState.OFFLINE: Look(css="lost", word=_("Lost contact")),
}

BADGES: dict[str, Look] = {
    "trip": Look(css="b-trip", word=_("Tripped"), letter=pgettext_lazy("badge", "T")),
    "warn": Look(css="b-warn", word=_("Warning trip"), letter=pgettext_lazy("badge", "W")),
    "keep": Look(css="b-keep", word=_("Kept on"), letter=pgettext_lazy("badge", "K")),
    "pend": Look(css="b-pend", word=_("Pending"), letter=pgettext_lazy("badge", "P")),
    "tag": Look(css="b-tag", word=_("Maintenance"), letter=pgettext_lazy("badge", "M")),
}

BOOKED = Look(css="d-confirmed", word=pgettext_lazy("delivery", "Booked"), icon="check")
BY_TOKEN: dict[str, Look] = {  # the digits are the delivery
    "waiting": Look(css="d-waiting", word=pgettext_lazy("delivery", "Token follows"), icon="clock"),
    "confirmed": Look(css="d-confirmed", word=pgettext_lazy("delivery", "Token given"), icon="check"),
    "refused": Look(css="d-refused", word=pgettext_lazy("delivery", "No token"), icon="x"),
}
DELIVERIES: dict[str, Look] = {
    "waiting": Look(css="d-waiting", word=pgettext_lazy("delivery", "Waiting"), icon="clock"),
    "sent": Look(css="d-sent", word=pgettext_lazy("delivery", "Sent"), icon="send"),
    "confirmed": Look(css="d-confirmed", word=pgettext_lazy("delivery", "Confirmed"), icon="check"),
    "refused": Look(css="d-refused", word=pgettext_lazy("delivery", "Refused"), icon="x"),
    "unknown": Look(css="d-unknown", word=pgettext_lazy("delivery", "Unknown"), icon="help"),
    "disputed": Look(css="d-disputed", word=pgettext_lazy("delivery", "Disputed")),
}



def delivery_look(value: str, in_books: bool = False, by_token: bool = False) -> Look:
    """How the result of a delivery looks. What the books hold no meter confirms."""
    if by_token and value in BY_TOKEN:
        return BY_TOKEN[value]
    return BOOKED if value == "confirmed" and in_books else DELIVERIES[value]


ROLES: dict[str, str | Promise] = {
    "cashier": _("cashier"),
    "manager": _("manager"),
    "finance": _("finance"),
    "electrician": _("electrician"),
    "administrator": _("administrator"),
}
