"""Operators and API keys: who may do what, where. An administrator acts only on those inside what he himself holds."""

from datetime import datetime

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Building, Company, Site
from prewatt.office.estate.scope import wholly_held, within
from prewatt.office.staff import guard, keys, second_factor, sessions
from prewatt.office.staff import operators as staff
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.audit import trail_of
from prewatt.office.staff.models import ApiKey, Operator, Role, Scope
from prewatt.office.staff.roles import Act
from prewatt.office.vending.models import Till
from prewatt.web.console.lists import number
from prewatt.web.console.safety import session_rows
from prewatt.web.console.settings import PATH, settings_page, told
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, pick, reason, roles_of, text
from prewatt.web.console.trail_words import trail_lines
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats
from prewatt.web.ui.states import ROLES

OPERATORS_MOST = 500  # on the page; a larger house is asked for a search then
DUTIES = {
    "cashier": _lazy("sells, opens contracts, hands over shifts"),
    "manager": _lazy("also returns, refunds, closes, prices, relays, the trail"),
    "finance": _lazy("reads the books, refunds, the trail"),
    "electrician": _lazy("meters, lines, relays, tags; no money"),
    "administrator": _lazy("operators, places, prices; no selling"),
}


def operators_of(ask: Ask) -> list[Operator]:
    """Those he may act on: everything they see lies inside what he holds."""
    every = Operator.objects.prefetch_related("scopes").order_by("-is_active", "name")[:OPERATORS_MOST]
    return [each for each in every if within(ask.operator, each)]


def operator_or_404(ask: Ask, operator_id: int) -> Operator:
    found: Operator | None = Operator.objects.filter(pk=operator_id).first()
    if found is None or not within(ask.operator, found):
        raise Http404
    return found


def scope_words(scope: Scope) -> str:
    """What a scope opens, by name."""
    if scope.company_id is not None:
        return _("company %s") % Company.objects.get(pk=scope.company_id).name
    if scope.site_id is not None:
        return _("site %s") % Site.objects.get(pk=scope.site_id).name
    house = Building.objects.select_related("site").get(pk=scope.building_id or 0)
    return _("building %(site)s %(name)s") % {"site": house.site.name, "name": house.name}


@require_safe
@console(roles=roles_of(Act.OPERATORS))
def page(ask: Ask) -> HttpResponse:
    rows = [
        (
            each,
            ROLES.get(each.role, each.role),
            [scope_words(scope) for scope in each.scopes.all()],
            formats.when(each.last_login, ask.at, ask.zone) if each.last_login else _("never"),
        )
        for each in operators_of(ask)
    ]
    return settings_page(ask, "ui/settings_operators.html", {"rows": rows})


def _roles() -> list[tuple[str, str, str]]:
    return [(role.value, str(ROLES[role.value]), str(DUTIES[role.value])) for role in Role]


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.OPERATORS))
def new(ask: Ask) -> HttpResponse:
    """Enter an operator with the first of what he may see; more is given on his page."""
    fields = [
        Field(name="username", label=_("User name"), required=True, most=64, hint=_("a-z, 0-9, dot, dash, underscore")),
        Field(name="name", label=_("Name"), required=True, most=64),
        Field(name="role", label=_("Role"), kind="radio", options=_roles(), value="cashier", required=True),
        Field(
            name="password",
            label=_("First password"),
            kind="password",
            required=True,
            most=128,
            hint=_("%d characters or more.") % staff.MIN_PASSWORD,
        ),
        Field(name="scope", label=_("May see"), kind="select", options=_scopes_to_give(ask), required=True),
    ]
    form, refused = ask.request.POST, None
    if ask.request.method == "POST":
        made: list[Operator] = []
        refused = attempt(
            lambda: made.append(
                staff.add_with_scope(
                    username=text(form, "username", 64),
                    name=text(form, "name", 64),
                    role=text(form, "role", 16),
                    password=form.get("password", ""),
                    scope=_scope(ask, form.get("scope", "")),
                    actor=of_operator(ask.operator),
                    at=ask.at,
                )
            )
        )
        if not refused:
            told(ask, _("Entered. At the first log-in he chooses a password of his own."))
            return redirect(f"{PATH}/operators/{made[0].pk}")
        fields = kept(fields, form)
    return form_page(
        ask,
        title=_("Enter an operator"),
        fields=fields,
        submit=_("Save"),
        back=f"{PATH}/operators",
        crumb=_("Operators"),
        refused=refused,
    )


