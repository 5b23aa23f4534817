"""The trail in words: what an action is called, who did it, and what it changed from what to what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from prewatt.office.staff.models import AuditRow
from prewatt.web.console.meters_words import names_of
from prewatt.web.console.trail_fields import name_words, value_words
from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that changed; `before` or `after` is empty where there was none."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class TrailLine:
    at: str
    who: str
    what: str
    reason: str
    changes: list[Change]


ACTIONS: Final[Mapping[str, str | Promise]] = {
    "estate.company_add": _lazy("Company entered"),
    "estate.company_edit": _lazy("Company changed"),
    "estate.site_add": _lazy("Site entered"),
    "estate.site_edit": _lazy("Site changed"),
    "estate.building_edit": _lazy("Building changed"),
    "estate.room_edit": _lazy("Room changed"),
    "estate.building_add": _lazy("Building entered"),
    "estate.room_add": _lazy("Room entered"),
    "estate.customer_add": _lazy("Customer entered"),
    "estate.customer_edit": _lazy("Customer changed"),
    "estate.station_add": _lazy("Station entered"),
    "estate.station_edit": _lazy("Station changed"),
    "estate.station_remove": _lazy("Station removed"),
    "estate.gateway_station": _lazy("Gateway assigned to a station"),
    "estate.gateway_add": _lazy("Gateway entered"),
    "estate.gateway_edit": _lazy("Gateway changed"),
    "estate.line_add": _lazy("Line entered"),
    "estate.line_edit": _lazy("Line changed"),
    "estate.meter_add": _lazy("Meter registered"),
    "estate.meter_move": _lazy("Meter moved"),
    "estate.circuit_lead": _lazy("Room of a circuit changed"),
    "estate.plan_add": _lazy("Plan entered"),
    "estate.plan_version": _lazy("Price entered"),
    "estate.plan_assign": _lazy("Plan assigned"),
    "estate.circuit_edit": _lazy("Circuit furnished"),
    "estate.contract_add": _lazy("Contract taken over"),
    "sheets.taken_over": _lazy("Estate taken over from a spreadsheet"),
    "metering.caller_refuse": _lazy("Caller refused"),
    "metering.caller_let_wait": _lazy("Refused caller may wait again"),
    "metering.scan_begin": _lazy("Line scan begun"),
    "metering.scan_stop": _lazy("Line scan stopped"),
    "metering.readdress": _lazy("Meter address written"),
    "metering.change_baud": _lazy("Meter speed written"),
    "metering.accept": _lazy("Meters accepted on site"),
    "metering.wish": _lazy("Relay wish"),
    "metering.settings": _lazy("Meter settings"),
    "metering.clock": _lazy("Meter clock set"),
    "metering.times": _lazy("Times of use written"),
    "metering.prices": _lazy("Prices of a meter written"),
    "vending.read_by_hand": _lazy("Meter read by a person"),
    "changes.swap": _lazy("Meter exchanged"),
    "changes.swap_again": _lazy("Meter exchange: asked again"),
    "estate.profile_version": _lazy("Own meter model saved"),
    "estate.meter_profile": _lazy("Meter given another model"),
    "estate.meter_replace": _lazy("Meter taken down"),
    "metering.tag_hang": _lazy("Maintenance tag hung"),
    "metering.tag_remove": _lazy("Maintenance tag taken off"),
    "alarms.seen": _lazy("Alarm seen"),
    "vending.open": _lazy("Opening begun"),
    "vending.opening_act": _lazy("Credit found: decided"),
    "vending.close": _lazy("Closing begun"),
    "vending.limits": _lazy("Sale limits"),
    "vending.check_now": _lazy("Meter asked at once"),
    "billing.open": _lazy("Server-held supply begun"),
    "billing.opened": _lazy("Opening reading"),
    "billing.go_on_from_held": _lazy("Billed on from a held reading"),
    "billing.reading_accepted": _lazy("A leap of the counter accepted"),
    "changes.contract": _lazy("Circuit handed over to another contract"),
    "changes.custody": _lazy("Who holds the credit: changed"),
    "changes.give_up": _lazy("Opening or closing given up"),
    "metering.decided": _lazy("Supply decided by the credit"),
    "vending.till_add": _lazy("Till entered"),
    "vending.sell": _lazy("Sale"),
    "vending.reversal": _lazy("Reversal"),
    "vending.return": _lazy("Return of credit"),
    "vending.refund": _lazy("Refund"),
    "vending.make_up": _lazy("Make-up"),
    "vending.rewrite": _lazy("Rewrite"),
    "vending.shift_open": _lazy("Shift opened"),
    "vending.shift_hand_over": _lazy("Shift handed over"),
    "vending.settlement": _lazy("Dispute settled"),
    "ledger.close_day": _lazy("Day closed"),
    "vending.make_up_agree": _lazy("Make-up agreed to"),
    "vending.make_up_decline": _lazy("Make-up declined"),
    "vending.openings_loaded": _lazy("Openings taken over"),
    "vending.reprint": _lazy("Reprint"),
    "tokens.register": _lazy("STS attributes entered"),
    "tokens.repair": _lazy("STS attributes corrected"),
    "tokens.ask": _lazy("Token asked for"),
    "tokens.made": _lazy("Token made"),
    "tokens.refused": _lazy("Token refused by the vault"),
    "tokens.withdraw": _lazy("Token withdrawn"),
    "tokens.reprint": _lazy("Token shown again"),
    "tokens.entered": _lazy("Token entered"),
    "tokens.send": _lazy("Token sent to its meter"),
    "tokens.send_stop": _lazy("Token not sent to its meter after all"),
    "tokens.adopt": _lazy("Meter's record moved to the new key"),
    "tokens.propose": _lazy("Token laid before a second person"),
    "tokens.decline": _lazy("Token declined"),
    "tokens.read": _lazy("Token read under a meter's key"),
    "tokens.key_add": _lazy("Vending key taken in"),
    "tokens.key_limit": _lazy("Limits of a vending key"),
    "tokens.key_end": _lazy("Vending key ended"),
    "tokens.campaign_draft": _lazy("Key-change campaign written down"),
    "tokens.campaign_start": _lazy("Key-change campaign started"),
    "tokens.campaign_pause": _lazy("Key-change campaign paused"),
    "tokens.campaign_end": _lazy("Key-change campaign ended"),
    "tokens.campaign_again": _lazy("Refused meters put back"),
    "tokens.campaign_batch": _lazy("Key-change sets issued"),
    "tokens.tid_floor": _lazy("Token times put out of use after a restore"),
    "notices.token": _lazy("Token sent"),
    "tokens.route_list": _lazy("List with tokens taken away"),
    "staff.operator_add": _lazy("Operator entered"),
    "staff.operator_role": _lazy("Role changed"),
    "staff.operator_active": _lazy("Operator let in or ended"),
    "staff.operator_password": _lazy("Password changed"),
    "staff.scope_give": _lazy("Scope given"),
    "staff.scope_take": _lazy("Scope taken"),
    "staff.key_make": _lazy("API key made"),
    "staff.key_end": _lazy("API key ended"),
    "staff.session_end": _lazy("Session ended"),
    "staff.second_factor_on": _lazy("Second factor enrolled"),
    "staff.second_factor_off": _lazy("Second factor taken off"),
    "staff.second_factor_rule": _lazy("Rule of the second factor"),
    "staff.recovery_codes": _lazy("New recovery codes made"),
    "staff.recovery_code_used": _lazy("Recovery code used"),
    "staff.login_forgive": _lazy("Wrong log-ins forgotten"),
}


def action_words(action: str) -> str:
    """What was done, in words; an action nobody named here is shown as it is stored."""
    return str(ACTIONS.get(action, action))


def object_words(object_type: str) -> str:
    """What kind of thing it was done to."""
    return {
        "circuit": _("circuit"),
        "customer": _("customer"),
        "plan": _("plan"),
        "meter": _("meter"),
        "gateway": _("gateway"),
        "caller": _("caller"),
        "line": _("line"),
        "operator": _("operator"),
        "room": _("room"),
        "sale": _("sale"),
        "contract": _("contract"),
        "supply_point": _("supply point"),
        "site": _("site"),
        "building": _("building"),
        "till": _("till"),
        "api_key": _("API key"),
        "alarm": _("alarm"),
        "company": _("company"),
        "shift": _("shift"),
        "delivery": _("delivery"),
        "act": _("act"),
        "receipt": _("receipt"),
        "token": _("token"),
        "campaign": _("key-change campaign"),
        "vending_key": _("vending key"),
        "token_reader": _("token reader"),
        "acceptance": _("acceptance record"),
        "station": _("station"),
        "profile": _("profile"),
        "day": _("day"),
        "tid_floor": _("token times"),
    }.get(object_type, object_type)


def changes(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, ask: Ask, unit: str = ""
) -> list[Change]:
    """What differs, name by name, in the order of what was written; credit in `unit`."""
    old, new = before or {}, after or {}
    names = [*old, *(name for name in new if name not in old)]
    return [
        Change(
            name=name_words(name),
            before=value_words(name, old.get(name), ask, unit),
            after=value_words(name, new.get(name), ask, unit),
        )
        for name in names
        if old.get(name) != new.get(name)
    ]


def trail_lines(rows: Sequence[AuditRow], ask: Ask) -> list[TrailLine]:
    """Rows of one thing, as its page shows them."""
    names = names_of([each.actor for each in rows])
    return [
        TrailLine(
            at=formats.when(each.at, ask.at, ask.zone),
            who=names.get(each.actor, _("the system")),
            what=action_words(each.action),
            reason=each.reason,
            changes=changes(each.before, each.after, ask),
        )
        for each in rows
    ]
