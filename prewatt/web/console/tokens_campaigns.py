"""Key-change campaigns: which there are, a new one, how far one is, and what it may do next."""

from datetime import timedelta
from typing import Final

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.refusals import Refused, Text, register
from prewatt.office.estate.models import Site
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act
from prewatt.office.tokens import campaigns, listings
from prewatt.office.tokens.campaigns import Selection
from prewatt.office.tokens.models import Campaign, CampaignMeter
from prewatt.web.console.meters import buildings_of
from prewatt.web.console.meters_words import names_of
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, pick, roles_of, say, text
from prewatt.web.console.tokens_parts import PATH, REASON_MOST, whole_site_or_404
from prewatt.web.console.tokens_words import (
    CAMPAIGN_STATES,
    KEY_TYPES,
    METER_STATES,
    code_words,
    key_option,
    key_words,
    newest_first,
)
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

HERE: Final = f"{PATH}/campaigns"
NUMBERS_MOST: Final = 5_000  # meters of a typed list
NUMBER_CHARS: Final = 20
SHOWN_MOST: Final = 5  # of unknown numbers in a refusal
LATELY: Final = timedelta(minutes=2)  # over which the rate is taken
State, MeterState = Campaign.State, CampaignMeter.State
STEPS: Final = {"start": "start", "pause": "pause", "end": "end"}

register(
    {
        "campaign_numbers_unknown": Text(
            en="{many} of the typed numbers are no STS meters of this site: {some}. Nothing was saved.",
            zh="输入的号码中有 {many} 个不是本站点的 STS 电表：{some}。什么都没有保存。",
        ),
        "campaign_numbers_many": Text(
            en="A typed list takes at most {most} meters. Nothing was saved. Choose by supply group or building.",
            zh="手工清单最多 {most} 块电表。什么都没有保存。请按供电组或楼栋选择。",
        ),
    }
)


def campaign_or_404(ask: Ask, campaign_id: int) -> Campaign:
    found = listings.campaign(whole_site_or_404(ask).pk, campaign_id)
    if found is None:
        raise Http404
    return found


@require_safe
@console(roles=roles_of(Act.TOKENS))
def page(ask: Ask) -> HttpResponse:
    site = whole_site_or_404(ask)
    rows = listings.campaigns(site.pk)
    lines = [
        {
            "row": each, "state": CAMPAIGN_STATES[each.state], "made": formats.when(each.made_at, ask.at, ask.zone),
            "key": key_words(each.new_key), "bars": bars(campaigns.progress(each).counts),
        }
        for each in rows
    ]  # fmt: skip
    return ask.page("tokens/campaigns.html", {"lines": lines})


def bars(counts: dict[str, int]) -> dict[str, int]:
    """Meters in all, with digits, and done: what a line of the list says."""
    total = sum(counts.values())
    done = sum(counts.get(each.value, 0) for each in (MeterState.ENTERED, MeterState.CONFIRMED))
    issued = done + sum(counts.get(each.value, 0) for each in (MeterState.ISSUED, MeterState.DELIVERED))
    return {"total": total, "issued": issued, "done": done, "lost": counts.get(MeterState.REFUSED.value, 0)}


# ---------------------------------------------------------------- a new one


def _fields(ask: Ask, site: Site) -> list[Field]:
    held = [
        (f"{sgc}:{krn}:{kt}:{base}", f"SGC {sgc} · KRN {krn} · {KEY_TYPES.get(kt, kt)} · {base}", "")
        for sgc, krn, kt, base in listings.held_keys(site)
    ]
    return [
        Field(name="name", label=_("Name"), required=True, most=campaigns.NAME_MOST),
        Field(name="key", label=_("New vending key"), kind="select", required=True,
              options=[key_option(each) for each in newest_first(listings.keys_of(site.company_id))]),
        Field(name="ti", label=_("New tariff index"), kind="number", most=2,
              hint=_("Empty: each meter keeps its own.")),
        Field(name="held", label=_("Meters that hold"), kind="select",
              options=[("", _("any key"), ""), *held]),
        Field(name="building", label=_("In building"), kind="select",
              options=[("", _("the whole site"), ""), *((str(each.pk), each.name, "") for each in buildings_of(ask))]),
        Field(name="numbers", label=_("Only these meters"), kind="area", most=NUMBERS_MOST * (NUMBER_CHARS + 1),
              hint=_("Meter numbers or meter PANs, one in a line. Empty: all that fit the choices above.")),
        Field(name="with_next_purchase", label=_("Hand the set out with the next purchase"), kind="checkbox",
              hint=_("Each set is made when its customer buys, and stands on the same slip before the credit.")),
    ]  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.TOKENS))
def new(ask: Ask) -> HttpResponse:
    """Write a campaign down; nothing is issued before it is started."""
    site = whole_site_or_404(ask)
    fields, refused = _fields(ask, site), {}
    if ask.request.method == "POST":
        form, made = ask.request.POST, list[Campaign]()
        refused = attempt(lambda: made.append(_draft(ask, site, form)))
        if not refused:
            return redirect(f"{HERE}/{made[0].pk}")
        fields = kept(fields, form)
    return form_page(
        ask, title=_("New key-change campaign"), fields=fields, submit=_("Write it down and look"), back=HERE,
        crumb=_("Key-change campaigns"), refused=refused or None,
        says=_("Chooses meters and the key they are to hold. Nothing is issued yet: the next page shows what would "
               "happen."),
    )  # fmt: skip


