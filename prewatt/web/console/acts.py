"""Corrections at the desk: what was done, what waits for a second person, and the forms that ask for one."""

import secrets

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.refusals import Refused
from prewatt.core.units import currency, parse_amount, parse_energy
from prewatt.office.reports.sales_acts import LIST_MOST, ActRow, act_of, act_rows, payable
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending import make_ups, returns, reversals, shifts
from prewatt.office.vending.models import Act as ActModel
from prewatt.office.vending.models import Receipt, Till
from prewatt.office.vending.read import delivery_now
from prewatt.web.console.sales_by_token import slip_shown
from prewatt.web.console.sell_parts import choose, exactly, finds, money, picks, with_unit
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats
from prewatt.web.ui.words import ACT_STATES, ACTS, TENDERS

TEXT_MOST = 64
REASON_MOST = 300  # a longer one is cut by the form; the verb says what the column holds


def new_key() -> str:
    return secrets.token_urlsafe(24)


def say(refused: Refused) -> str:
    return refused.message(get_language() or "zh-hans")


def till_for(ask: Ask) -> int:
    """Where money goes out: the till of his open shift, else one that needs none (a transfer by finance)."""
    shift = shifts.open_shift_of(ask.operator.pk, ask.site.id)
    if shift is not None:
        return int(shift.till_id)
    free = Till.objects.filter(site_id=ask.site.id, needs_shift=False).order_by("id").first()
    if free is None:
        raise Refused("shift_not_open")
    return int(free.pk)


def _line(ask: Ask, row: ActRow) -> dict[str, object]:
    return {
        "row": row, "time": formats.when(row.at, ask.at, ask.zone), "kind": ACTS.get(row.kind, row.kind),
        "state": ACT_STATES.get(row.state, row.state),
        "credit": with_unit(row.credit, row.credit_unit, ask.site.exponent) if row.credit else formats.DASH,
        "money": money(ask, row.amount_minor) if row.amount_minor else formats.DASH,
    }  # fmt: skip


@require_safe
@console()
def acts(ask: Ask) -> HttpResponse:
    """The inbox of the second person, then everything that was corrected, newest first."""
    get = ask.request.GET
    kind = get.get("kind", "") if get.get("kind", "") in ACTS else ""
    state = get.get("state", "") if get.get("state", "") in ACT_STATES else ""
    before = get.get("before", "")
    before_id = int(before) if before.isdecimal() and len(before) < 19 else None
    rows = act_rows(ask.operator.pk, ask.site.id, kind=kind, state=state, before_id=before_id)
    waiting = act_rows(ask.operator.pk, ask.site.id, kind="make_up", state="asked")
    role = ask.operator.role
    context = {
        "lines": [_line(ask, row) for row in rows], "waiting": [_line(ask, row) for row in waiting],
        "kinds": ACTS, "states": ACT_STATES, "kind": kind, "state": state,
        "next_id": rows[-1].id if len(rows) == LIST_MOST else None,
        "may_ask": may(role, Act.MAKE_UP_ASK), "may_agree": may(role, Act.MAKE_UP_AGREE),
        "may_return": may(role, Act.RETURN_CREDIT),
    }  # fmt: skip
    return ask.page("ui/acts.html", context)


def _found_or_404(ask: Ask, act_id: int) -> ActModel:
    found = act_of(ask.operator, act_id)
    if found is None:
        raise Http404
    return found


def _act_page(ask: Ask, found: ActModel, status: int = 200, **more: object) -> HttpResponse:
    rows = act_rows(ask.operator.pk, found.site_id, act_id=found.pk)
    if not rows:
        raise Http404
    due = payable(found)
    role = ask.operator.role
    mine = found.actor == of_operator(ask.operator).key
    held = found.delivery is not None and found.delivery.credit_account_id is not None
    undone = held and found.state == "done" and found.kind in ("return", "make_up")
    context: dict[str, object] = {
        "act": found, "line": _line(ask, rows[0]), "due": due is not None and may(role, Act.REFUND),
        "delivery": delivery_now(found.delivery) if found.delivery is not None else None,
        "by_token": found.delivery is not None and found.delivery.token_request_id is not None,
        "slip": slip_shown(found.delivery) if found.delivery is not None else [],
        "can_agree": found.state == "asked" and may(role, Act.MAKE_UP_AGREE) and not mine,
        "is_asker": found.state == "asked" and mine, "in_money": rows[0].credit_unit != "Wh",
        "take_back": undone and may(role, Act.SETTLE) and (found.kind == "make_up" or due is not None),
        "receipts": [(each.pk, each.data.get("receipt_number", "")) for each in Receipt.objects.filter(act=found)],
        **more,
    }  # fmt: skip
    return ask.page("ui/acts_one.html", context, status=status)


@require_safe
@console()
def act(ask: Ask, act_id: int) -> HttpResponse:
    """One correction: what, why, who, and where it stands."""
    return _act_page(ask, _found_or_404(ask, act_id))


@require_POST
@console()
def answer(ask: Ask, act_id: int) -> HttpResponse:
    """The second person agrees or declines."""
    found, post = _found_or_404(ask, act_id), ask.request.POST
    verb = make_ups.agree if post.get("answer") == "agree" else make_ups.decline
    try:
        verb(found, actor=of_operator(ask.operator), at=ask.at, reason=post.get("reason", "")[:REASON_MOST])
    except Refused as refused:
        return _act_page(ask, found, status=422, refused=refused, said=say(refused), reason=post.get("reason", ""))
    return redirect(f"/console/acts/{act_id}")


