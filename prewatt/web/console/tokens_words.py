"""Tokens in words: what one does, in which state it is, what a meter's attributes are called."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from prewatt.core.refusals import Text, message, texts
from prewatt.core.sts import CreditKind, ManagementKind, show_currency
from prewatt.core.sts.words import ALL_TESTS, CONTROL_NAMES, EXTENDED_NAME, MANAGEMENT_NAMES
from prewatt.office.tokens.models import Campaign, CampaignMeter, StoredKey, TokenRequest
from prewatt.web.console.tokens_slip import KINDS

State = TokenRequest.State
MeterState = CampaignMeter.State
ALL_BITS: Final = (1 << 36) - 1
TESTS_NAMED: Final = 11  # bits 0-10: two sources agree on them

STATES: Final[dict[str, str | Promise]] = {
    State.WAITING.value: pgettext_lazy("token", "waits for the vault"),
    State.MADE.value: pgettext_lazy("token", "made"),
    State.REFUSED.value: pgettext_lazy("token", "refused by the vault"),
    State.WITHDRAWN.value: pgettext_lazy("token", "withdrawn"),
}
ENTERED: Final[str | Promise] = pgettext_lazy("token", "entered")
CSS: Final = {State.WAITING.value: "d-waiting", State.MADE.value: "strong", State.REFUSED.value: "d-refused",
              State.WITHDRAWN.value: "muted"}  # fmt: skip
HOW: Final[dict[str, str | Promise]] = {
    "customer": _lazy("the customer says so"),
    "keypad": _lazy("typed in and watched"),
    "reading": _lazy("seen in the meter's register"),
    "wire": _lazy("sent over the wire"),
}
KEY_TYPES: Final[dict[int, str | Promise]] = {
    0: _lazy("initialisation key (DITK)"), 1: _lazy("default key (DDTK)"), 2: _lazy("unique key (DUTK)"),
    3: _lazy("common key (DCTK)"),
}  # fmt: skip
CREDIT_KINDS: Final[dict[int, str | Promise]] = {
    int(CreditKind.ELECTRICITY): _lazy("electricity, kWh"),
    int(CreditKind.ELECTRICITY_CURRENCY): _lazy("electricity, money"),
}
PROVIDERS: Final[dict[str, str | Promise]] = {
    StoredKey.Provider.SEALED.value: _lazy("software vault"),
    StoredKey.Provider.PKCS11.value: _lazy("PKCS#11 device"),
    StoredKey.Provider.MODULE.value: _lazy("security module"),
}
CAMPAIGN_STATES: Final[dict[str, str | Promise]] = {
    Campaign.State.DRAFT.value: pgettext_lazy("campaign", "draft"),
    Campaign.State.RUNNING.value: pgettext_lazy("campaign", "running"),
    Campaign.State.PAUSED.value: pgettext_lazy("campaign", "paused"),
    Campaign.State.ENDED.value: pgettext_lazy("campaign", "ended"),
}
METER_STATES: Final[dict[str, str | Promise]] = {
    MeterState.NOT_ISSUED.value: pgettext_lazy("campaign", "not issued"),
    MeterState.ISSUED.value: pgettext_lazy("campaign", "issued"),
    MeterState.DELIVERED.value: pgettext_lazy("campaign", "delivered"),
    MeterState.ENTERED.value: pgettext_lazy("campaign", "entered"),
    MeterState.CONFIRMED.value: pgettext_lazy("campaign", "confirmed"),
    MeterState.REFUSED.value: pgettext_lazy("campaign", "refused"),
}


def both(text: Text) -> str:
    """The reader's language of a text of the core."""
    return text.zh if (get_language() or "zh-hans").startswith("zh") else text.en


def code_words(code: str) -> str:
    """Why something was refused; an unknown code as it is."""
    return message(code, get_language() or "zh-hans") if code in texts else code


