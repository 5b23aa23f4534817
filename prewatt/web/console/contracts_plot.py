"""The plot of a contract: balance above, use below, prices as bands behind both; and the table behind the plot.

Money and energy stay integers everywhere else; here they become kWh as pixels need them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from prewatt.core.units import format_price
from prewatt.office.reports.board import BoardRow, RunsOut, runs_out
from prewatt.office.reports.use import Change, DayOfUse, PriceSpan, balances_of, changes_of, days_of, load_of, prices_of
from prewatt.web.ui import formats

SPANS = {"7": 7, "42": 42, "365": 365}  # days a plot may show
AHEAD = {7: timedelta(hours=12), 42: timedelta(days=3), 365: timedelta(days=26)}  # room for the forecast
LABELS_MOST = 14  # purchases with their amount written; more would cover each other
PLOT_PX = 740  # what the bars have to share, at the width the page is drawn for
LOAD_DAYS = 2
LOAD_BUCKET_S = 900


@dataclass(frozen=True, kw_only=True)
class DayLine:
    """A line of the table behind the plot."""

    day: date
    used_wh: int
    last_balance: int | None
    bought: int
    paid_minor: int
    price: Decimal | None


@dataclass(frozen=True, kw_only=True)
class UsePlot:
    """`data` is the JSON block of plots.js; `lines` the same as a table, newest first."""

    data: dict[str, object]
    lines: list[DayLine]
    days: Sequence[DayOfUse]
    prices: Sequence[PriceSpan]
    first: date


def price_unit(currency: str) -> str:
    """What a price per kWh is in: 元/kWh, ¥/kWh, UGX/kWh."""
    if currency == "CNY":
        return _("¥/kWh")
    return f"{currency}/kWh"


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def _pixel(value: int, row: BoardRow) -> object:
    """Wh -> kWh, minor units -> major ones: for the eye only."""
    return value / 1000 if row.credit_unit == "Wh" else value / 10**row.exponent


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def use_plot(row: BoardRow, site_id: int, *, span: int, at: datetime, zone: ZoneInfo) -> UsePlot:
    """The last `span` days of a circuit; `row` is what the board knows of it now."""
    assert span in AHEAD, span
    today = at.astimezone(zone).date()
    first = today - timedelta(days=span - 1)
    since = _midnight(first, zone)
    days = days_of(site_id, row.circuit_id, first=first - timedelta(days=1), last=today)
    changes = changes_of(row.circuit_id, since=since, until=at)
    prices = prices_of(row.supply_point_id, until=at) if row.supply_point_id else []
    shown = [each for each in days if each.day >= first]
    end = at + AHEAD[span]
    data: dict[str, object] = {
        "from": _ms(since),
        "to": _ms(end),
        "ticks": _ticks(first, today, span, zone),
        "use": [[_ms(_midnight(each.day, zone) + timedelta(hours=12)), _kwh(each.used_wh)] for each in shown],
        "balance": _balances(row, site_id, days, changes, since, at, zone, span),
        "bought": [
            [_ms(each.at), _pixel(each.balance_after or 0, row), _paid(each, row, len(changes))]
            for each in changes
            if each.kind == "purchase" and each.balance_after is not None
        ],
        "prices": _bands(prices, since, end, row, zone),
        "now": _ms(at),
        "levels": _levels(row),
        "label_at": _ms(since + (end - since) // 5),
        "bar_px": max(1, PLOT_PX * 7 // (span * 10)),
        "words": {
            "balance": _("Balance %s") % (formats.credit_unit_word(row.credit_unit) or row.currency)
            + _("   ▲ bought   ┄ forecast"),
            "use": _("Use per day kWh"),
            "now": _("now"),
        },
        **_forecast(row, runs_out(row), at),
    }
    return UsePlot(data=data, lines=_lines(shown, changes, prices, zone), days=shown, prices=prices, first=first)


def _kwh(wh: int) -> object:
    return (wh // 10) / 100


def _ticks(first: date, today: date, span: int, zone: ZoneInfo) -> dict[str, str]:
    """Where the axis is labelled: each day, each seventh day, or the first of each month."""
    ticks = {}
    day = first
    while day <= today:
        if span == 7 or (span == 42 and (day - first).days % 7 == 0) or (span == 365 and day.day == 1):
            ticks[str(_ms(_midnight(day, zone)))] = f"{day:%Y-%m}" if span == 365 else f"{day:%m-%d}"
        day += timedelta(days=1)
    return ticks


def _balances(
    row: BoardRow,
    site_id: int,
    days: Sequence[DayOfUse],
    changes: Sequence[Change],
    since: datetime,
    at: datetime,
    zone: ZoneInfo,
    span: int,
) -> list[list[object]]:
    """The balance as a line: a point at the end of each day (each hour of a short span), and each purchase upright."""
    points: list[tuple[datetime, int, int]] = []
    if span == 7:
        fine = balances_of(site_id, row.circuit_id, since=since, until=at, bucket_s=3600)
        points += [(moment, 0, balance) for moment, balance in fine]
    else:
        for each in days:
            end = _midnight(each.day + timedelta(days=1), zone)
            if each.last_balance is not None and since <= end <= at:
                points.append((end, 0, each.last_balance))
    for change in changes:
        if change.balance_after is not None:
            before = (
                change.balance_before if change.balance_before is not None else change.balance_after - change.credit
            )
            points += [(change.at, 1, before), (change.at, 2, change.balance_after)]
    points.sort(key=lambda point: point[:2])
    if row.balance is not None and row.read_at is not None and row.read_at >= since:
        points.append((row.read_at, 3, row.balance))
    return [[_ms(moment), _pixel(balance, row)] for moment, _place, balance in points]


def _paid(change: Change, row: BoardRow, many: int) -> str:
    if many > LABELS_MOST or not change.amount_minor:
        return ""
    whole = change.amount_minor // 10**row.exponent
    return f"{formats.SYMBOLS.get(row.currency, row.currency + ' ')}{whole:,}"


def _levels(row: BoardRow) -> list[dict[str, object]]:
    named = ((row.alarm_1, "alarm1", _("Level 1: %s")), (row.alarm_2, "alarm2", _("Level 2: %s")))
    return [
        {
            "at": _pixel(level, row),
            "state": state,
            "name": name
            % (formats.scaled(level, 3, 0) if row.credit_unit == "Wh" else formats.scaled(level, row.exponent)),
        }
        for level, state, name in named
        if level > 0
    ]


def _bands(
    prices: Sequence[PriceSpan], since: datetime, end: datetime, row: BoardRow, zone: ZoneInfo
) -> list[dict[str, object]]:
    """Price versions as ground bands across the plot; the one that holds at its left edge has no date."""
    bands: list[dict[str, object]] = []
    for place, each in enumerate(prices):
        ends = prices[place + 1].since if place + 1 < len(prices) else end
        if ends <= since or each.since >= end:
            continue
        name = _("Price %(price)s %(unit)s") % {
            "price": format_price(each.price.normalize()),
            "unit": price_unit(row.currency),
        }
        if each.since > since:
            name += _(" (from %s)") % each.since.astimezone(zone).strftime("%m-%d")
        bands.append({"from": _ms(max(each.since, since)), "to": _ms(min(ends, end)), "name": name})
    return bands or [{"from": _ms(since), "to": _ms(end), "name": ""}]


def _forecast(row: BoardRow, ahead: RunsOut | None, at: datetime) -> dict[str, object]:
    """The line to zero and its fan: the 80 % interval of when the credit ends."""
    if ahead is None or row.balance is None or row.relay == 0:
        return {"forecast": [], "low": [], "fan": []}
    late = ahead.late_s or ahead.about_s * 3
    balance = row.balance

    def on(end_s: int, second: int) -> int:
        return max(0, balance - balance * second // max(1, end_s))

    steps = sorted({0, ahead.early_s, ahead.about_s, late})
    moments = [(second, _ms(at + timedelta(seconds=second))) for second in steps]
    return {
        "forecast": [[_ms(at), _pixel(balance, row)], [_ms(at + timedelta(seconds=ahead.about_s)), 0]],
        "low": [[ms, _pixel(on(ahead.early_s, second), row)] for second, ms in moments],
        "fan": [[ms, _pixel(on(late, second) - on(ahead.early_s, second), row)] for second, ms in moments],
    }


def _lines(
    days: Sequence[DayOfUse], changes: Sequence[Change], prices: Sequence[PriceSpan], zone: ZoneInfo
) -> list[DayLine]:
    made = []
    for each in reversed(days):
        put_in = [change for change in changes if change.at.astimezone(zone).date() == each.day]
        held = [price for price in prices if price.since.astimezone(zone).date() <= each.day]
        made.append(
            DayLine(
                day=each.day,
                used_wh=each.used_wh,
                last_balance=each.last_balance,
                bought=sum(change.credit for change in put_in),
                price=held[-1].price if held else None,
                paid_minor=sum(change.amount_minor for change in put_in),
            )
        )
    return made


def load_plot(row: BoardRow, site_id: int, *, at: datetime, zone: ZoneInfo) -> dict[str, object]:
    """The load curve since yesterday's midnight, mean and highest per quarter-hour, with the limit as a line."""
    since = _midnight(at.astimezone(zone).date() - timedelta(days=LOAD_DAYS - 1), zone)
    points = load_of(site_id, row.circuit_id, since=since, until=at, bucket_s=LOAD_BUCKET_S)
    end = since + timedelta(days=LOAD_DAYS)
    ticks = {}
    tick = since
    while tick <= end:
        ticks[str(_ms(tick))] = f"{tick:%m-%d}" if tick.hour == 0 else f"{tick:%H:%M}"
        tick += timedelta(hours=6)
    return {
        "from": _ms(since),
        "to": _ms(end),
        "ticks": ticks,
        "now": _ms(at),
        "mean": [[second * 1000, watt / 1000] for second, watt, _most in points],
        "most": [[second * 1000, watt / 1000] for second, _mean, watt in points],
        "limit": row.load_limit_w / 1000 if row.load_limit_w else None,
        "words": {"load": _("Load kW"), "now": _("now"), "limit": _("Limit %s kW") % formats.power(row.load_limit_w)},
    }
