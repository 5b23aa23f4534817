"""Settings: the sub-menu by role, buildings and rooms, tills and sale limits, one's own password."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.core.refusals import Refused, Text, register
from prewatt.core.units import currency, format_amount, parse_amount
from prewatt.office.estate import places
from prewatt.office.estate.models import Building, Room, Site
from prewatt.office.estate.scope import visible_to
from prewatt.office.staff import operators as staff
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending import limits, shifts
from prewatt.office.vending.models import Till
from prewatt.web.console import menu, presence
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, roles_of, text, whole
from prewatt.web.console.views_base import Ask, console

PATH = "/console/settings"
ROOMS_MOST = 2000  # on one page of a building
menu.add(menu.MenuEntry(place=80, url=PATH, label=_lazy("Settings"), icon="settings", key="t"))
register(
    {
        "password_wrong": Text(
            en="The present password is not right. Nothing was changed.", zh="当前密码不对。什么都没有改。"
        ),
        "passwords_differ": Text(
            en="The new password was typed differently twice. Nothing was changed.",
            zh="两次输入的新密码不一样。什么都没有改。",
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Sub:
    """One line of the settings' own menu, for who may do one of `acts`, or with `every` all; none: everybody."""

    url: str
    label: str | Promise
    acts: tuple[Act, ...] = ()
    every: bool = False

    def open_to(self, role: str) -> bool:
        allowed = [may(role, act) for act in self.acts]
        return not allowed or (all(allowed) if self.every else any(allowed))


SUBS = (
    Sub(url=f"{PATH}/plans", label=_lazy("Plans and prices"), acts=(Act.PLANS,)),
    Sub(url=f"{PATH}/places", label=_lazy("Buildings and rooms"), acts=(Act.ESTATE,)),
    Sub(url=f"{PATH}/companies", label=_lazy("Companies and sites"), acts=(Act.OPERATORS,)),
    Sub(url=f"{PATH}/import", label=_lazy("Import"), acts=(Act.ESTATE, Act.PLANS), every=True),
    Sub(url=f"{PATH}/sales", label=_lazy("Tills and limits"), acts=(Act.LIMITS, Act.OPERATORS)),
    Sub(url=f"{PATH}/operators", label=_lazy("Operators"), acts=(Act.OPERATORS,)),
    Sub(url=f"{PATH}/keys", label=_lazy("API keys"), acts=(Act.OPERATORS,)),
    Sub(url=f"{PATH}/trail", label=_lazy("Audit trail"), acts=(Act.TRAIL,)),
    Sub(url=f"{PATH}/password", label=_lazy("My password")),
    Sub(url=f"{PATH}/second-factor", label=_lazy("Second factor")),
    Sub(url=f"{PATH}/sessions", label=_lazy("My sessions")),
)


def subs_for(ask: Ask) -> list[Sub]:
    return [sub for sub in SUBS if sub.open_to(ask.operator.role)]


def settings_page(ask: Ask, template: str, context: dict[str, object], status: int = 200) -> HttpResponse:
    """A page of the settings, with their menu beside it."""
    here = ask.request.path
    subs = [(sub.url, sub.label, here == sub.url or here.startswith(f"{sub.url}/")) for sub in subs_for(ask)]
    return ask.page(template, {"subs": subs, **context}, status=status)


def told(ask: Ask, what: str) -> None:
    """Say on the next page what was done."""
    messages.add_message(ask.request, messages.SUCCESS, what, extra_tags="info")


@require_safe
@console()
def index(ask: Ask) -> HttpResponse:
    return redirect(subs_for(ask)[0].url)


# ---------------------------------------------------------------- buildings and rooms


@require_safe
@console(roles=roles_of(Act.ESTATE))
def places_page(ask: Ask) -> HttpResponse:
    """Buildings of the site with their rooms counted; one of them opened by `?building=`."""
    buildings = visible_to(ask.operator, Building).filter(site_id=ask.site.id).order_by("sort", "code")
    wanted = ask.request.GET.get("building", "")
    chosen = next((each for each in buildings if str(each.pk) == wanted), None)
    rooms: Iterable[Room] = []
    if chosen is not None:
        rooms = visible_to(ask.operator, Room).filter(building=chosen).order_by("-floor", "code")[:ROOMS_MOST]
    counts = {each.pk: each.room_set.count() for each in buildings}
    context: dict[str, object] = {
        "buildings": [(each, counts[each.pk]) for each in buildings],
        "chosen": chosen,
        "rooms": list(rooms),
        "site": visible_to(ask.operator, Site).select_related("company").get(pk=ask.site.id),
    }
    return settings_page(ask, "ui/settings_places.html", context)


