"""Every line that a meter's display can show, as the makers' pages name them, and a page with all of them.

Two families: what the Pilot SPM pages list (LCD 7+1 digits, 9999999.9 kWh), and what the manual of the State Grid style
card meters lists (8 digits, two of them after the point).
"""

from datetime import datetime
from html import escape
from typing import Final

from prewatt.core.meters.quantities import Quantity
from prewatt.field.simulator.card_slot import ERROR_CODES, has_slot
from prewatt.field.simulator.card_slot import shown as card_shown
from prewatt.field.simulator.circuit import Circuit
from prewatt.field.simulator.data_meter import DataMeter
from prewatt.field.simulator.meter import PHASE_POWERS, Meter
from prewatt.field.simulator.page import DISPLAY_S, credit, facts, frame
from prewatt.field.simulator.reckoned import UNKNOWN
from prewatt.field.simulator.site import Force

BLANK: Final = "--------"
ROLLOVER_KWH: Final = 10_000_000  # of a display that the profile says nothing of
TWO_DECIMALS_TO_KWH: Final = 1_000_000

_WORDS: Final = {
    "title": ("显示屏", "Display"),
    "back": ("返回电表", "Back to the meter"),
    "circuit": ("回路", "Circuit"),
    "balance": ("剩余电量", "Remaining"),
    "days": ("剩余可用天数", "Days left"),
    "energy": ("累计用电量", "Total used"),
    "export": ("反向电量", "Reverse energy"),
    "bought": ("累计购电量", "Total purchased"),
    "last": ("最近一次购电量", "Last purchase"),
    "count": ("购电次数", "Purchases"),
    "overdraft": ("信用额度", "Credit limit"),
    "past": ("透支电量", "Overdrawn"),
    "limit": ("负荷阈值", "Load threshold"),
    "mode": ("付费模式", "Mode"),
    "voltage": ("电压", "Voltage"),
    "current": ("电流", "Current"),
    "power": ("有功功率", "Active power"),
    "phases": ("各相有功功率", "Active power by phase"),
    "reactive": ("无功功率", "Reactive power"),
    "apparent": ("视在功率", "Apparent power"),
    "factor": ("功率因数", "Power factor"),
    "frequency": ("频率", "Frequency"),
    "time": ("时间", "Time"),
    "constant": ("电表常数", "Meter constant"),
    "number": ("表号", "Meter number"),
    "customer": ("用户号", "Customer number"),
    "error": ("错误代码", "Error code"),
    "alarm": ("报警电量", "Alarm level"),
    "trip": ("断电报警电量", "Trip alarm level"),
    "hoard": ("囤积电量", "Hoarding limit"),
    "total": ("总用电量", "Total used"),
    "none": ("无", "none"),
    "status": ("状态", "Status"),
    "card": ("IC 卡", "IC card"),
    "restarts": ("看门狗重启", "Watchdog restarts"),
    "hung": ("死机，等待看门狗", "Hung, waiting for the watchdog"),
    "prepaid": ("预付费", "prepaid"),
    "kept": ("保电", "kept on"),
    "tripped": ("强制拉闸", "tripped"),
    "server": ("后台计费", "held by the server"),
}


def _w(key: str, lang: str) -> str:
    return _WORDS[key][lang == "en"]


def _digits(value_wh: int, places: int, width: int) -> str:
    """Energy in kWh as so many digits show it: cut, and over the top from 0 again."""
    sign, value_wh = ("-", -value_wh) if value_wh < 0 else ("", value_wh)
    shown = value_wh // 10 ** (3 - places) % 10**width
    return f"{sign}{shown // 10**places}.{shown % 10**places:0{places}d} kWh"


def _energy(meter: Meter, value_wh: int) -> str:
    """A counter as wide as its model's display, which begins anew at `rollover_kwh`: 9999999.9 of an SPM9511,
    99999999.9 of an SPM2506, 999999.99 of those with eight digits and two decimals."""
    rollover_kwh = meter.profile.rollover_kwh or ROLLOVER_KWH
    places = 2 if rollover_kwh <= TWO_DECIMALS_TO_KWH else 1
    return _digits(value_wh, places, len(str(rollover_kwh - 1)) + places)


def _days(meter: Meter, index: int, at_ms: int) -> str:
    """As the meter reckons; blank while it has not counted a day."""
    days = meter.values(index, at_ms).get(Quantity.DAYS_LEFT, UNKNOWN)
    return BLANK if days == UNKNOWN else str(days)


def _mode(circuit: Circuit, lang: str) -> str:
    state = circuit.state
    if state.force != Force.AUTOMATIC:
        return _w("tripped" if state.force == Force.TRIP else "kept", lang)
    return _w("prepaid" if state.purse else "server", lang)


def lines(meter: Meter, index: int, lang: str, at_ms: int) -> list[tuple[str, str]]:
    """Label and value of every line of one circuit's display; the meter is settled."""
    if at_ms < meter.state.hung_until_ms:
        return [(_w("status", lang), _w("hung", lang))]
    circuit = meter.circuits[index]
    if isinstance(meter, DataMeter):
        shown = _card_lines(meter, circuit, index, lang, at_ms)
    else:
        shown = _spm_lines(meter, circuit, index, lang, at_ms)
    status = facts(circuit, lang)
    says = meter.state.card_says
    return [
        *shown,
        *([(_w("error", lang), says if says in ERROR_CODES else BLANK)] if has_slot(meter) else []),
        *([(_w("export", lang), _energy(meter, circuit.state.export_wh))] if circuit.state.export_wh else []),
        *([(_w("card", lang), told)] if (told := card_shown(meter, lang)) else []),
        *([(_w("restarts", lang), str(meter.state.restarts))] if meter.state.restarts else []),
        *([(_w("status", lang), ", ".join(status))] if status else []),
    ]  # fmt: skip


