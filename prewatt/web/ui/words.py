"""Words that several pages share: tenders, kinds of receipts, acts. One place each, both languages."""

from decimal import Decimal
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from prewatt.core.units import format_price
from prewatt.office.payments.models import Tender

TENDERS: Final[dict[str, str | Promise]] = {
    Tender.CASH.value: pgettext_lazy("tender", "Cash"),
    Tender.MERCHANT_QR.value: pgettext_lazy("tender", "Merchant QR"),
    Tender.POS_CARD.value: pgettext_lazy("tender", "POS card"),
    Tender.BANK_TRANSFER.value: pgettext_lazy("tender", "Transfer"),
}

RECEIPTS: Final[dict[str, str | Promise]] = {
    "sale": pgettext_lazy("receipt", "Electricity sale"),
    "return": pgettext_lazy("receipt", "Return"),
    "refund": pgettext_lazy("receipt", "Refund"),
    "reversal": pgettext_lazy("receipt", "Reversal"),
    "opening": pgettext_lazy("receipt", "Opening"),
    "closing": pgettext_lazy("receipt", "Closing"),
}

ACTS: Final[dict[str, str | Promise]] = {
    "rewrite": pgettext_lazy("act", "Rewrite"),
    "make_up": pgettext_lazy("act", "Make-up"),
    "return": pgettext_lazy("act", "Return of credit"),
    "refund": pgettext_lazy("act", "Refund"),
    "reversal": pgettext_lazy("act", "Reversal"),
    "settlement": pgettext_lazy("act", "Settlement"),
}

ACT_STATES: Final[dict[str, str | Promise]] = {
    "asked": pgettext_lazy("act", "waits for a second person"),
    "running": pgettext_lazy("act", "waits for the meter"),
    "done": pgettext_lazy("act", "done"),
    "refused": pgettext_lazy("act", "not done"),
}

RELAY: Final[dict[int | None, str | Promise]] = {
    0: pgettext_lazy("relay", "open"),
    1: pgettext_lazy("relay", "closed"),
    None: pgettext_lazy("relay", "unknown"),
}

CUSTODIES: Final[dict[str, str | Promise]] = {  # 计费方式
    "meter": _("credit in the meter"),
    "server": _("credit in the office"),
}

WISHES: Final[dict[str, str | Promise]] = {
    "automatic": _("automatic"),
    "keep_on": _("kept on"),
    "trip": _("tripped by us"),
}


def price_words(price: Decimal | None, currency: str) -> str:
    """A price per kWh with at least four decimals, as the plan states it: `0.9200 元/kWh`."""
    if price is None:
        return "—"
    text = format_price(price.normalize())  # the column pads with zeros
    return gettext("¥%s/kWh") % text if currency == "CNY" else f"{currency} {text}/kWh"


def relay_words(relay: int | None, wish: str) -> str:
    return f"{RELAY[relay]} · {WISHES.get(wish, wish)}"
