"""Template tags of the estate's pages: relay and wish in words, prices, links that lead nowhere without a page."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

from prewatt.core.meters import Profile
from prewatt.core.meters.behaviour import Reverse
from prewatt.core.meters.jobs import Wish
from prewatt.core.meters.model import Switch
from prewatt.core.meters.names import label
from prewatt.core.meters.simulated_security import NAME as SIMULATED
from prewatt.core.refusals import CHINESE, message
from prewatt.core.units import format_price
from prewatt.office.reports.board import BoardRow
from prewatt.office.reports.contracts import ContractSale
from prewatt.office.reports.meters import MeterRow
from prewatt.web.console.board import floor_name
from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats, model_words
from prewatt.web.ui.model_words import model_name
from prewatt.web.ui.templatetags.prewatt import _resolves
from prewatt.web.ui.words import CUSTODIES

register = template.Library()


@register.filter
def floor(number: int) -> str:
    return floor_name(number)


@register.filter
def price(value: Decimal | None) -> str:
    return formats.DASH if value is None else format_price(value.normalize())


@register.filter
def credit(value: int | None, row: BoardRow) -> str:
    """A balance in the unit of its circuit, without the word kWh."""
    return formats.credit(value, row.credit_unit, row.exponent)


@register.filter
def of_unit(value: int | None, unit: str) -> str:
    return formats.credit(value, unit or "Wh")


@register.filter
def get(mapping: Mapping[object, object], key: object) -> object:
    return mapping.get(key, "")


@register.simple_tag
def word(words: Mapping[str, object], key: str) -> str:
    """The word of a table for a stored value; the value itself when the table does not know it."""
    return str(words.get(key, key))


@register.simple_tag
def relay(value: int | None) -> str:
    return {0: pgettext("relay", "open"), 1: pgettext("relay", "closed")}.get(
        -1 if value is None else value, pgettext("relay", "unknown")
    )


@register.simple_tag
def custody(value: str | None) -> str:
    """Who holds the credit, in words; nothing where nobody does."""
    return str(CUSTODIES.get(value or "", ""))


@register.simple_tag
def wish(value: str) -> str:
    return label(Wish(value), get_language() or "zh-hans")


@register.simple_tag
def when(moment: datetime | None, ask: Ask) -> str:
    return formats.when(moment, ask.at, ask.zone) if moment else formats.DASH


@register.simple_tag
def added(sale: ContractSale) -> str:
    """What a sale put on top of what it repaid."""
    return formats.credit(sale.credit - sale.repaid, sale.credit_unit)


@register.simple_tag
def sale_link(sale_id: int, number: str) -> SafeString:
    address = f"/console/sales/{sale_id}"
    if _resolves(address):
        return format_html('<a class="code" href="{}">{}</a>', address, number)
    return format_html('<span class="code">{}</span>', number)


@register.simple_tag
def page_link(address: str, text: str, count: int) -> SafeString:
    """ "All 41" as a link to a list that is narrowed to one contract, where that list exists."""
    if _resolves(address):
        return format_html('<a href="{}?q={}">{}</a>', address, text, _("All %d") % count)
    return format_html("{}", _("%d in all") % count)


@register.simple_tag
def button_if(address: str, words: str, css: str = "btn") -> SafeString:
    """A link that looks like a button, where its page exists."""
    return format_html('<a class="{}" href="{}">{}</a>', css, address, words) if _resolves(address) else mark_safe("")


@register.simple_tag
def model(profiles: Mapping[str, Profile], code: str) -> SafeString:
    """A model's name, marked where its profile is assumed: at each mention."""
    known = profiles.get(code)
    if known is None:
        return format_html("{}", code)
    if not known.assumed:
        return format_html("{}", model_name(known))
    return format_html(
        '{} <span class="mark mark-assumed">{}</span>', model_name(known), pgettext("profile", "assumed")
    )


@register.filter
def named(profile: Profile) -> str:
    return model_name(profile)


@register.filter
def said(text: str) -> str:
    """A note of a shipped model in the reader's language."""
    return model_words.said(text)


@register.filter
def transport(code: str) -> str:
    return model_words.transport(code)


@register.simple_tag
def custodies(profile: Profile) -> str:
    """Where the credit of a model can be, short: `meter or office`."""
    words = [pgettext("custody", "meter"), pgettext("custody", "office")]
    held = {each.value for each in profile.custody}
    return (_(" or ")).join(word for word, code in zip(words, ("meter", "server"), strict=True) if code in held)


@register.simple_tag
def health(row: MeterRow) -> SafeString:
    """Whether a meter answers, told apart from its line."""
    if not row.line_up:
        return format_html('<span class="s-lost strong">{}</span>', _("line lost"))
    if row.read_at is None:
        return format_html('<span class="s-lost strong">{}</span>', _("never answered"))
    if row.silent:
        return format_html('<span class="s-lost strong">{}</span>', _("silent"))
    return format_html('<span class="s-normal strong">{}</span>', _("answers"))


@register.simple_tag
def switch_word(profile: Profile | None) -> str:
    if profile is None:
        return formats.DASH
    return {
        Switch.INTERNAL: _("internal relay"),
        Switch.CONTACTOR: _("contactor"),
        Switch.SHUNT_TRIP: _("shunt trip"),
        Switch.NONE: _("none: cannot be cut"),
    }[profile.switch]


@register.simple_tag
def reverse_word(profile: Profile | None) -> str:
    """How energy counts that flows back."""
    known = None if profile is None else profile.behaviour
    if known is None:
        return _("not known of this model")
    return {
        Reverse.ADDS: _("adds to the total"),
        Reverse.SEPARATE: _("a counter of its own"),
        Reverse.IGNORED: _("is not counted"),
    }[known.reverse]


@register.simple_tag
def security_word(profile: Profile | None) -> str:
    """Of a meter that is credited through a security provider: that it is simulated, or that there is none."""
    if profile is None or profile.credit is None or not profile.credit.secured:
        return ""
    simulated = settings.PREWATT_SECURITY == SIMULATED
    code = "security_provider_simulated" if simulated else "security_provider_missing"
    return message(code, get_language() or CHINESE)


@register.simple_tag
def contract_state(value: str) -> SafeString:
    """The state of a contract: work in progress is ours and blue, the rest is plain."""
    words = {"opening": _("opening"), "open": _("open"), "closing": _("closing"), "closed": _("closed")}
    css = {"opening": "d-sent strong", "closing": "d-sent strong", "closed": "muted"}.get(value, "")
    return format_html('<span class="{}">{}</span>', css, words.get(value, value))


@register.simple_tag
def slip_link(receipt_id: int) -> SafeString:
    """The opening or closing slip, where receipts have their page."""
    return button_if(f"/console/receipts/{receipt_id}", _("Print the slip"))


@register.filter
def hundredths(value: int) -> str:
    """Hundredths as a number with two decimals."""
    return formats.scaled(value, 2)


@register.simple_tag
def stamp(moment: datetime, ask: Ask) -> str:
    """A moment to the second, in the site's zone."""
    return moment.astimezone(ask.zone).strftime("%m-%d %H:%M:%S")


@register.simple_tag
def local_day(moment: datetime | None, ask: Ask) -> str:
    return moment.astimezone(ask.zone).strftime("%Y-%m-%d") if moment else formats.DASH