def _building_or_404(ask: Ask, building_id: int) -> Building:
    found = visible_to(ask.operator, Building).filter(pk=building_id, site_id=ask.site.id).first()
    if found is None:
        raise Http404
    return found


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def building(ask: Ask, building_id: int | None = None) -> HttpResponse:
    """Enter a building, or change its name and order."""
    one = _building_or_404(ask, building_id) if building_id is not None else None
    fields = [
        Field(name="name", label=_("Name"), value=one.name if one else "", required=True, most=64),
        Field(
            name="sort",
            label=_("Order"),
            kind="number",
            value=str(one.sort) if one else "0",
            most=4,
            hint=_("Lower stands first on the board."),
        ),
    ]
    if one is None:
        fields.insert(0, Field(name="code", label=_("Code"), required=True, most=16))
    form, refused = ask.request.POST, None
    if ask.request.method == "POST":

        def act() -> None:
            name, sort = text(form, "name", 64), whole(form, "sort", 0)
            if one is None:
                site = visible_to(ask.operator, Site).get(pk=ask.site.id)
                places.add_building(site, code=text(form, "code", 16), name=name, sort=sort, actor=ask.actor, at=ask.at)
            else:
                places.edit_building(one, name=name, sort=sort, actor=ask.actor, at=ask.at)

        refused = attempt(act)
        if not refused:
            return redirect(f"{PATH}/places")
        fields = kept(fields, form)
    title = one.name if one else _("Enter a building")
    return form_page(
        ask,
        title=title,
        fields=fields,
        submit=_("Save"),
        back=f"{PATH}/places",
        crumb=_("Buildings and rooms"),
        refused=refused,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def room(ask: Ask, building_id: int | None = None, room_id: int | None = None) -> HttpResponse:
    """Enter a room of a building, or change one."""
    one = None
    if room_id is not None:
        one = (
            visible_to(ask.operator, Room)
            .select_related("building")
            .filter(pk=room_id, building__site_id=ask.site.id)
            .first()
        )
        if one is None:
            raise Http404
    house = one.building if one else _building_or_404(ask, building_id or 0)
    fields = _room_fields(one)
    form, refused = ask.request.POST, None
    if ask.request.method == "POST":

        def act() -> None:
            area = text(form, "area", 10)
            values = {
                "floor": whole(form, "floor"),
                "code": text(form, "code", 32),
                "name": text(form, "name", 64),
                # two decimals, as an amount of a currency with two: the same parsing, the same refusals
                "area_dm2": parse_amount(area, currency("CNY")) if area else None,
            }
            if one is None:
                places.add_room(house, **values, actor=ask.actor, at=ask.at)  # type: ignore[arg-type]
            else:
                places.edit_room(one, **values, actor=ask.actor, at=ask.at)  # type: ignore[arg-type]

        refused = attempt(act)
        if not refused:
            return redirect(f"{PATH}/places?building={house.pk}")
        fields = kept(fields, form)
    title = f"{house.name} {one.code}" if one else _("Enter a room in %s") % house.name
    return form_page(
        ask,
        title=title,
        fields=fields,
        submit=_("Save"),
        back=f"{PATH}/places?building={house.pk}",
        crumb=_("Buildings and rooms"),
        refused=refused,
    )


def _room_fields(one: Room | None) -> list[Field]:
    return [
        Field(
            name="code",
            label=_("Code"),
            value=one.code if one else "",
            required=True,
            most=32,
            hint=_("As on the door: A-112."),
        ),
        Field(
            name="floor",
            label=_("Floor"),
            kind="number",
            value=str(one.floor) if one else "1",
            required=True,
            most=3,
            hint=_("-1 is the first basement."),
        ),
        Field(name="name", label=_("Sign"), value=one.name if one else "", most=64),
        Field(
            name="area",
            label=_("Area, m²"),
            kind="decimal",
            most=10,
            value=_area(one.area_dm2) if one and one.area_dm2 is not None else "",
        ),
    ]


def _area(area_dm2: int) -> str:
    return f"{area_dm2 // 100}.{area_dm2 % 100:02d}"


# ---------------------------------------------------------------- tills and limits


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.LIMITS, Act.OPERATORS))
def sales_page(ask: Ask) -> HttpResponse:
    """The smallest and largest sale; the tills and what each prints next."""
    unit = currency(ask.site.currency)
    least, most = limits.limits_of(ask.site.id)
    fields = [
        Field(
            name="smallest",
            label=_("Smallest sale, %s") % unit.code,
            kind="decimal",
            required=True,
            value=format_amount(least, unit).replace(",", ""),
        ),
        Field(
            name="largest",
            label=_("Largest sale, %s") % unit.code,
            kind="decimal",
            required=True,
            value=format_amount(most, unit).replace(",", ""),
        ),
    ]
    till_fields = [
        Field(name="code", label=_("Code"), required=True, most=8, hint=_("Stands before each receipt number: W1.")),
        Field(name="name", label=_("Name"), required=True, most=32),
    ]
    form, refused, actor = ask.request.POST, None, of_operator(ask.operator)
    if ask.request.method == "POST" and form.get("what") == "till":
        refused = attempt(
            lambda: shifts.add_till(
                site_id=ask.site.id, code=text(form, "code", 8), name=text(form, "name", 32), actor=actor, at=ask.at
            )
        )
        till_fields = kept(till_fields, form) if refused else till_fields
    elif ask.request.method == "POST":
        refused = attempt(
            lambda: limits.set_limits(
                site_id=ask.site.id,
                smallest_minor=parse_amount(form.get("smallest", ""), unit),
                largest_minor=parse_amount(form.get("largest", ""), unit),
                actor=actor,
                at=ask.at,
            )
        )
        fields = kept(fields, form) if refused else fields
    if ask.request.method == "POST" and not refused:
        told(ask, _("Saved. It holds from now on."))
        return redirect(f"{PATH}/sales")
    context: dict[str, object] = {
        "fields": fields,
        "till_fields": till_fields,
        "refused": refused,
        "can_limits": may(ask.operator.role, Act.LIMITS),
        "can_tills": may(ask.operator.role, Act.OPERATORS),
        "tills": Till.objects.filter(site_id=ask.site.id).order_by("code"),
    }
    return settings_page(ask, "ui/settings_sales.html", context, status=422 if refused else 200)