def tenths_words(tenths: int) -> str:
    return f"{tenths // 10:,}.{tenths % 10} kWh"


def credit_words(kind: int, amount: int, currency: str) -> str:
    """An amount of class 0: tenths of a kWh, or 10^-5 of the base unit."""
    return f"{show_currency(amount)} {currency}" if CreditKind(kind).is_currency else tenths_words(amount)


def watts(value: int) -> str:
    return f"{value // 1000:,}.{value % 1000:03d} kW"


def carried_words(row: TokenRequest, currency: str) -> str:
    """What the token carries, in its unit; empty where it carries nothing."""
    return content_words(row.content, row.carried, currency)


def content_words(content: Mapping[str, Any], carried: int | None, currency: str) -> str:
    """`asks.to_json` in words. `carried` where it is known already, else what was asked."""
    match content:
        case {"ask": "credit", "kind": int(kind), "amount": int(amount)}:
            return credit_words(kind, amount if carried is None else carried, currency)
        case {"ask": "management", "kind": int(kind), "amount": int(amount)}:
            return _management(ManagementKind(kind), amount if carried is None else carried)
        case {"ask": "extended", "index": int(index)}:
            return _("%(what)s, index %(index)d") % {"what": both(EXTENDED_NAME), "index": index}
        case {"ask": "test", "control": int(control)}:
            return test_words(control)
        case {"ask": "key_change", "new_ti": str(ti)}:
            return _("tariff index %s") % ti
    return ""


def _management(kind: ManagementKind, value: int) -> str:
    name = both(MANAGEMENT_NAMES[kind])
    match kind:
        case ManagementKind.POWER_LIMIT | ManagementKind.PHASE_UNBALANCE:
            return f"{name}: {watts(value)}"
        case ManagementKind.CLEAR_CREDIT:
            return f"{name}: {register_words(value)}"
        case ManagementKind.CLEAR_TAMPER:
            return name
    return f"{name}: {value}"


def register_words(register: int) -> str:
    if register == 0xFFFF:
        return _("all registers")
    return _("electricity") if register == 0 else _("register %d") % register


def test_words(control: int) -> str:
    """What a meter test shows or does."""
    if control == ALL_BITS:
        return both(ALL_TESTS)
    names = [both(CONTROL_NAMES[bit]) for bit in range(len(CONTROL_NAMES)) if control >> bit & 1]
    return ", ".join(names) or f"{control:x}"


def state_of(row: TokenRequest) -> tuple[str, str]:
    """(word, css) of where a token is; what the meter is known to have taken counts most."""
    if row.entered_at is not None:
        return str(ENTERED), "d-confirmed strong"
    return str(STATES[row.state]), CSS[row.state]


def kind_words(row: TokenRequest) -> str:
    return str(KINDS[row.kind])


def key_words(row: StoredKey | None) -> str:
    """A vending key by its names, short."""
    return f"SGC {row.sgc} · KRN {row.krn} · KT {row.kt}" if row is not None else ""


def key_change_words(old: StoredKey | None, new: StoredKey) -> str:
    """From which key to which; what stays the same is said once."""
    if old is not None and (old.sgc, old.kt) == (new.sgc, new.kt) and old.krn != new.krn:
        return f"SGC {new.sgc} · KRN {old.krn} → {new.krn}"
    return f"{key_words(old)} → {key_words(new)}"


def newest_first(rows: Iterable[StoredKey]) -> list[StoredKey]:
    """Keys in the order in which a change may want them: what was taken in last is what meters are to get."""
    return sorted(rows, key=lambda row: row.pk, reverse=True)


def key_option(row: StoredKey) -> tuple[str, str, str]:
    """A key to choose in a form."""
    what = _("base date %(date)d, DKGA%(dkga)s, check value %(check)s") % {
        "date": row.base_date, "dkga": row.dkga, "check": row.check_value,
    }  # fmt: skip
    return str(row.pk), key_words(row), what
