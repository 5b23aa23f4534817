"""A meter model of one's own: copied from another, changed, tried against a meter, saved as a version.

The draft lives in the form, and with the job that tries it: nothing is kept on the server that is not sound.
"""

import secrets
from typing import Final

from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.core.meters import Profile
from prewatt.core.meters.jobs import Intent
from prewatt.core.meters.own import check_own, line_of, name_of, parted
from prewatt.core.meters.profile import MAX_TEXT
from prewatt.core.refusals import Refused, Text, register
from prewatt.office.estate.models import Circuit, Company, Meter, Site
from prewatt.office.estate.profiles import save_version, text_of, users, versions
from prewatt.office.estate.scope import visible_to, wholly_held
from prewatt.office.metering import jobs
from prewatt.office.metering.models import JobRow
from prewatt.office.reports import meters as report
from prewatt.office.reports.meters import MeterFilters, MeterRow
from prewatt.office.staff.roles import Act
from prewatt.web.console.profiles import PATH, profile_or_404, suggested
from prewatt.web.console.profiles_words import differences, excerpt, register_words
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import roles_of, say, text, whole
from prewatt.web.console.tries import result_of
from prewatt.web.console.views_base import Ask, console

register(
    {
        "profile_try_where": Text(
            en="No meter {number} with a circuit {circuit} on a line is at this site. Nothing was asked.",
            zh="本项目没有在线表 {number} 的第 {circuit} 回路。什么都没有问。",
        ),
    }
)
LISTED: Final = 50  # meters suggested to be tried


def typed(value: str) -> str:
    """A text as a browser sends it: with line ends of its own. One character too many is enough to be refused."""
    lines = value[: MAX_TEXT + 1].replace("\r\n", "\n").replace("\r", "\n").rstrip()
    return f"{lines}\n" if lines else ""


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def edit(ask: Ask, name: str) -> HttpResponse:
    """The text of a model, to be changed. `act` of the form: check, try, save."""
    profile_or_404(ask, name)
    form = ask.request.POST
    if ask.request.method != "POST":
        return _page(ask, name, _copy(ask, name))
    draft, act = typed(form.get("text", "")), form.get("act", "check")
    try:
        if act == "try":
            return redirect(f"{PATH}/{name}/tries/{_try(ask, draft)}")
        if act == "save":
            return redirect(f"{PATH}/{_save(ask, name, draft)}")
        check_own(draft)
    except Refused as refused:
        return _page(ask, name, draft, refused=refused)
    return _page(ask, name, draft, checked=True)


def _copy(ask: Ask, name: str) -> str:
    """The text to begin with; a copy of a shipped model gets a code of its own."""
    found = text_of(name, ask.site.id)
    return found.replace(f'code = "{name}"', f'code = "{suggested(name)}"', 1) if parted(name) is None else found


def _try(ask: Ask, draft: str) -> int:
    """Ask one circuit of one meter all that the draft would ask; the job."""
    number, index = text(ask.request.POST, "meter", 20), whole(ask.request.POST, "circuit", 1)
    found = visible_to(ask.operator, Circuit).filter(
        site_id=ask.site.id, meter__number=number, meter__removed_at=None, meter__line__isnull=False, index=index
    )
    circuit = found.first()
    check_own(draft)  # what is wrong with the text is said first
    if circuit is None:
        raise Refused("profile_try_where", number=number, circuit=index)
    with transaction.atomic():
        return jobs.try_it(
            circuit_id=circuit.pk, index=index, request_key=secrets.token_urlsafe(12), at=ask.at, actor=ask.actor,
            draft=draft,
        )  # fmt: skip


def _save(ask: Ask, name: str, draft: str) -> str:
    row = save_version(
        visible_to(ask.operator, Site).get(pk=ask.site.id), text=draft, based_on=name,
        note=ask.request.POST.get("note", ""), everywhere=ask.request.POST.get("everywhere") == "1", actor=ask.actor,
        at=ask.at, holds_company=_holds_company(ask),
    )  # fmt: skip
    told(ask, _("Saved. No meter has it yet."))
    return name_of(row.code, row.version)


