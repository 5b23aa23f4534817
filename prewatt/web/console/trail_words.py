"""The trail in words: what an action is called, who did it, and what it changed from what to what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

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


def action_words(action: str) -> str:
    """What was done, in words; an action nobody named here is shown as it is stored."""
    return {
        "estate.company_add": _("Company entered"),
        "estate.company_edit": _("Company changed"),
        "estate.site_add": _("Site entered"),
        "estate.site_edit": _("Site changed"),
        "estate.building_edit": _("Building changed"),
        "estate.room_edit": _("Room changed"),
        "estate.building_add": _("Building entered"),
        "estate.room_add": _("Room entered"),
        "estate.customer_add": _("Customer entered"),
        "estate.customer_edit": _("Customer changed"),
        "estate.gateway_add": _("Gateway entered"),
        "estate.gateway_edit": _("Gateway changed"),
        "estate.line_add": _("Line entered"),
        "estate.line_edit": _("Line changed"),
        "estate.meter_add": _("Meter registered"),
        "estate.meter_move": _("Meter moved"),
        "estate.plan_add": _("Plan entered"),
        "estate.plan_version": _("Price entered"),
        "estate.plan_assign": _("Plan assigned"),
        "estate.circuit_edit": _("Circuit furnished"),
        "estate.contract_add": _("Contract taken over"),
        "sheets.taken_over": _("Estate taken over from a spreadsheet"),
        "metering.wish": _("Relay wish"),
        "metering.settings": _("Meter settings"),
        "metering.tag_hang": _("Maintenance tag hung"),
        "metering.tag_remove": _("Maintenance tag taken off"),
        "alarms.seen": _("Alarm seen"),
        "vending.open": _("Opening begun"),
        "vending.opening_act": _("Credit found: decided"),
        "vending.close": _("Closing begun"),
        "vending.limits": _("Sale limits"),
        "vending.check_now": _("Meter asked at once"),
        "billing.open": _("Server-held supply begun"),
        "billing.opened": _("Opening reading"),
        "billing.go_on_from_held": _("Billed on from a held reading"),
        "changes.contract": _("Circuit handed over to another contract"),
        "changes.custody": _("Who holds the credit: changed"),
        "changes.give_up": _("Opening or closing given up"),
        "metering.decided": _("Supply decided by the credit"),
        "vending.till_add": _("Till entered"),
        "vending.sell": _("Sale"),
        "vending.reversal": _("Reversal"),
        "vending.return": _("Return of credit"),
        "vending.refund": _("Refund"),
        "vending.make_up": _("Make-up"),
        "vending.rewrite": _("Rewrite"),
        "vending.shift_open": _("Shift opened"),
        "vending.shift_hand_over": _("Shift handed over"),
        "vending.settlement": _("Dispute settled"),
        "ledger.close_day": _("Day closed"),
        "vending.make_up_agree": _("Make-up agreed to"),
        "vending.make_up_decline": _("Make-up declined"),
        "vending.openings_loaded": _("Openings taken over"),
        "vending.reprint": _("Reprint"),
        "staff.operator_add": _("Operator entered"),
        "staff.operator_role": _("Role changed"),
        "staff.operator_active": _("Operator let in or ended"),
        "staff.operator_password": _("Password changed"),
        "staff.scope_give": _("Scope given"),
        "staff.scope_take": _("Scope taken"),
        "staff.key_make": _("API key made"),
        "staff.key_end": _("API key ended"),
        "staff.session_end": _("Session ended"),
        "staff.second_factor_on": _("Second factor enrolled"),
        "staff.second_factor_off": _("Second factor taken off"),
        "staff.second_factor_rule": _("Rule of the second factor"),
        "staff.recovery_codes": _("New recovery codes made"),
        "staff.recovery_code_used": _("Recovery code used"),
        "staff.login_forgive": _("Wrong log-ins forgotten"),
    }.get(action, action)


def object_words(object_type: str) -> str:
    """What kind of thing it was done to."""
    return {
        "circuit": _("circuit"),
        "customer": _("customer"),
        "plan": _("plan"),
        "meter": _("meter"),
        "gateway": _("gateway"),
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
    }.get(object_type, object_type)


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, ask: Ask) -> list[Change]:
    """What differs, name by name, in the order of what was written."""
    old, new = before or {}, after or {}
    names = [*old, *(name for name in new if name not in old)]
    return [
        Change(
            name=name_words(name),
            before=value_words(name, old.get(name), ask),
            after=value_words(name, new.get(name), ask),
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
