"""Tokens as people take them away: titles, twenty digits in groups of four, and the same digits as a QR code."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import segno
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from prewatt.office.tokens.models import TokenRequest

Kind = TokenRequest.Kind
GROUP: Final = 4
DIGITS: Final = re.compile(r"[0-9]{20}")
KINDS: Final[dict[str, str | Promise]] = {
    Kind.CREDIT.value: pgettext_lazy("token", "Credit"),
    Kind.FREE_CREDIT.value: pgettext_lazy("token", "Free credit"),
    Kind.MANAGEMENT.value: pgettext_lazy("token", "Management"),
    Kind.CLEAR_CREDIT.value: pgettext_lazy("token", "Clear credit"),
    Kind.TEST.value: pgettext_lazy("token", "Meter test"),
    Kind.KEY_CHANGE.value: pgettext_lazy("token", "Key change"),
}


def groups(digits: str) -> list[str]:
    """Twenty digits in groups of four, as meters show them and people read them out."""
    return [digits[at : at + GROUP] for at in range(0, len(digits), GROUP)]


def spaced(digits: str) -> str:
    return " ".join(groups(digits))


def picture(digits: str) -> SafeString:
    """The digits as a QR code, SVG in the page: a telephone reads them out, nothing is loaded."""
    assert DIGITS.fullmatch(digits), "twenty digits and nothing else"
    # the library writes numbers and path letters alone: the digits are in the picture, not in the mark-up
    return mark_safe(segno.make(digits, error="m", micro=False).svg_inline(scale=3, border=4, light="#fff"))


def slip(parts: Iterable[tuple[str, Sequence[str]]], *, qr: bool = True) -> list[dict[str, Any]]:
    """The context of `tokens/slip.html` from (kind, tokens) in the order in which they are to be entered.

    `kind` is a `TokenRequest.Kind` value ("credit", "key_change", ...); tokens are the digits of one request: one
    token, or the two to four of a key-change set.
    """
    made: list[dict[str, Any]] = []
    for kind, tokens in parts:
        for place, digits in enumerate(tokens, 1):
            title = str(KINDS.get(kind, kind))
            if len(tokens) > 1:
                title = _("%(kind)s, %(place)d of %(many)d") % {"kind": title, "place": place, "many": len(tokens)}
            made.append(
                {"title": title, "digits": groups(digits), "plain": digits, "qr": picture(digits) if qr else None}
            )
    if len(made) > 1:
        for place, each in enumerate(made, 1):
            each["place"] = place
    return made


def slip_of_sale(sets: Iterable[Sequence[str]], credit: str, *, qr: bool = True) -> list[dict[str, Any]]:
    """The same of a sale (`office.tokens.sale.Slip`): key-change sets first, then the credit."""
    return slip([*((Kind.KEY_CHANGE.value, each) for each in sets), (Kind.CREDIT.value, (credit,))], qr=qr)
