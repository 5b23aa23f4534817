"""The forms by which tokens are asked for at a meter's page: one for each kind, and the two that take two persons."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods

from prewatt.core.refusals import Refused, Text, register
from prewatt.core.sts import ALL_REGISTERS, CreditKind, ManagementKind
from prewatt.core.sts.ids import check_ti
from prewatt.core.sts.words import ALL_TESTS, CONTROL_NAMES
from prewatt.core.units import currency, parse_amount, parse_energy
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act
from prewatt.office.tokens import by_hand, listings, proposals, requests
from prewatt.office.tokens.asks import Ask as TokenAsk
from prewatt.office.tokens.asks import CreditAsk, ExtendedAsk, ManagementAsk, MeterTestAsk
from prewatt.office.tokens.models import StsMeter
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import Field, form_page, kept, pick, say, text, whole
from prewatt.web.console.tokens_parts import PATH, REASON_MOST, make_digits, may_, sts_or_404
from prewatt.web.console.tokens_words import ALL_BITS, TESTS_NAMED, both, key_option, newest_first, register_words
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

TENTH_WH: Final = 100
E5: Final = 5  # decimals that a currency token has
KEY_MOST: Final = 48  # of a form's request key

register(
    {
        "token_tenths_only": Text(
            en="A token carries whole tenths of a kWh. Nothing was made. Type one decimal at most.",
            zh="令牌电量最小为 0.1 kWh。什么都没有生成。请最多输入一位小数。",
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Form:
    """One kind of token: who may ask, what is asked, how it becomes an ask, and what to think of before."""

    title: str | Promise
    act: Act
    fields: Callable[[Ask, StsMeter], list[Field]]
    read: Callable[[Ask, StsMeter, QueryDict], TokenAsk]
    says: str | Promise
    warn: str | Promise = ""
    needs_reason: bool = True


def _none(ask: Ask, sts: StsMeter) -> list[Field]:
    return []


def _power(ask: Ask, sts: StsMeter) -> list[Field]:
    return [Field(name="power", label=_("Power, kW"), kind="decimal", most=12, required=True,
                  hint=_("The token carries it in steps; the page then shows what it really carries."))]  # fmt: skip


def _watts(kind: ManagementKind) -> Callable[[Ask, StsMeter, QueryDict], TokenAsk]:
    def read(ask: Ask, sts: StsMeter, form: QueryDict) -> TokenAsk:
        return ManagementAsk(kind=kind, amount=parse_energy(form.get("power", "")))

    return read


def _code(ask: Ask, sts: StsMeter) -> list[Field]:
    return [Field(name="number", label=_("Code, 0 to 65535"), kind="number", most=5, required=True,
                  hint=_("Its meaning is the maker's: the standard reserves the sixteen bits."))]  # fmt: skip


def _coded(kind: ManagementKind) -> Callable[[Ask, StsMeter, QueryDict], TokenAsk]:
    def read(ask: Ask, sts: StsMeter, form: QueryDict) -> TokenAsk:
        return ManagementAsk(kind=kind, amount=whole(form, "number"))

    return read


def _extended(ask: Ask, sts: StsMeter) -> list[Field]:
    return [
        Field(name="index", label=_("Index, 0 to 63"), kind="number", most=2, required=True,
              hint=_("63 takes a flag, all others a control value.")),
        Field(name="control_value", label=_("Control value, 0 to 1023"), kind="number", most=4),
        Field(name="flag_index", label=_("Flag index, 0 to 511 (index 63)"), kind="number", most=3),
        Field(name="flag_value", label=_("Flag value, 0 or 1 (index 63)"), kind="number", most=1),
    ]  # fmt: skip


def _read_extended(ask: Ask, sts: StsMeter, form: QueryDict) -> TokenAsk:
    return ExtendedAsk(
        index=whole(form, "index"), control_value=whole(form, "control_value", 0),
        flag_index=whole(form, "flag_index", 0), flag_value=whole(form, "flag_value", 0),
    )  # fmt: skip


def _tests(ask: Ask, sts: StsMeter) -> list[Field]:
    named = [(str(bit), both(name), "") for bit, name in enumerate(CONTROL_NAMES[:TESTS_NAMED])]
    return [Field(name="test", label=_("Test or display"), kind="select", required=True, value="all",
                  options=[("all", both(ALL_TESTS), ""), *named])]  # fmt: skip


def _read_test(ask: Ask, sts: StsMeter, form: QueryDict) -> TokenAsk:
    if form.get("test") == "all":
        return MeterTestAsk(control=ALL_BITS)
    bit = whole(form, "test")
    if not 0 <= bit < TESTS_NAMED:
        raise Refused("choice_needed")
    return MeterTestAsk(control=1 << bit)


def _new_keys(ask: Ask, sts: StsMeter) -> list[Field]:
    return [
        Field(name="key", label=_("New vending key"), kind="select", required=True,
              options=[key_option(each) for each in newest_first(listings.keys_of(sts.site.company_id))]),
        Field(name="ti", label=_("New tariff index"), kind="number", most=2,
              hint=_("Empty: it keeps %s.") % sts.ti),
    ]  # fmt: skip


def _read_key_change(ask: Ask, sts: StsMeter, form: QueryDict) -> TokenAsk:
    typed = text(form, "key", 18)
    chosen = pick(listings.keys_of(sts.site.company_id), int(typed) if typed.isdecimal() else None)
    ti = text(form, "ti", 2)
    if ti:
        check_ti(ti)
    return requests.key_change_of(sts, chosen, new_ti=ti)


def _registers(ask: Ask, sts: StsMeter) -> list[Field]:
    return [
        Field(name="register", label=_("Register to clear"), kind="select", required=True,
              options=[(str(each), register_words(each), "") for each in (0, ALL_REGISTERS)]),
        Field(name="showed", label=_("What the meter's register showed, kWh"), kind="decimal", most=14, required=True,
              hint=_("Read at the meter: it is the evidence the second person looks at.")),
    ]  # fmt: skip


def _read_clear(ask: Ask, sts: StsMeter, form: QueryDict) -> TokenAsk:
    return ManagementAsk(kind=ManagementKind.CLEAR_CREDIT, amount=whole(form, "register"))


def _credit(ask: Ask, sts: StsMeter) -> list[Field]:
    unit = ask.site.currency if CreditKind(sts.credit_kind).is_currency else "kWh"
    return [Field(name="credit", label=_("Credit, %s") % unit, kind="decimal", most=14, required=True)]


def _read_credit(ask: Ask, sts: StsMeter, form: QueryDict) -> TokenAsk:
    kind, typed = CreditKind(sts.credit_kind), form.get("credit", "")
    if kind.is_currency:
        coin = currency(ask.site.currency)
        return CreditAsk(kind=kind, amount=parse_amount(typed, coin) * 10 ** (E5 - coin.exponent), free=True)
    return CreditAsk(kind=kind, amount=_tenths(typed), free=True)


def _tenths(typed: str) -> int:
    tenths, rest = divmod(parse_energy(typed), TENTH_WH)
    if rest:
        raise Refused("token_tenths_only")
    return tenths


FORMS: Final[dict[str, Form]] = {
    "test": Form(
        title=_lazy("Meter test token"), act=Act.TOKENS, fields=_tests, read=_read_test, needs_reason=False,
        says=_lazy("Shows something on the meter's display, or starts a test. It needs no key, fits every meter of the "
                   "standard and can be typed in any number of times."),
    ),
    "power-limit": Form(
        title=_lazy("Power limit token"), act=Act.TOKENS, fields=_power, read=_watts(ManagementKind.POWER_LIMIT),
        says=_lazy("The meter cuts off when more power than this is drawn."),
    ),
    "phase-unbalance": Form(
        title=_lazy("Phase unbalance token"), act=Act.TOKENS, fields=_power,
        read=_watts(ManagementKind.PHASE_UNBALANCE),
        says=_lazy("The largest difference of power between two phases that a three-phase meter lets pass."),
    ),
    "tariff-rate": Form(
        title=_lazy("Tariff rate token"), act=Act.TOKENS, fields=_code, read=_coded(ManagementKind.TARIFF_RATE),
        says=_lazy("Sets the rate of a meter that keeps money."),
    ),
    "clear-tamper": Form(
        title=_lazy("Clear tamper token"), act=Act.TOKENS, fields=_none,
        read=lambda ask, sts, form: ManagementAsk(kind=ManagementKind.CLEAR_TAMPER),
        says=_lazy("Lets a meter that shut itself off after tampering supply again."),
        warn=_lazy("Look at the meter first: the sign of tampering is gone afterwards."),
    ),
    "extended": Form(
        title=_lazy("Extended setting token"), act=Act.TOKENS, fields=_extended, read=_read_extended,
        says=_lazy("For settings that the meter's own manual names by index and control value."),
    ),
    "key-change": Form(
        title=_lazy("Key change"), act=Act.TOKENS, fields=_new_keys, read=_read_key_change,
        says=_lazy("Makes the whole set of tokens that brings the meter to another key: two, three or four, as the "
                   "meter demands. All are typed in, in any order, within the meter's time."),
        warn=_lazy("Credit sold before must be typed in before the set: afterwards the meter refuses it."),
    ),
    "clear-credit": Form(
        title=_lazy("Clear credit"), act=Act.TOKEN_ASK, fields=_registers, read=_read_clear,
        says=_lazy("Nothing is made now: a second person agrees or declines, with the evidence before him."),
        warn=_lazy("The meter forgets its credit and cuts off. What was paid for it is settled in the books apart "
                   "from this."),
    ),
    "free-credit": Form(
        title=_lazy("Free credit"), act=Act.TOKEN_ASK, fields=_credit, read=_read_credit,
        says=_lazy("Credit that nobody paid for. Nothing is made now: a second person agrees or declines."),
        warn=_lazy("It stands in no sale and no shift. To make good a sale, use a make-up: the books hold its cost."),
    ),
}  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console()
def new(ask: Ask, meter_id: int, what: str) -> HttpResponse:
    """Ask for a token of one kind."""
    one, sts = sts_or_404(ask, meter_id)
    form = FORMS.get(what)
    if form is None:
        raise Http404
    if not may_(ask, form.act):
        return ask.page("ui/error.html", _may_not(ask), status=403)
    fields = form.fields(ask, sts)
    if form.needs_reason:
        fields.append(Field(name="reason", label=_("Reason"), required=True, most=REASON_MOST))
    refused: dict[str, str] = {}
    if ask.request.method == "POST":
        try:
            return _ask(ask, sts, form)
        except Refused as no:
            refused = {"said": say(no), "code": no.code}
        fields = kept(fields, ask.request.POST)
    return form_page(
        ask, title=_("%(what)s for meter %(number)s") % {"what": form.title, "number": one.number}, fields=fields,
        submit=_("Ask the second person") if form.act is Act.TOKEN_ASK else _("Make the token"),
        back=f"/console/meters/{one.pk}/tokens", crumb=_("Tokens of meter %s") % one.number, says=str(form.says),
        warn=str(form.warn), refused=refused or None, risk=form.act is Act.TOKEN_ASK,
    )  # fmt: skip


def _may_not(ask: Ask) -> dict[str, object]:
    said = Refused("not_permitted", role=ask.operator.role, act=Act.TOKENS.value)
    return {"told": {"kind": "refused", "happened": say(said), "not_done": "", "do": "", "code": said.code}}


def _ask(ask: Ask, sts: StsMeter, form: Form) -> HttpResponse:
    """Store what was asked for, then make it; or lay it before the second person."""
    post, actor = ask.request.POST, of_operator(ask.operator)
    what, why = form.read(ask, sts, post), text(post, "reason", REASON_MOST)
    key = text(post, "request_key", KEY_MOST)
    if form.act is Act.TOKEN_ASK:
        showed = _tenths_showed(post)
        made = proposals.propose(
            sts, what, request_key=f"hand:{ask.operator.pk}:{key}" if key else "", reason=why, register_tenths=showed,
            actor=actor, at=ask.at,
        )  # fmt: skip
        return redirect(f"{PATH}/proposals/{made.pk}")
    row = by_hand.ask(sts, what, request_key=key, reason=why, actor=actor, at=ask.at)
    refused = make_digits(row.pk, ask)
    if refused is None:
        told(ask, _("Made. Type it into the meter; this page shows the digits to you for %s.")
             % formats.duration(int(listings.FRESH.total_seconds())))  # fmt: skip
    return redirect(f"{PATH}/{row.pk}")


def _tenths_showed(post: QueryDict) -> int | None:
    """What the register showed, in tenths; what lies below a tenth is left out as the display does."""
    typed = post.get("showed", "").strip()
    return parse_energy(typed) // TENTH_WH if typed else None


urlpatterns = [path("meters/<int:meter_id>/tokens/new/<slug:what>", new, name="tokens-new")]
