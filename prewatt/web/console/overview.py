"""Overview: the plain sentence of the morning, what happened, who runs out today, what is not confirmed, the money."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.urls import path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from prewatt.core.meters.quantities import StatusBit
from prewatt.office.metering.states import CircuitState
from prewatt.office.reports.board import BoardRow, board_rows, find_circuits, runs_out
from prewatt.office.reports.happenings import Happening
from prewatt.office.reports.overview import GatewayHealth, OpenDelivery, Overview, open_shift, overview
from prewatt.office.staff.roles import Act, may
from prewatt.web.console.panel import cause_words
from prewatt.web.console.views_base import Ask, console, stale_limit
from prewatt.web.ui import formats

NAMED_MOST = 6  # rooms named in the plain sentence; more are counted
LOG_MOST = 6
RUNS_OUT_MOST = 6
RANGE_WIDTH, RANGE_LEFT = 182, 4  # of the little time axis, in its own pixels


def _why(row: BoardRow, at: datetime, zone: ZoneInfo) -> str:
    """Half a sentence: why this room is dark."""
    if row.tag is not None:
        return _("maintenance")
    if row.has(StatusBit.WARNING_TRIP):
        return _("warning trip (credit left)")
    for bit in (StatusBit.OVERLOAD_TRIP, StatusBit.MALICIOUS_LOAD_TRIP, StatusBit.HAND_OPENED):
        if row.has(bit):
            return cause_words(bit)
    if row.wish == "trip":
        return _("our command")
    since = (
        _(" (since %s)") % formats.weekday(row.relay_at, zone)
        if row.relay_at and at - row.relay_at > timedelta(days=1)
        else ""
    )
    if row.state is CircuitState.ARREARS:
        return _("arrears") + since
    return cause_words("") + since


def sentence(rows: Sequence[BoardRow], seen: Overview, due: int, at: datetime, zone: ZoneInfo) -> SafeString:
    """What a clerk can read aloud at 08:50."""
    dark = [row for row in rows if row.dark and row.state is not CircuitState.OFFLINE]
    colon, comma, stop = ("：", "、", "。") if formats.chinese() else (": ", ", ", ". ")
    if dark:
        named = format_html_join(comma, "{} {}", ((row.room, _why(row, at, zone)) for row in dark[:NAMED_MOST]))
        more = _(" and %d more") % (len(dark) - NAMED_MOST) if len(dark) > NAMED_MOST else ""
        first = format_html("{}{}{}{}{}", _bold(_("<b>%d</b> are dark now"), len(dark)), colon, named, more, stop)
    else:
        first = format_html("{}{}", _("Nobody is dark."), "" if formats.chinese() else " ")
    parts = []
    if due:
        parts.append(_bold(_("<b>%d</b> run out today"), due))
    if seen.deliveries:
        parts.append(_bold(_("<b>%d</b> deliveries are unconfirmed"), len(seen.deliveries)))
    stations = dead_stations(seen.gateways)
    lost = [each.code for each in seen.gateways if not each.up and each.station not in stations]
    if stations:
        parts.append(_bold(_("station <b>%s</b> is out of contact"), comma.join(stations.values())))
    if lost:
        parts.append(_bold(_("gateway <b>%s</b> is lost"), comma.join(lost)))
    if not parts:
        parts = [mark_safe(_("Nobody runs out today, every delivery is confirmed, every gateway answers"))]
    end = "。" if formats.chinese() else "."
    return format_html(
        "{}{}{}", first, format_html_join("，" if formats.chinese() else ", ", "{}", ((p,) for p in parts)), end
    )


def dead_stations(gateways: Sequence[GatewayHealth]) -> dict[str, str]:
    """Stations of which every gateway is lost: code, and what it is called."""
    alive = {each.station for each in gateways if each.up}
    return {
        each.station: f"{each.station} {each.station_name}".strip()
        for each in gateways
        if each.station and each.station not in alive
    }


def _bold(pattern: str, value: object) -> SafeString:
    """A translated pattern with <b>, filled with one escaped value. The pattern is ours, from the catalogue."""
    return format_html(pattern.replace("{", "{{").replace("}", "}}").replace("%d", "{}").replace("%s", "{}"), value)


def _range(row: BoardRow, at: datetime, zone: ZoneInfo) -> dict[str, object] | None:
    """One line of "who runs out today": the hour, its interval and the little axis from now to midnight."""
    forecast = runs_out(row)
    if forecast is None:
        return None
    local = at.astimezone(zone)
    start = local.replace(minute=0, second=0, microsecond=0)
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    if local + timedelta(seconds=forecast.about_s) >= midnight:
        return None

    def place(second: int) -> int:
        moment = local + timedelta(seconds=second)
        return RANGE_LEFT + int((moment - start).total_seconds()) * RANGE_WIDTH // int(
            (midnight - start).total_seconds()
        )

    late = forecast.late_s if forecast.late_s is not None else 86400
    open_ended = local + timedelta(seconds=late) >= midnight
    right = RANGE_LEFT + RANGE_WIDTH if open_ended else place(late)
    end = _("tomorrow") if open_ended else _about(at, late, zone)
    left = place(forecast.early_s)
    return {
        "row": row, "balance": formats.credit(row.balance, row.credit_unit, row.exponent),
        "about": _about(at, forecast.about_s, zone),
        "interval": f"{_about(at, forecast.early_s, zone)}–{end}",
        "left": left, "width": max(2, right - left), "mid": place(forecast.about_s), "more": open_ended,
        "about_s": forecast.about_s,
    }  # fmt: skip


def _about(at: datetime, seconds: int, zone: ZoneInfo) -> str:
    """A time of day to ten minutes: more would claim too much."""
    moment = (at + timedelta(seconds=seconds)).astimezone(zone)
    return formats.clock(moment.replace(minute=moment.minute // 10 * 10), zone)


def due_today(rows: Sequence[BoardRow], at: datetime, zone: ZoneInfo) -> list[dict[str, object]]:
    """Who runs out before midnight, soonest first. A dark or unknown circuit is not forecast."""
    shown = (row for row in rows if row.opened and not row.dark and row.state is not CircuitState.OFFLINE)
    found = [line for row in shown if (line := _range(row, at, zone))]
    return sorted(found, key=lambda line: int(str(line["about_s"])))


def told_of(event: Happening) -> str:
    """One line of what happened, without its room."""
    if event.kind in ("line_lost", "station_lost"):
        took = int((event.ended_at - event.at).total_seconds()) if event.ended_at else None
        told = {"n": event.circuits, "for": formats.duration(took) if took is not None else ""}
        if took is None:
            return _("lost since then; %(n)d circuits unread. Supply is not affected.") % told
        return _("lost for %(for)s, %(n)d circuits unread; supply unaffected.") % told
    if event.kind == "meter_lost":
        return (
            _("the meter stopped answering.") if event.ended_at is None else _("the meter did not answer for a while.")
        )
    amount = formats.credit(event.balance, event.credit_unit) + (" kWh" if event.credit_unit == "Wh" else "")
    if event.cause == "credit_trip":
        return _("credit used up, the meter cut itself off.")
    if event.cause == "warning_trip":
        return _("warning trip, %s left; a 3 s key press restores.") % amount
    if event.cause == "overload_trip":
        return _("overload trip (%s kW).") % formats.power(event.power_w) if event.power_w else _("overload trip.")
    return _("power off: %s.") % cause_words(event.cause)


def _log(seen: Overview, at: datetime, zone: ZoneInfo, dark_ids: set[int]) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = []
    for event in seen.happenings[-LOG_MOST:]:
        going_on = event.ended_at is None
        is_dark = event.kind == "opened" and event.circuit_id in dark_ids and going_on
        lines.append(
            {
                "at": formats.when(event.at, at, zone), "room": event.room, "name": event.room_name,
                "circuit": event.circuit_id,
                "gateway": event.gateway if event.kind.startswith("line") else "", "gateway_name": event.gateway_name,
                "station": event.station, "station_name": event.station_name,
                "told": told_of(event), "warn": is_dark and event.cause == "warning_trip",
                "dark": formats.duration(int((at - event.at).total_seconds())) if is_dark else "",
                "lost": going_on and event.kind in ("line_lost", "meter_lost", "station_lost"),
                "restored": event.ended_at is not None,
            }
        )  # fmt: skip
    return lines


def dark_series(seen: Overview, dark_now: int, at: datetime) -> dict[str, object]:
    """Circuits dark over the window, reckoned back from the present; and when which gateway could not be read."""
    changes = []
    for event in seen.happenings:
        if event.kind == "opened":
            changes.append((event.at, 1))
            if event.ended_at is not None:
                changes.append((event.ended_at, -1))
    changes.sort()
    level = max(0, dark_now - sum(change for _at, change in changes))
    points = [[_ms(seen.since), level]]
    for moment, change in changes:
        level += change
        points.append([_ms(moment), max(0, level)])
    points.append([_ms(at), dark_now])
    unread = [
        [_ms(event.at), _ms(event.ended_at or at),
         "" if event.ended_at else _("%s unread") % (event.station or event.gateway)]  # fmt: skip
        for event in seen.happenings
        if event.kind in ("line_lost", "station_lost")
    ]
    zone_start = seen.since
    labels: dict[str, str] = {}
    tick = zone_start.replace(hour=0) + timedelta(days=1)
    step = timedelta(hours=12) if at - seen.since > timedelta(days=1) else timedelta(hours=6)
    while tick <= at:
        hour = _("%d:00") % tick.hour
        labels[str(_ms(tick))] = (
            f"{formats.weekday(tick, ZoneInfo(str(tick.tzinfo)))} {hour}" if tick.hour == 0 else hour
        )
        tick += step
    return {"from": _ms(seen.since), "to": _ms(at), "labels": labels, "dark": points, "unread": unread}


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def next_step(each: OpenDelivery, at: datetime, zone: ZoneInfo) -> str:
    """What we know of a delivery and what comes next."""
    if each.state == "disputed":
        told = {"read": each.read_count if each.read_count is not None else formats.DASH, "due": each.expected_count}
        return _("Count reads %(read)s, expected %(due)d; a manager must look") % told
    if each.state == "waiting" and not each.line_up:
        return _("%s lost, not sent yet; goes out on reconnection, once") % each.gateway
    again = formats.clock(each.next_try_at, zone) if each.next_try_at else ""
    if each.state == "unknown":
        return _("No reply; the count is read again at %s") % again if again else _("No reply; the count is read again")
    if each.state == "sent":
        return _("Sent, the meter's count is being read back")
    return _("Not sent yet; next try at %s") % again if again else _("Not sent yet; goes out by itself")


@require_safe
@console()
def page(ask: Ask) -> HttpResponse:
    local = ask.at.astimezone(ask.zone)
    rows = board_rows(ask.operator.pk, ask.site.id, at=ask.at, stale=stale_limit())
    seen = overview(ask.operator.pk, ask.site.id, at=local)
    due = due_today(rows, ask.at, ask.zone)
    wired = [row for row in rows if row.gateway]  # what a person reads is neither online nor late
    fresh = [row for row in wired if row.read_at and row.state is not CircuitState.OFFLINE]
    online = [row for row in wired if row.read_at and ask.at - row.read_at <= stale_limit()]
    dark = [row for row in rows if row.dark and row.state is not CircuitState.OFFLINE]
    lost = [row for row in rows if row.state is CircuitState.OFFLINE]
    oldest = int((ask.at - min(row.read_at for row in fresh if row.read_at)).total_seconds()) if fresh else None
    context = {
        "day": formats.day(ask.at, ask.zone), "time": formats.clock(ask.at, ask.zone), "rows": rows,
        "says": sentence(rows, seen, len(due), ask.at, ask.zone), "seen": seen, "due": due[:RUNS_OUT_MOST],
        "due_more": max(0, len(due) - RUNS_OUT_MOST), "hour": local.hour, "weekend": local.weekday() == 0,
        "since": formats.when(seen.since, ask.at, ask.zone),
        "log": _log(seen, ask.at, ask.zone, {row.circuit_id for row in dark}),
        "series": dark_series(seen, len(dark), local), "figures": _figures(ask, wired, seen, len(online), lost, oldest),
        "deliveries": [(each, next_step(each, ask.at, ask.zone)) for each in seen.deliveries[:RUNS_OUT_MOST]],
        "gateways": [_gateway(each, ask.at) for each in seen.gateways],
        "gateways_lost": sum(not each.up for each in seen.gateways),
        "shift": open_shift(ask.operator.pk, ask.site.id), "at": ask.at,
        "can_estate": may(ask.operator.role, Act.ESTATE),
        "can_sell": may(ask.operator.role, Act.SELL),
    }  # fmt: skip
    return ask.page("ui/overview.html", context)


def _gateway(each: GatewayHealth, at: datetime) -> dict[str, object]:
    permille = each.success_permille
    return {
        "health": each, "success": f"{permille // 10}.{permille % 10}%" if permille is not None else formats.DASH,
        "lost": formats.duration(int((at - each.down_since).total_seconds())) if each.down_since else "",
        "last": each.last_reply_at,
    }  # fmt: skip


def _figures(
    ask: Ask, rows: Sequence[BoardRow], seen: Overview, online: int, lost: Sequence[BoardRow], oldest: int | None
) -> list[tuple[str, str, str, str]]:
    """The five figures: label, number, unit, and the time or the parts below."""

    def cash(minor: int) -> str:
        return formats.money(minor, ask.site.currency, ask.site.exponent)

    watts = sum(row.power_w or 0 for row in rows if row.state is not CircuitState.OFFLINE)
    last = _("%(n)s · last %(day)s by now %(sum)s") % {
        "n": ngettext("%d sale", "%d sales", seen.sold_count) % seen.sold_count,
        "day": formats.weekday(ask.at, ask.zone),
        "sum": cash(seen.sold_last_week_minor),
    }
    now = _("%s kW now") % formats.power(watts, 1)
    if oldest is not None:
        now += f" · {_('oldest %s') % formats.age_short(oldest)}"
    permille = online * 1000 // len(rows) if rows else 0
    share = f"{permille // 10}.{permille % 10}%"
    dead = dead_stations(seen.gateways)
    behind = sorted({row.station if row.station in dead else row.gateway for row in lost if not row.line_up})
    if behind:
        share += f" · {_('%(n)d behind %(gw)s') % {'n': len(lost), 'gw': ', '.join(behind)}}"
    held = len(seen.deliveries)
    transit = ngettext("%d paid, meter not confirmed", "%d paid, meter not confirmed", held) % held
    return [
        (_("Sold today"), cash(seen.sold_minor), "", last),
        (_("Used today"), formats.energy(seen.used_today_wh), "kWh", now),
        (_("Online"), str(online), _("/ %d circuits") % len(rows), share),
        (_("Open alarms"), str(sum(seen.alarms.values())), "", _alarm_parts(seen) or _("nothing is open")),
        (_("Money in transit"), cash(seen.in_transit_minor), "", transit if held else _("every delivery is confirmed")),
    ]


def _alarm_parts(seen: Overview) -> str:
    kinds = (
        (("arrears",), _("arrears %d")),
        (("low_credit_1", "low_credit_2"), _("low %d")),
        (("overload", "malicious_load"), _("load %d")),
        (("line_lost", "meter_lost", "station_lost", "blackout"), _("lost %d")),
    )
    summed = [(word, sum(seen.alarms.get(kind, 0) for kind in names)) for names, word in kinds]
    return " · ".join(word % number for word, number in summed if number)


@require_safe
@console()
def find(ask: Ask) -> HttpResponse:
    """The find box of the top bar: rooms, phones, meter and contract numbers, pinyin initials."""
    text = ask.request.GET.get("q", "").strip()[:64]
    return ask.page(
        "ui/parts/found.html",
        {"text": text, "found": find_circuits(ask.operator.pk, ask.site.id, text) if text else []},
    )


urlpatterns = [path("", page, name="overview"), path("find", find, name="find")]
