"""The names and values of a trail row in words. What nobody named here is shown as it is stored, never left out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from prewatt.core.meters.names import label
from prewatt.core.meters.quantities import Quantity
from prewatt.office.metering.settings import OWN
from prewatt.web.console.meters_words import switch_words
from prewatt.web.console.tokens_slip import KINDS
from prewatt.web.console.tokens_words import HOW, PROVIDERS
from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats
from prewatt.web.ui.model_words import TRANSPORTS
from prewatt.web.ui.states import ROLES
from prewatt.web.ui.words import ACTS, CUSTODIES, RECEIPTS, TENDERS, WISHES

NAMES: Final[Mapping[str, str | Promise]] = {
    "amount_minor": _lazy("amount"), "float_minor": _lazy("float"), "counted_minor": _lazy("counted"),
    "expected_minor": _lazy("expected"), "smallest_minor": _lazy("smallest sale"),
    "largest_minor": _lazy("largest sale"), "overdraft_minor": _lazy("overdraft"),
    "alarm_1": _lazy("alarm level 1"), "alarm_2": _lazy("alarm level 2"), "overdraft": _lazy("overdraft"),
    "hoarding_limit": _lazy("hoarding limit"), "load_limit_w": _lazy("load limit"),
    "name": _lazy("name"), "code": _lazy("code"), "number": _lazy("number"), "count": _lazy("purchase count"),
    "purchase_count": _lazy("purchase count"), "credit": _lazy("credit"), "tender": _lazy("tender"),
    "circuit": _lazy("circuit"), "contract": _lazy("contract"), "customer": _lazy("customer"),
    "delivery": _lazy("delivery"), "supply_point": _lazy("supply point"), "wish": _lazy("wish"),
    "until": _lazy("until"), "since": _lazy("since"), "role": _lazy("role"), "username": _lazy("user name"),
    "is_active": _lazy("active"), "ended_at": _lazy("ended"), "price": _lazy("price per kWh"),
    "valid_from": _lazy("holds from"), "plan": _lazy("plan"), "custody": _lazy("who holds the credit"),
    "host": _lazy("host"), "port": _lazy("port"), "baud": _lazy("speed"), "transport": _lazy("transport"),
    "identity": _lazy("dials in as"), "heartbeat": _lazy("heartbeat text"), "peer": _lazy("calls from"),
    "station": _lazy("station"), "place": _lazy("place"), "equipment": _lazy("what stands there"),
    "medium": _lazy("medium"), "sealed": _lazy("ciphered"), "other_secret": _lazy("another key"),
    "unit": _lazy("address on the line"), "ratio": _lazy("CT ratio"), "profile": _lazy("profile"),
    "based_on": _lazy("copied from"), "everywhere": _lazy("for all sites of the company"),
    "floor": _lazy("floor"), "area_dm2": _lazy("area, 1/100 m²"), "sort": _lazy("order"), "room": _lazy("room"),
    "line": _lazy("line"), "till": _lazy("till"), "needs_shift": _lazy("needs a shift"), "kind": _lazy("kind"),
    "state": _lazy("state"), "balance": _lazy("balance"), "reference": _lazy("reference"), "sale": _lazy("sale"),
    "sale_number": _lazy("sale"), "receipt_number": _lazy("receipt"), "prints": _lazy("copies"),
    "phone": _lazy("phone"), "class": _lazy("customer class"), "customer_class": _lazy("customer class"),
    "currency": _lazy("currency"), "timezone": _lazy("time zone"), "company_id": _lazy("company"),
    "site_id": _lazy("site"), "building_id": _lazy("building"), "operator": _lazy("operator"),
    "second_factor": _lazy("second factor"), "opened_on": _lazy("opened on"), "cause": _lazy("cause"),
    "never_cut": _lazy("never cut"), "day": _lazy("day"), "limit": _lazy("limit"), "shared": _lazy("shared balance"),
    "repaid": _lazy("repaid"), "reason": _lazy("reason"), "meter_pan": _lazy("meter PAN"),
    "request": _lazy("token"), "carried": _lazy("carries"), "tokens": _lazy("tokens"), "meters": _lazy("meters"),
    "asked": _lazy("asked for"), "refused": _lazy("refused"), "how": _lazy("how it is known"),
    "proposal": _lazy("proposal"), "register_tenths": _lazy("register, 0.1 kWh"), "new_key": _lazy("new key"),
    "new_ti": _lazy("new tariff index"), "form": _lazy("form"), "meter": _lazy("meter"),
    "check_value": _lazy("check value"), "provider": _lazy("vault"), "before": _lazy("state before"),
    "sgc": _lazy("supply group (SGC)"), "krn": _lazy("key revision (KRN)"), "kt": _lazy("key type (KT)"),
    "ken": _lazy("key expiry (KEN)"), "ti": _lazy("tariff index (TI)"), "base_date": _lazy("base date"),
    "ea": _lazy("encryption (EA)"), "dkga": _lazy("key generation (DKGA)"), "tct": _lazy("token carrier (TCT)"),
    "three_tokens": _lazy("three key-change tokens"), "credit_kind": _lazy("takes credit in"),
    "tokens_a_day": _lazy("tokens a day"), "tenths_a_day": _lazy("credit a day, 0.1 kWh"),
    "money_e5_a_day": _lazy("credit a day, 1/100000 of the currency"), "swap": _lazy("exchange"),
    "carrier": _lazy("carrier"), "energy_wh": _lazy("energy"), "credit_wh": _lazy("credit"),
    "final_wh": _lazy("last reading"), "evidence": _lazy("where it can be seen"), "hastened": _lazy("hastened"),
    "round": _lazy("attempt"), "schedule": _lazy("times of use"), "swap_at": _lazy("swap time"),
    "prices": _lazy("prices"), "decided": _lazy("decided"), "total": _lazy("of in all"), "job": _lazy("command no."),
    "notice": _lazy("notice"), "recipient": _lazy("recipient"), "charged_at": _lazy("charged until"),
    "charged_wh": _lazy("charged up to"), "held": _lazy("held"), "read_at": _lazy("read"),
    "protocols": _lazy("protocols"), "bauds": _lazy("speeds"), "first": _lazy("from address"),
    "last": _lazy("to address"), "tid": _lazy("token identifier (TID)"), "company": _lazy("company"),
    "opening_at": _lazy("opened"), "opening_wh": _lazy("opening reading"), "use": pgettext_lazy("circuit", "use"),
    "closes_by_key": _lazy("closed by key only"),
    "carried_minor": _lazy("balance carried over"), "act": _lazy("act"),
}  # fmt: skip
_WORDS: Final[Mapping[str, Mapping[str, str | Promise]]] = {
    "tender": TENDERS, "wish": WISHES, "custody": CUSTODIES, "role": ROLES,
    "decided": {"open": pgettext_lazy("relay", "open"), "closed": pgettext_lazy("relay", "closed")},
    "transport": TRANSPORTS, "how": HOW, "provider": PROVIDERS,
    "kind": {**RECEIPTS, **ACTS, **KINDS, "open": RECEIPTS["opening"], "close": RECEIPTS["closing"]},
    "cause": {
        "credit": pgettext_lazy("cause", "credit"), "manual": _lazy("tripped by us"), "keep_on": _lazy("kept on"),
        "never_cut": _lazy("never cut"),
    },
    "use": {"tenant": _lazy("tenant"), "common": _lazy("common area")},
    "carrier": {"network": _lazy("over the line"), "token": _lazy("as digits")},
}  # fmt: skip
_IN_CREDIT: Final = frozenset({"alarm_1", "alarm_2", "overdraft", "hoarding_limit", "credit", "balance"})
CELL_MOST: Final = 200  # characters of a value


_OWN: Final = {each.value: each for each in OWN}  # parameters of a meter that no contract has a column for


def name_words(name: str) -> str:
    if name in _OWN:
        return label(_OWN[name], get_language() or "zh-hans")
    return str(NAMES.get(name, name))


def value_words(name: str, value: object, ask: Ask, unit: str = "") -> str:
    """A stored value as a person reads it: money with its currency, credit in `unit` (where that is known), moments in
    the site's zone."""
    match value:
        case None:
            return ""
        case bool():
            return _("yes") if value else _("no")
        case list():
            return ", ".join(str(each) for each in value)[:CELL_MOST]
        case int() if name in _IN_CREDIT and unit:
            return f"{formats.credit(value, unit, ask.site.exponent)} {formats.credit_unit_word(unit)}".rstrip()
        case int() if name.endswith("_wh"):
            return f"{formats.scaled(value, 3)} kWh"
        case int() if name == "load_limit_w" or _OWN.get(name) is Quantity.MALICIOUS_STEP:
            return f"{formats.scaled(value, 3)} kW"
        case int() if name in _OWN:
            return switch_words(_OWN[name], value)
        case int() if name.endswith("_minor"):
            return formats.money(value, ask.site.currency, ask.site.exponent)
        case str() if name in _WORDS:
            return str(_WORDS[name].get(value, value))
        case str() if len(value) >= 19 and value[4:5] == "-" and value[10:11] in "T ":
            return _moment(value, ask)
    return str(value)[:CELL_MOST]


def _moment(text: str, ask: Ask) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text[:CELL_MOST]
    if moment.tzinfo is None:
        return text[:CELL_MOST]
    return moment.astimezone(ask.zone).strftime("%Y-%m-%d %H:%M")