def _level(value_wh: int, lang: str) -> str:
    return _digits(value_wh, 2, 8) if value_wh else _w("none", lang)


def _has_purse(meter: Meter, circuit: Circuit) -> bool:
    """A card meter has a purse of its own, also where the books hold the credit: empty then, and shown so."""
    return circuit.state.purse or has_slot(meter)


def _card_lines(meter: DataMeter, circuit: Circuit, index: int, lang: str, at_ms: int) -> list[tuple[str, str]]:
    s = circuit.state
    purse = [
        ("last", credit(circuit, s.last_asked_wh)), ("alarm", _level(s.alarm_level_1_wh, lang)),
        ("trip", _level(s.alarm_level_2_wh, lang)), ("hoard", _level(s.hoarding_limit_wh, lang)),
        ("balance", credit(circuit, s.balance_wh)), ("count", str(s.purchase_count)),
    ]  # fmt: skip
    told = [
        ("number", meter.number), ("customer", meter.customer or BLANK), ("constant", f"{meter.pulses} imp/kWh"),
        *(purse if _has_purse(meter, circuit) else []),
        ("limit", f"{s.load_limit_w:,} W" if s.load_limit_w else _w("none", lang)), ("mode", _mode(circuit, lang)),
        ("total", _energy(meter, s.energy_wh)), *_measured(meter, index, at_ms),
    ]  # fmt: skip
    return [(_w(key, lang), value) for key, value in told]


def _spm_lines(meter: Meter, circuit: Circuit, index: int, lang: str, at_ms: int) -> list[tuple[str, str]]:
    s = circuit.state
    purse = [
        ("balance", credit(circuit, s.balance_wh)), ("days", _days(meter, index, at_ms)),
        ("bought", credit(circuit, s.purchased_total_wh)), ("count", str(s.purchase_count)),
        ("overdraft", credit(circuit, s.overdraft_limit_wh)), ("past", credit(circuit, max(0, -s.balance_wh))),
    ]  # fmt: skip
    told = [
        *(purse if _has_purse(meter, circuit) else []), ("energy", _energy(meter, s.energy_wh)),
        ("limit", f"{s.load_limit_w:,} W" if s.load_limit_w else _w("none", lang)), ("mode", _mode(circuit, lang)),
        *_measured(meter, index, at_ms),
    ]  # fmt: skip
    return [(_w(key, lang), value) for key, value in told]


def _measured(meter: Meter, index: int, at_ms: int) -> list[tuple[str, str]]:
    """Voltage, current and what follows from them."""
    values = meter.values(index, at_ms)
    volts = [values[each] for each in (Quantity.VOLTAGE_A, Quantity.VOLTAGE_B, Quantity.VOLTAGE_C) if each in values]
    amperes = [values[each] for each in (Quantity.CURRENT_A, Quantity.CURRENT_B, Quantity.CURRENT_C) if each in values]
    power_w = values[Quantity.POWER_ACTIVE]
    phases = [f"{values[each]:,} W" for each in PHASE_POWERS if each in values]
    apparent_va, reactive_var = values[Quantity.POWER_APPARENT], values[Quantity.POWER_REACTIVE]
    factor, hertz = values[Quantity.POWER_FACTOR], values[Quantity.FREQUENCY]
    return [
        ("voltage", " ".join(f"{volt // 1000}.{volt % 1000 // 100} V" for volt in volts)),
        ("current", " ".join(f"{ampere // 1000}.{ampere % 1000 // 10:02d} A" for ampere in amperes)),
        ("power", f"{power_w:,} W"),
        *([("phases", " ".join(phases))] if len(phases) > 1 else []),
        ("reactive", f"{reactive_var:,} var"),
        ("apparent", f"{apparent_va:,} VA"),
        ("factor", f"{factor // 1000}.{factor % 1000:03d}"),
        ("frequency", f"{hertz // 1000}.{hertz % 1000 // 10:02d} Hz"),
        ("time", datetime.fromtimestamp(meter.clock_ms(at_ms) // 1_000, meter.zone).strftime("%Y-%m-%d %H:%M")),
    ]


def page(meter: Meter, lang: str, at_ms: int) -> str:
    """All lines of all circuits; it renews itself."""
    parts = []
    for index in meter.circuits:
        rows = "".join(
            f"<tr><th>{escape(label)}</th><td class=n>{escape(value)}</td></tr>"
            for label, value in lines(meter, index, lang, at_ms)
        )
        table = f'<div class="scroll"><table class="lcd">{rows}</table></div>'
        parts.append(f"<h2>{_w('circuit', lang)} {index}</h2>{table}")
    body = (
        f'<meta http-equiv="refresh" content="{2 * DISPLAY_S}">'
        f'<p><a href="/visit/{meter.number}?lang={lang}">{_w("back", lang)}</a></p><div class="meter">'
        + "".join(f"<div>{each}</div>" for each in parts)
        + "</div>"
    )
    return frame(f"{_w('title', lang)} {meter.number}", lang, body, f"/lcd/{meter.number}")
