"""Commands for one circuit: read now, what we want of its relay (保电, 拉闸, 自动), the maintenance tag.

A relay command is a page of its own that says exactly what will change and what will follow, and asks for a reason.
"""

import secrets
from datetime import timedelta

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.meters.jobs import Wish
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit
from prewatt.office.estate.scope import visible_to
from prewatt.office.metering import jobs, wishes
from prewatt.office.reports.board import BoardRow, board_rows
from prewatt.office.reports.meters import MeterFilters, read_results, to_read
from prewatt.office.staff.roles import Act
from prewatt.web.console.circuits_words import follows, sure
from prewatt.web.console.lists import number
from prewatt.web.console.settings_fields import (
    Field,
    attempt,
    form_page,
    kept,
    local,
    moment,
    reason,
    roles_of,
    say,
    text,
)
from prewatt.web.console.tiles import badges_of
from prewatt.web.console.views_base import Ask, console, stale_limit
from prewatt.web.ui import formats

READ_MOST = 2000  # circuits in one "read now"; a larger site is read line by line
KEEP_ON_AT_FIRST = timedelta(days=1)
TAG_AT_FIRST = timedelta(hours=4)


def circuit_or_404(ask: Ask, circuit_id: int) -> tuple[Circuit, BoardRow]:
    """A circuit he may see, with what is known of it now."""
    circuit = visible_to(ask.operator, Circuit).select_related("meter__line__gateway").filter(pk=circuit_id).first()
    if circuit is None:
        raise Http404
    rows = board_rows(ask.operator.pk, circuit.site_id, at=ask.at, stale=stale_limit(), ids=[circuit_id])
    if not rows:
        raise Http404
    return circuit, rows[0]


def read_circuits(ask: Ask, circuits: dict[int, int]) -> tuple[int, int]:
    """Ask for a reading of each; the first and the last job, by which the results are found again."""
    if not circuits:
        raise Refused("choice_needed")
    if len(circuits) > READ_MOST:
        raise Refused("read_too_many", most=READ_MOST)
    with transaction.atomic():
        made = jobs.read_now(
            request_key=secrets.token_urlsafe(12), circuit_indexes=circuits, at=ask.at, actor=ask.actor
        )
    return min(made), max(made)


@require_POST
@console(roles=roles_of(Act.READ_NOW))
def read(ask: Ask, circuit_id: int) -> HttpResponse:
    """Read one circuit now; the fragment follows its own progress."""
    circuit, _row = circuit_or_404(ask, circuit_id)
    first, last = read_circuits(ask, {circuit.pk: circuit.index})
    if not ask.partial:
        return redirect(f"/console/reads/{first}-{last}")
    return _progress_of_one(ask, first, last)


@require_safe
@console(roles=roles_of(Act.READ_NOW))
def read_one(ask: Ask, first: int, last: int) -> HttpResponse:
    return _progress_of_one(ask, first, last)


def _progress_of_one(ask: Ask, first: int, last: int) -> HttpResponse:
    found = read_results(ask.operator.pk, ask.site.id, first_id=first, last_id=last, most=1)
    if not found:
        raise Http404
    return ask.page("ui/parts/read_one.html", {"result": found[0], "first": first, "last": last})


@require_POST
@console(roles=roles_of(Act.READ_NOW))
def read_many(ask: Ask) -> HttpResponse:
    """Read a line, a building or a selection: `line`, `building`, or `circuit` several times."""
    form = ask.request.POST
    ids = [each for each in map(number, form.getlist("circuit")) if each is not None]
    filters = MeterFilters(line_id=number(form.get("line", "")), building_id=number(form.get("building", "")))
    try:
        if not ids and filters == MeterFilters() and "all" not in form:
            raise Refused("choice_needed")
        first, last = read_circuits(ask, to_read(ask.operator.pk, ask.site.id, filters, ids or None))
    except Refused as refused:
        messages.add_message(ask.request, messages.ERROR, say(refused), extra_tags="refused")
        return redirect("/console/meters")
    return redirect(f"/console/reads/{first}-{last}")