def _scopes_to_give(ask: Ask) -> list[tuple[str, str, str]]:
    """What he holds wholly, and may therefore give."""
    given = [(f"company:{each.pk}", each.name, _("company")) for each in wholly_held(ask.operator, Company)]
    given += [(f"site:{each.pk}", each.name, _("site")) for each in wholly_held(ask.operator, Site)]
    houses = wholly_held(ask.operator, Building).select_related("site").order_by("site_id", "sort", "code")
    return given + [(f"building:{each.pk}", f"{each.site.name} {each.name}", _("building")) for each in houses]


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.OPERATORS))
def operator(ask: Ask, operator_id: int) -> HttpResponse:
    """One operator: role, scopes, password, end. Each form names its act in `what`."""
    one = operator_or_404(ask, operator_id)
    refused: dict[str, str] | None = None
    if ask.request.method == "POST":
        refused = attempt(lambda: _carry_out(ask, one))
        if not refused:
            told(ask, _("Saved. It holds from the next page he asks for."))
            return redirect(f"{PATH}/operators/{one.pk}")
        one.refresh_from_db()
    why = Field(name="reason", label=_("Reason"), required=True, most=255)
    context: dict[str, object] = {
        "one": one,
        "role": ROLES.get(one.role, one.role),
        "himself": one.pk == ask.operator.pk,
        "refused": refused,
        "scopes": [(scope, scope_words(scope)) for scope in one.scopes.all()],
        "role_fields": [Field(name="role", label=_("Role"), kind="radio", options=_roles(), value=one.role), why],
        "scope_fields": [
            Field(name="scope", label=_("May see"), kind="select", options=_scopes_to_give(ask), required=True)
        ],
        "password_fields": [
            Field(
                name="password",
                label=_("New password"),
                kind="password",
                required=True,
                most=128,
                hint=_("%d characters or more.") % staff.MIN_PASSWORD,
            )
        ],
        "rows": session_rows(ask, one),
        "factor": second_factor.is_on(one),
        "factor_needed": second_factor.required(one.role, by_company=ask.site.second_factor),
        "trail": trail_lines(list(trail_of("operator", str(one.pk))[:10]), ask),
    }
    return settings_page(ask, "ui/settings_operator.html", context, status=422 if refused else 200)


def _carry_out(ask: Ask, one: Operator) -> None:
    form, actor = ask.request.POST, of_operator(ask.operator)
    match form.get("what", ""):
        case "role":
            staff.change_role(one, text(form, "role", 16), actor=actor, at=ask.at, reason=reason(form))
        case "end":
            staff.set_active(one, False, actor=actor, at=ask.at, reason=reason(form))
        case "let_in":
            staff.set_active(one, True, actor=actor, at=ask.at, reason=text(form, "reason", 255))
        case "password":
            staff.set_password(one, form.get("password", ""), actor=actor, at=ask.at)
        case "session":
            sessions.end(number(form.get("session", "")) or 0, operator=one, actor=actor, at=ask.at)
        case "factor_off":
            second_factor.take_off(one, actor=actor, at=ask.at)
        case "forgive":
            guard.forgive(one.username, actor=actor, at=ask.at)
        case "give":
            _give(ask, one, form.get("scope", ""))
        case "take":
            staff.take_scope(one, number(form.get("scope", "")) or 0, actor=actor, at=ask.at)
        case _:
            raise Refused("choice_needed")


