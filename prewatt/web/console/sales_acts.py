"""Which corrections a sale allows now, to whom: the buttons of its page. The verbs check again."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from prewatt.office.reports.sales import SaleFull
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending.models import Act as ActRow
from prewatt.office.vending.models import DeliveryState
from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats
from prewatt.web.ui.words import ACT_STATES, ACTS


@dataclass(frozen=True, kw_only=True)
class Button:
    """`name` is the last part of the address."""

    name: str
    label: str | Promise
    risk: bool


_ALL = {
    "rewrite": (Act.REWRITE, Button(name="rewrite", label=_("Rewrite…"), risk=False)),
    "settle": (Act.SETTLE, Button(name="settle", label=_("Settle…"), risk=False)),
    "refund": (Act.REFUND, Button(name="refund", label=_("Refund…"), risk=True)),
    "return": (Act.RETURN_CREDIT, Button(name="return", label=_("Return credit…"), risk=True)),
    "reverse": (Act.REVERSE, Button(name="reverse", label=_("Reverse…"), risk=True)),
}


def possible(full: SaleFull) -> tuple[str, ...]:
    """Names of the acts that the state of a sale leaves open."""
    if full.sale.state == "reversed" or full.refunded_at is not None:
        return ()
    if full.now.delivery.token_request_id is not None and full.returned is None:
        # the digits are the delivery: afterwards they are only shown again, and credit comes back once it was cleared
        return {
            DeliveryState.WAITING: ("reverse",), DeliveryState.REFUSED: ("refund", "reverse"),
            DeliveryState.CONFIRMED: ("rewrite", "return"),
        }.get(full.now.state, ())  # fmt: skip
    if full.returned is not None:
        return ("refund", "reverse") if full.returned.state == DeliveryState.CONFIRMED.value else ()
    return {
        DeliveryState.WAITING: ("reverse",),
        DeliveryState.REFUSED: ("rewrite", "refund", "reverse"),
        DeliveryState.DISPUTED: ("settle",),
        # what the books hold they can give back at once
        DeliveryState.CONFIRMED: ("return",) if full.now.delivery.credit_account_id is None else ("return", "reverse"),
    }.get(full.now.state, ())


def acts_for(ask: Ask, full: SaleFull) -> list[Button]:
    return [_ALL[name][1] for name in possible(full) if may(ask.operator.role, _ALL[name][0])]


@dataclass(frozen=True, kw_only=True)
class ToldAct:
    """A correction in words."""

    act: ActRow
    time: str
    word: str | Promise
    state: str | Promise


def told_act(ask: Ask, act: ActRow) -> ToldAct:
    return ToldAct(
        act=act, time=formats.clock(act.at, ask.zone), word=ACTS.get(act.kind, act.kind),
        state=ACT_STATES.get(act.state, act.state),
    )  # fmt: skip