# ---------------------------------------------------------------- one's own password


@require_http_methods(["GET", "HEAD", "POST"])
@console(first=True)
def password(ask: Ask) -> HttpResponse:
    """Everybody changes his own; the present one is asked for."""
    fields = [
        Field(name="present", label=_("Present password"), kind="password", required=True, most=128),
        Field(
            name="new",
            label=_("New password"),
            kind="password",
            required=True,
            most=128,
            hint=_("%d characters or more.") % staff.MIN_PASSWORD,
        ),
        Field(name="again", label=_("New password again"), kind="password", required=True, most=128),
    ]
    form, refused, must = ask.request.POST, None, ask.operator.must_change_password
    if ask.request.method == "POST":
        refused = attempt(lambda: _change_password(ask))
        if not refused:
            key = ask.request.session.session_key or ""
            update_session_auth_hash(ask.request, ask.operator)
            presence.renamed(ask.request, key)
            told(ask, _("Your password was changed. Other places where you were logged in are logged out."))
            return redirect("/console/" if must else f"{PATH}/password")
        fields = kept(fields, form)
    context: dict[str, object] = {"fields": fields, "refused": refused, "must": must}
    return settings_page(ask, "ui/settings_password.html", context, status=422 if refused else 200)


def _change_password(ask: Ask) -> None:
    form = ask.request.POST
    present, new = form.get("present", "")[:128], form.get("new", "")
    if not ask.operator.check_password(present):
        raise Refused("password_wrong")
    if new != form.get("again", ""):
        raise Refused("passwords_differ")
    here = ask.request.session.session_key or ""
    staff.set_password(ask.operator, new, actor=of_operator(ask.operator), at=ask.at, but_session=here)


urlpatterns = [
    path("settings", index, name="settings"),
    path("settings/places", places_page, name="settings-places"),
    path("settings/places/buildings/new", building, name="building-new"),
    path("settings/places/buildings/<int:building_id>", building, name="building-edit"),
    path("settings/places/buildings/<int:building_id>/rooms/new", room, name="room-new"),
    path("settings/places/rooms/<int:room_id>", room, name="room-edit"),
    path("settings/sales", sales_page, name="settings-sales"),
    path("settings/password", password, name="settings-password"),
]