def _draft(ask: Ask, site: Site, form: QueryDict) -> Campaign:
    key, building, held = text(form, "key", 18), text(form, "building", 18), text(form, "held", 40)
    groups = [":".join(str(part) for part in each) for each in listings.held_keys(site)]
    if held and held not in groups:
        raise Refused("choice_needed")
    sgc, krn, kt, base = listings.held_keys(site)[groups.index(held)] if held else (None, None, None, None)
    place = pick(buildings_of(ask), int(building) if building.isdecimal() else None) if building else None
    return campaigns.draft(
        site, Selection(sgc=sgc, krn=krn, kt=kt, base_date=base, building_id=place.pk if place else None,
                        meter_ids=_listed(site, form)),
        name=text(form, "name", campaigns.NAME_MOST + 1),
        new_key=pick(listings.keys_of(site.company_id), int(key) if key.isdecimal() else None),
        new_ti=text(form, "ti", 2), with_next_purchase=form.get("with_next_purchase") == "1",
        request_key=f"hand:{ask.operator.pk}:{text(form, 'request_key', 48)}", actor=of_operator(ask.operator),
        at=ask.at,
    )  # fmt: skip


def _listed(site: Site, form: QueryDict) -> tuple[int, ...] | None:
    typed = form.get("numbers", "").replace(",", " ").replace(";", " ").replace("，", " ").split()
    if not typed:
        return None
    if len(typed) > NUMBERS_MOST:
        raise Refused("campaign_numbers_many", most=NUMBERS_MOST)
    known, unknown = listings.numbered(site, [each[:NUMBER_CHARS] for each in typed])
    if unknown:
        some = ", ".join(unknown[:SHOWN_MOST]) + (" …" if len(unknown) > SHOWN_MOST else "")
        raise Refused("campaign_numbers_unknown", many=len(unknown), some=some)
    return tuple(known)


# ---------------------------------------------------------------- one


def _page(ask: Ask, row: Campaign, status: int = 200, **more: object) -> HttpResponse:
    counts = campaigns.progress(row).counts
    context: dict[str, object] = {
        "row": row, "state": CAMPAIGN_STATES[row.state], "key": key_words(row.new_key), **progress_of(ask, row, counts),
        "who": names_of([row.actor]).get(row.actor, ""), "made": formats.when(row.made_at, ask.at, ask.zone),
        "steps": [each for each in STEPS if row.state in campaigns.STEPS[each][0]],
        "can_again": counts.get(MeterState.REFUSED.value, 0) > 0 and row.state != State.ENDED,
        "verdicts": _verdicts(row) if row.state == State.DRAFT or "dry" in ask.request.GET else None,
        "can_dry": row.state in (State.RUNNING, State.PAUSED) and counts.get(MeterState.NOT_ISSUED.value, 0) > 0,
        **more,
    }  # fmt: skip
    if ask.partial:
        return ask.page("tokens/campaign_progress.html", context)
    return ask.page("tokens/campaign.html", context, status=status)


def progress_of(ask: Ask, row: Campaign, counts: dict[str, int]) -> dict[str, object]:
    """Counts by state in their order, the share that has digits, and while it runs how fast and how long yet."""
    told_ = bars(counts)
    rate = 0
    if row.state == State.RUNNING and not row.with_next_purchase:
        done = CampaignMeter.objects.filter(
            campaign=row, state=MeterState.ISSUED, changed_at__gt=ask.at - LATELY
        ).count()  # fmt: skip
        rate = done * 60 // int(LATELY.total_seconds())
    left = counts.get(MeterState.NOT_ISSUED.value, 0)
    return {
        "counts": [(value, word, counts.get(value, 0)) for value, word in METER_STATES.items()], **told_,
        "rate": rate, "left": left, "remaining": formats.duration(left * 60 // rate) if rate and left else "",
        "running": row.state == State.RUNNING,
    }  # fmt: skip


def _verdicts(row: Campaign) -> list[dict[str, object]]:
    return [
        {
            "held": "SGC {sgc} · KRN {krn} · KT {kt} · {base_date}".format_map(each.held),
            "ea": each.held["ea"], "meters": each.meters, "code": each.code,
            "why": code_words(each.code) if each.code != "vending_key_unknown" else _("No such key in the vault."),
        }
        for each in campaigns.dry_run(row)
    ]  # fmt: skip


@require_safe
@console(roles=roles_of(Act.TOKENS))
def one(ask: Ask, campaign_id: int) -> HttpResponse:
    """How far it is; while it is a draft, what issuing would do."""
    return _page(ask, campaign_or_404(ask, campaign_id))


@require_POST
@console(roles=roles_of(Act.TOKENS))
def act(ask: Ask, campaign_id: int) -> HttpResponse:
    """Start, pause, end; or put refused meters back after they were repaired."""
    row, post, actor = campaign_or_404(ask, campaign_id), ask.request.POST, of_operator(ask.operator)
    what = post.get("what", "")
    try:
        if what == "again":
            many = campaigns.again(row, actor=actor, at=ask.at)
            told(ask, _("%d meters are put back and will be issued anew.") % many)
        elif what in STEPS:
            campaigns.step(row, what, reason=text(post, "reason", REASON_MOST), actor=actor, at=ask.at)
        else:
            raise Refused("choice_needed")
    except Refused as refused:
        return _page(ask, row, status=422, refused=refused, said=_said(refused))
    return redirect(f"{HERE}/{row.pk}")


def _said(refused: Refused) -> str:
    """States of a campaign in words, not as they are stored."""
    if refused.code == "campaign_state":
        return say(Refused(refused.code, state=CAMPAIGN_STATES.get(str(refused.params.get("state")), "?")))
    return say(refused)


urlpatterns = [
    path("tokens/campaigns", page, name="tokens-campaigns"),
    path("tokens/campaigns/new", new, name="tokens-campaign-new"),
    path("tokens/campaigns/<int:campaign_id>", one, name="tokens-campaign"),
    path("tokens/campaigns/<int:campaign_id>/act", act, name="tokens-campaign-act"),
]