def _holds_company(ask: Ask) -> bool:
    return wholly_held(ask.operator, Company).filter(site__pk=ask.site.id).exists()


@require_safe
@console(roles=roles_of(Act.ESTATE))
def tried(ask: Ask, name: str, job_id: int) -> HttpResponse:
    """The draft with what a meter answered to it; the part of the page asks again until it is there."""
    profile_or_404(ask, name)
    job = JobRow.objects.filter(pk=job_id, intent=Intent.TRY.value, site_id=ask.site.id).first()
    circuit = visible_to(ask.operator, Circuit).filter(pk=job.circuit_id).first() if job else None
    draft = str(job.payload.get("draft", "")) if job is not None else ""
    if job is None or circuit is None or not draft:
        raise Http404
    meter = Meter.objects.select_related("line__gateway").get(pk=circuit.meter_id)
    rows = report.meters(ask.operator.pk, ask.site.id, MeterFilters(), meter_id=meter.pk, most=64)
    row = next((each for each in rows if each.circuit_id == circuit.pk), None)
    if row is None:
        raise Http404
    context = {
        "meter": meter, "row": row, "again": f"{PATH}/{name}/tries/{job.pk}", **result_of(ask, job, meter, row),
    }  # fmt: skip
    if ask.partial:
        return ask.page("ui/parts/try_result.html", context)
    return _page(ask, name, draft, checked=True, tried_on=row, more=context)


def _page(
    ask: Ask, name: str, draft: str, *, refused: Refused | None = None, checked: bool = False,
    tried_on: MeterRow | None = None, more: dict[str, object] | None = None,
) -> HttpResponse:  # fmt: skip
    form = ask.request.POST
    sound = _sound(draft)
    line = line_of(draft, refused) if refused is not None else None
    parent = text_of(name, ask.site.id)
    code = sound.code if sound is not None else suggested(name)
    context = {
        "name": name,
        "profile": profile_or_404(ask, name),
        "draft": draft,
        "rows": min(40, max(16, draft.count("\n") + 2)),
        "most": MAX_TEXT,
        "sound": sound,
        "registers": register_words(sound) if sound is not None else [],
        "diff": differences(parent, draft),
        "refused": {"said": say(refused), "code": refused.code} if refused is not None else None,
        "line": line,
        "excerpt": excerpt(draft, line) if line is not None else [],
        "checked": checked,
        "note": form.get("note", ""),
        "everywhere": form.get("everywhere") == "1",
        "may_share": _holds_company(ask) and not versions(ask.site.id, code).exists(),
        "number": form.get("meter", "") or (tried_on.number if tried_on is not None else ""),
        "circuit": form.get("circuit", "") or (str(tried_on.index) if tried_on is not None else "1"),
        "numbers": _numbers(ask, name),
        "language": get_language(),
        **(more or {}),
    }
    return ask.page("models/edit.html", context, status=422 if refused is not None else 200)


def _sound(draft: str) -> Profile | None:
    try:
        return check_own(draft)
    except Refused:
        return None


def _numbers(ask: Ask, name: str) -> list[str]:
    """Meters to try it on: those that have the model it was copied from, then any."""
    online = visible_to(ask.operator, Meter).filter(site_id=ask.site.id, removed_at=None, line__isnull=False)
    same = list(online.filter(pk__in=users(name, ask.site.id).values("pk")).values_list("number", flat=True)[:LISTED])
    others = online.exclude(number__in=same).order_by("number").values_list("number", flat=True)
    return [*same, *others[: LISTED - len(same)]]


urlpatterns = [
    path("meters/models/<model:name>/edit", edit, name="model-edit"),
    path("meters/models/<model:name>/tries/<int:job_id>", tried, name="model-tried"),
]