@require_http_methods(["GET", "HEAD", "POST"])
@console()
def refund(ask: Ask, act_id: int) -> HttpResponse:
    """Pay out what a confirmed return made payable."""
    found = _found_or_404(ask, act_id)
    if found.delivery is None:
        raise Http404
    post = ask.request.POST
    context = {
        "title": _("Refund"), "button": _("Pay out %s") % money(ask, found.delivery.value_minor), "tenders": TENDERS,
        "tender": post.get("tender", "cash"), "reference": post.get("reference", ""), "reason": post.get("reason", ""),
        "request_key": post.get("request_key") or new_key(), "back": f"/console/acts/{act_id}", "risk": True,
        "changes": [_("%s leaves the drawer, or goes out by the tender you choose")
                    % money(ask, found.delivery.value_minor),
                    _("The meter is not touched: its credit was taken out before")],
    }  # fmt: skip
    if ask.request.method != "POST":
        return ask.page("ui/acts_form.html", context)
    try:
        done = returns.refund(
            found.delivery, till_id=till_for(ask), reason=str(context["reason"]), actor=of_operator(ask.operator),
            key=str(context["request_key"]), at=ask.at, tender=str(context["tender"]),
            reference=str(context["reference"]),
        )  # fmt: skip
    except Refused as refused:
        return ask.page("ui/acts_form.html", {**context, "refused": refused, "said": say(refused)}, status=422)
    return redirect(f"/console/acts/{done.act.pk}")


@require_http_methods(["GET", "HEAD", "POST"])
@console()
def take_back(ask: Ask, act_id: int) -> HttpResponse:
    """Take a return or make-up of server-held credit back."""
    found, post = _found_or_404(ask, act_id), ask.request.POST
    sum_ = money(ask, found.amount_minor)
    changes = [_("The balance rises by %s again; nothing is payable any more") % sum_] if found.kind == "return" else [
        _("The balance falls by %s; the cost is taken out of the books") % sum_]  # fmt: skip
    context = {
        "title": _("Take this act back"), "button": _("Take it back"), "reason": post.get("reason", "")[:REASON_MOST],
        "request_key": post.get("request_key") or new_key(), "back": f"/console/acts/{act_id}", "risk": True,
        "changes": [*changes, _("It stays in the list, marked as not done")],
    }  # fmt: skip
    if ask.request.method != "POST":
        return ask.page("ui/acts_form.html", context)
    try:
        done = reversals.take_back(
            found, reason=str(context["reason"]), actor=of_operator(ask.operator), key=str(context["request_key"]),
            at=ask.at,
        )  # fmt: skip
    except Refused as refused:
        return ask.page("ui/acts_form.html", {**context, "refused": refused, "said": say(refused)}, status=422)
    return redirect(f"/console/acts/{done.act.pk}")


@require_http_methods(["GET", "HEAD", "POST"])
@console()
def make_up(ask: Ask) -> HttpResponse:
    """Ask for a make-up: credit without payment. Nothing is sent before a second person agrees."""
    return _new(ask, "make_up")


@require_http_methods(["GET", "HEAD", "POST"])
@console()
def give_back(ask: Ask) -> HttpResponse:
    """Return some credit: out of the meter first; the money is payable once the meter confirmed."""
    return _new(ask, "return")


def _new(ask: Ask, kind: str) -> HttpResponse:
    post = ask.request.POST
    text = (post.get("find", "") or ask.request.GET.get("find", "")).strip()[:TEXT_MOST]
    making = kind == "make_up"
    context: dict[str, object] = {
        "kind": kind, "text": text, "credit": post.get("credit", ""), "reason": post.get("reason", ""),
        "request_key": post.get("request_key") or new_key(), "back": "/console/acts", "risk": not making,
        "asks_circuit": True, "title": _("Make-up: credit without payment") if making else _("Return of credit"),
        "button": _("Ask the second person") if making else _("Take it out"),
        "changes": [_("Nothing is sent now: a manager or finance must agree first"),
                    _("The cost stands in the books as make-up")]
        if making else [_("The balance falls by this credit, in the meter or in the books"),
                        _("The money is payable once the meter has confirmed, or at once where the books hold the "
                          "credit; then you refund it")],
    }  # fmt: skip
    if ask.request.method != "POST":
        return ask.page("ui/acts_form.html", context)
    found = finds(ask, text)
    chosen = choose(ask, exactly(found, text))
    try:
        if chosen is None or chosen.row.contract_number is None:
            raise Refused("contract_unknown")
        typed = str(context["credit"])
        energy = chosen.row.credit_unit == "Wh"
        credit = parse_energy(typed) if energy else parse_amount(typed, currency(ask.site.currency))
        done = (make_ups.ask if making else returns.give_back)(
            contract_number=chosen.row.contract_number, circuit_id=chosen.row.circuit_id, credit=credit,
            reason=str(context["reason"]), actor=of_operator(ask.operator), key=str(context["request_key"]), at=ask.at,
        )  # fmt: skip
    except Refused as refused:
        context |= {"refused": refused, "said": say(refused), "picks": picks(ask, found) if chosen is None else []}
        return ask.page("ui/acts_form.html", context, status=422)
    return redirect(f"/console/acts/{done.act.pk}")


urlpatterns = [
    path("acts", acts, name="acts"),
    path("acts/make-up", make_up, name="act-make-up"),
    path("acts/return", give_back, name="act-return"),
    path("acts/<int:act_id>", act, name="act"),
    path("acts/<int:act_id>/answer", answer, name="act-answer"),
    path("acts/<int:act_id>/refund", refund, name="act-refund"),
    path("acts/<int:act_id>/take-back", take_back, name="act-take-back"),
]
