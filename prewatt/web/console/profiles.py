"""Meter models (表型档案): those that come with the product and the site's own, each register with its source."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path, register_converter
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.own import name_of, parted
from prewatt.core.refusals import Refused
from prewatt.office.changes.profiles import move_to
from prewatt.office.estate.models import Meter, ProfileVersion
from prewatt.office.estate.profiles import offered, site_profiles, text_of, users, versions
from prewatt.office.estate.scope import visible_to
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.web.console.lists import number
from prewatt.web.console.meters_words import names_of
from prewatt.web.console.profiles_places import place_words
from prewatt.web.console.profiles_words import plate_words, register_words
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import reason, roles_of, say
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

PATH = "/console/meters/models"
MOST_METERS = 500  # listed to be moved at once; a larger site moves them a line at a time


class ModelName:
    """A model in an address: `code`, or `code@version` of the site's own."""

    regex = r"[a-z0-9-]{1,40}(?:@[0-9]{1,4})?"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(ModelName, "model")


@dataclass(frozen=True, kw_only=True)
class ModelLine:
    name: str
    profile: Profile
    meters: int
    assumed: int  # registers of no public document
    own: bool


def profile_or_404(ask: Ask, name: str) -> Profile:
    found = site_profiles(ask.site.id).get(name)
    if found is None:
        raise Http404
    return found


def _line(name: str, profile: Profile, meters: Counter[str]) -> ModelLine:
    place = parted(name)
    count = (
        meters[name] if place is None
        else sum(many for each, many in meters.items() if (parted(each) or ("", 0))[0] == place[0])
    )  # fmt: skip
    return ModelLine(
        name=name, profile=profile, meters=count, own=place is not None,
        assumed=sum(each.assumed for each in profile.registers.values()),
    )  # fmt: skip


@require_safe
@console()
def page(ask: Ask) -> HttpResponse:
    """Every model that a meter of this site can have."""
    rows = visible_to(ask.operator, Meter).filter(site_id=ask.site.id, removed_at=None)
    meters = Counter(rows.values_list("profile", flat=True))
    lines = [_line(name, profile, meters) for name, profile in offered(ask.site.id).items()]
    context = {
        "own": [each for each in lines if each.own],
        "shipped": [each for each in lines if not each.own],
        "can": may(ask.operator.role, Act.ESTATE),
    }
    return ask.page("models/list.html", context)


@require_safe
@console()
def one(ask: Ask, name: str) -> HttpResponse:
    """One model: what is where, by which source, and who has it."""
    profile = profile_or_404(ask, name)
    place = parted(name)
    history = list(versions(ask.site.id, place[0])) if place is not None else []
    meters = visible_to(ask.operator, Meter).filter(pk__in=users(name, ask.site.id).values("pk")).order_by("number")
    context = {
        "name": name,
        "profile": profile,
        "registers": register_words(profile),
        "places": place_words(profile),
        "plate": plate_words(profile),
        "history": [_version(ask, each, history) for each in history],
        "row": next((each for each in history if place is not None and each.version == place[1]), None),
        "meters": list(meters[:MOST_METERS]),
        "meter_count": meters.count(),
        "text": text_of(name, ask.site.id),
        "can": may(ask.operator.role, Act.ESTATE),
    }
    return ask.page("models/one.html", context)


def _version(ask: Ask, row: ProfileVersion, history: list[ProfileVersion]) -> dict[str, object]:
    names = names_of([each.actor for each in history])
    return {
        "name": name_of(row.code, row.version),
        "note": row.note,
        "based_on": row.based_on,
        "who": names.get(row.actor, row.actor),
        "at": formats.when(row.created_at, ask.at, ask.zone),
        "meters": users(name_of(row.code, row.version), ask.site.id).count(),
        "everywhere": row.site_id is None,
    }


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What came of one meter. `refused` and `code` are empty where it was moved."""

    number: str
    meter_id: int
    refused: str
    code: str


def _others(ask: Ask, name: str) -> QuerySet[Meter]:
    """Meters that could have this model."""
    rows = visible_to(ask.operator, Meter).filter(site_id=ask.site.id, removed_at=None).exclude(profile=name)
    return rows.select_related("line__gateway").order_by("number")


def _now(ask: Ask, name: str, standing: Counter[str]) -> str:
    """Which model the listed meters have now: as asked, else an older version, else what it was copied from."""
    if "now" in ask.request.GET:
        return ask.request.GET["now"] if ask.request.GET["now"] in standing else ""
    place = parted(name)
    history = list(versions(ask.site.id, place[0])) if place is not None else []
    likely = [name_of(each.code, each.version) for each in history] + [each.based_on for each in history]
    return next((each for each in likely if each in standing), "")


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def use(ask: Ask, name: str) -> HttpResponse:
    """Give meters this model. Each is an act of its own: one that is refused keeps what it has."""
    profile, chosen = profile_or_404(ask, name), _chosen(ask.request.POST)
    moved: list[Moved] = []
    refused: dict[str, str] | None = None
    if ask.request.method == "POST":
        try:
            kept = reason(ask.request.POST)
            wanted = list(_others(ask, name).filter(pk__in=chosen))
            if not wanted:
                raise Refused("choice_needed")
            moved = [_move(ask, each, name, kept) for each in wanted]
        except Refused as no:
            refused = {"said": say(no), "code": no.code}
        if moved and not any(each.code for each in moved):
            told(ask, _("Done. The head-end reads them so from now on; the trail says who asked for it."))
            return redirect(f"{PATH}/{name}")
    standing = Counter(_others(ask, name).values_list("profile", flat=True))
    now = _now(ask, name, standing)
    meters = list((_others(ask, name).filter(profile=now) if now else _others(ask, name))[:MOST_METERS])
    context = {
        "name": name, "profile": profile, "meters": meters, "moved": moved, "refused": refused, "now": now,
        "standing": [("", standing.total()), *sorted(standing.items())],
        "profiles": site_profiles(ask.site.id), "reason": ask.request.POST.get("reason", ""),
        "full": len(meters) == MOST_METERS, "most": MOST_METERS,
        "chosen": chosen,
    }  # fmt: skip
    return ask.page("models/use.html", context, status=422 if refused or moved else 200)


def _chosen(form: QueryDict) -> set[int]:
    ids = (number(each) for each in form.getlist("meter")[:MOST_METERS])
    return {each for each in ids if each is not None}


def _move(ask: Ask, meter: Meter, name: str, kept: str) -> Moved:
    said, code = "", ""
    try:
        move_to(meter, name, reason=kept, actor=of_operator(ask.operator), at=ask.at)
    except Refused as no:
        said, code = say(no), no.code
    return Moved(number=meter.number, meter_id=meter.pk, refused=said, code=code)


def suggested(name: str) -> str:
    """A code for a copy: that of an own model stays, a shipped one gets a tail."""
    place = parted(name)
    assert place is not None or name in catalogue(), name
    return place[0] if place is not None else f"{name[:36]}-own"


urlpatterns = [
    path("meters/models", page, name="models"),
    path("meters/models/<model:name>", one, name="model"),
    path("meters/models/<model:name>/use", use, name="model-use"),
]