@require_safe
@console(roles=roles_of(Act.READ_NOW))
def reads(ask: Ask, first: int, last: int) -> HttpResponse:
    """The progress of a "read now" with one result per circuit; kept, so that it can be looked at again."""
    found = read_results(ask.operator.pk, ask.site.id, first_id=first, last_id=last)
    if not found:
        raise Http404
    done = [each for each in found if not each.left]
    bad = [each for each in done if each.verdict != "done"]
    context = {
        "results": found,
        "total": len(found),
        "done": len(done),
        "bad": len(bad),
        "good": len(done) - len(bad),
        "running": len(done) < len(found),
        "first": first,
        "last": last,
        "life_s": int(jobs.READ_NOW_LIFE.total_seconds()),
    }
    return ask.page("ui/parts/read_many.html" if ask.partial else "ui/reads.html", context)


def _wish(value: str) -> Wish:
    try:
        return Wish(value)
    except ValueError:
        raise Http404 from None


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.RELAY))
def relay(ask: Ask, circuit_id: int) -> HttpResponse:
    """What will change and what will follow, a reason, and for keeping on an end; POST carries it out."""
    circuit, row = circuit_or_404(ask, circuit_id)
    wanted = _wish(ask.request.POST.get("wish") or ask.request.GET.get("wish", ""))
    fields = [
        Field(
            name="reason",
            label=_("Reason"),
            required=True,
            most=255,
            hint=_("Stands in the trail and, when supply is off, on every page of this circuit."),
        )
    ]
    if wanted is Wish.KEEP_ON:
        until = local(ask.at + KEEP_ON_AT_FIRST, ask.zone)
        fields.insert(
            0, Field(name="until", label=_("Kept on until"), kind="datetime-local", value=until, required=True)
        )
    refused = None
    if ask.request.method == "POST":
        refused = attempt(lambda: _set_wish(ask, circuit, wanted))
        if not refused:
            return redirect(f"/console/meters/{circuit.meter_id}?circuit={circuit.pk}#relay")
        fields = kept(fields, ask.request.POST)
    title = {
        Wish.AUTOMATIC: _("Back to automatic: %s"),
        Wish.KEEP_ON: _("Keep on: %s"),
        Wish.TRIP: _("Trip: %s"),
    }[wanted] % f"{row.room} {row.room_name}".strip()
    effect, dangerous = follows(row, wanted, ask.at, ask.zone)
    return ask.page(
        "ui/relay.html",
        {
            "title": title,
            "fields": fields,
            "wanted": wanted.value,
            "row": row,
            "effect": effect,
            "dangerous": dangerous,
            "badges": badges_of(row),
            "refused": refused,
            "submit": sure(wanted, row),
            "back": f"/console/meters/{circuit.meter_id}?circuit={circuit.pk}",
            "risk": dangerous or wanted is Wish.TRIP,
            "request_key": ask.request.POST.get("request_key") or secrets.token_urlsafe(24),
            "balance": formats.credit(row.balance, row.credit_unit, row.exponent),
            "unit": formats.credit_unit_word(row.credit_unit),
        },
        status=422 if refused else 200,
    )


@require_safe
@console()
def relay_state(ask: Ask, circuit_id: int) -> HttpResponse:
    """What is wanted and what is seen, asked again until both agree."""
    _circuit, row = circuit_or_404(ask, circuit_id)
    return ask.page("ui/parts/relay_state.html", {"board": row})


def _set_wish(ask: Ask, circuit: Circuit, wanted: Wish) -> None:
    form = ask.request.POST
    until = moment(form, "until", ask.zone) if wanted is Wish.KEEP_ON else None
    key = text(form, "request_key", 64)
    wishes.set_wish(
        circuit,
        wanted,
        reason=reason(form),
        until=until,
        actor=ask.actor,
        request_key=f"{ask.operator.pk}:{key or secrets.token_urlsafe(12)}",
        at=ask.at,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.TAG))