def _give(ask: Ask, one: Operator, wanted: str) -> None:
    staff.give_scope(one, **_scope(ask, wanted), actor=of_operator(ask.operator), at=ask.at)


def _scope(ask: Ask, wanted: str) -> dict[str, int | None]:
    """What `give_scope` takes, of a choice among `_scopes_to_give`. Raises Refused `scope_malformed`."""
    if wanted not in {value for value, _label, _kind in _scopes_to_give(ask)}:
        raise Refused("scope_malformed")
    kind, _colon, pk = wanted.partition(":")
    return {"company_id": None, "site_id": None, "building_id": None} | {f"{kind}_id": int(pk)}


# ---------------------------------------------------------------- API keys


def _keys_of(ask: Ask) -> list[ApiKey]:
    mine = {each.pk for each in operators_of(ask)}
    return list(
        ApiKey.objects.select_related("operator").filter(operator_id__in=mine).order_by("ended_at", "-pk")[:200]
    )


def _shown(key: ApiKey, tills: dict[int, str], at: datetime) -> dict[str, object]:
    return {
        "key": key,
        "till": tills.get(key.till_id or 0, formats.DASH),
        "ended": key.ended_at is not None and key.ended_at <= at,
    }


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.OPERATORS))
def keys_page(ask: Ask) -> HttpResponse:
    """The keys; making one shows its secret once, on the answer itself and nowhere else."""
    people = [each for each in operators_of(ask) if each.is_active]
    tills = list(Till.objects.filter(site_id=ask.site.id).order_by("code"))
    fields = [
        Field(name="name", label=_("Name"), required=True, most=64, hint=_("Who uses it.")),
        Field(
            name="operator",
            label=_("Acts as"),
            kind="select",
            required=True,
            options=[(str(each.pk), each.name, str(ROLES.get(each.role, each.role))) for each in people],
        ),
        Field(
            name="till",
            label=_("Sells on till"),
            kind="select",
            options=[
                ("", _("sells nothing"), ""),
                *((str(each.pk), f"{each.code} {each.name}", "") for each in tills if not each.needs_shift),
            ],
        ),
    ]
    secret, refused, form = "", None, ask.request.POST
    if ask.request.method == "POST":
        made: list[keys.MadeKey] = []

        def act() -> None:
            till_id = number(form.get("till", ""))
            till: Till | None = pick([each for each in tills if not each.needs_shift], till_id) if till_id else None
            acts_as: Operator = pick(people, number(form.get("operator", "")))
            made.append(
                keys.make(
                    name=text(form, "name", 64),
                    operator=acts_as,
                    till_id=till.pk if till else None,
                    actor=of_operator(ask.operator),
                    at=ask.at,
                )
            )

        refused = attempt(act)
        secret = made[0].secret if made else ""
        fields = kept(fields, form) if refused else fields
    context: dict[str, object] = {
        "rows": [
            _shown(each, {till.pk: f"{till.code} {till.name}" for till in tills}, ask.at) for each in _keys_of(ask)
        ],
        "fields": fields,
        "refused": refused,
        "secret": secret,
    }
    return settings_page(ask, "ui/settings_keys.html", context, status=422 if refused else 200)


@require_POST
@console(roles=roles_of(Act.OPERATORS))
def end_key(ask: Ask, key_id: int) -> HttpResponse:
    """The key opens nothing from now on."""
    found = next((each for each in _keys_of(ask) if each.pk == key_id), None)
    if found is None:
        raise Http404
    keys.end(found, actor=of_operator(ask.operator), at=ask.at)
    told(ask, _("The key %s was ended. It opens nothing from now on.") % found.name)
    return redirect(f"{PATH}/keys")


urlpatterns = [
    path("settings/operators", page, name="settings-operators"),
    path("settings/operators/new", new, name="operator-new"),
    path("settings/operators/<int:operator_id>", operator, name="operator"),
    path("settings/keys", keys_page, name="settings-keys"),
    path("settings/keys/<int:key_id>/end", end_key, name="key-end"),
]