def tag(ask: Ask, circuit_id: int) -> HttpResponse:
    """Hang a maintenance tag: while it hangs, nothing closes this relay."""
    circuit, row = circuit_or_404(ask, circuit_id)
    fields = [
        Field(name="name", label=_("Who works there"), value=ask.operator.name, required=True, most=64),
        Field(
            name="until",
            label=_("Until"),
            kind="datetime-local",
            value=local(ask.at + TAG_AT_FIRST, ask.zone),
            required=True,
        ),
        Field(name="reason", label=_("What for"), required=True, most=255),
    ]
    refused = None
    if ask.request.method == "POST":
        refused = attempt(lambda: _hang(ask, circuit))
        if not refused:
            return redirect(f"/console/meters/{circuit.meter_id}?circuit={circuit.pk}#relay")
        fields = kept(fields, ask.request.POST)
    return form_page(
        ask,
        title=_("Maintenance tag: %s") % f"{row.room} {row.room_name}".strip(),
        fields=fields,
        submit=_("Hang the tag"),
        back=f"/console/meters/{circuit.meter_id}?circuit={circuit.pk}",
        crumb=_("Meter %s") % circuit.meter.number,
        refused=refused,
        says=_(
            "While the tag hangs, no command of ours closes this relay, and a purchase only fills the meter. The "
            "tag itself does not cut supply."
        ),
    )


def _hang(ask: Ask, circuit: Circuit) -> None:
    until = moment(ask.request.POST, "until", ask.zone)
    name = text(ask.request.POST, "name", 64)
    if until is None or not name:
        raise Refused("choice_needed")
    wishes.hang_tag(circuit, name=name, reason=reason(ask.request.POST), until=until, actor=ask.actor, at=ask.at)


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.TAG))
def untag(ask: Ask, circuit_id: int) -> HttpResponse:
    """Take the tag off; says first what may happen to the supply then."""
    circuit, row = circuit_or_404(ask, circuit_id)
    refused = None
    if ask.request.method == "POST":
        refused = attempt(lambda: wishes.remove_tag(circuit, actor=ask.actor, at=ask.at))
        if not refused:
            return redirect(f"/console/meters/{circuit.meter_id}?circuit={circuit.pk}#relay")
    warn = ""
    if row.relay == 0:
        warn = _(
            "The relay is open now. With the tag off, it may close at any time: by a command, a purchase, or the "
            "meter itself. Make sure that nobody works there."
        )
    return form_page(
        ask,
        title=_("Take the tag off: %s") % f"{row.room} {row.room_name}".strip(),
        fields=[],
        risk=row.relay == 0,
        submit=_("Take it off"),
        back=f"/console/meters/{circuit.meter_id}?circuit={circuit.pk}",
        crumb=_("Meter %s") % circuit.meter.number,
        refused=refused,
        warn=warn,
        says=_("The tag is of %(name)s until %(until)s.")
        % {
            "name": row.tag or formats.DASH,
            "until": formats.when(row.tag_until, ask.at, ask.zone) if row.tag_until else formats.DASH,
        },
    )


urlpatterns = [
    path("circuits/<int:circuit_id>/read", read, name="circuit-read"),
    path("circuits/<int:circuit_id>/relay", relay, name="circuit-relay"),
    path("circuits/<int:circuit_id>/relay-state", relay_state, name="circuit-relay-state"),
    path("circuits/<int:circuit_id>/tag", tag, name="circuit-tag"),
    path("circuits/<int:circuit_id>/untag", untag, name="circuit-untag"),
    path("reads", read_many, name="read-many"),
    path("reads/<int:first>-<int:last>", reads, name="reads"),
    path("reads/<int:first>-<int:last>/one", read_one, name="read-one"),
]
