"""What a visitor sees: the meters with their displays, and one meter's load and key. Plain HTML, no script."""

from collections.abc import Sequence
from html import escape
from typing import Final
from urllib.parse import urlencode

from prewatt.core.meters.quantities import StatusBit
from prewatt.core.meters.wallet import price_of
from prewatt.field.simulator.card_slot import IMAGE_LIMIT_BYTES, has_slot
from prewatt.field.simulator.card_slot import shown as card_shown
from prewatt.field.simulator.circuit import ENERGY, Circuit
from prewatt.field.simulator.data_meter import DataMeter
from prewatt.field.simulator.events import Event
from prewatt.field.simulator.fields import LOAD_LIMIT_W
from prewatt.field.simulator.meter import Meter
from prewatt.field.simulator.world import World, iso

ROW_LIMIT: Final = 500  # meters on one page; the search finds the others
ORDER_LIMIT: Final = 20
DISPLAY_S: Final = 2  # the display of a visited meter renews itself this often
LOADS_W: Final = (0, 500, 2_000, 5_000, 10_000, 20_000)

_WORDS: Final = {
    "title": ("模拟现场", "Simulated site"),
    "about": (
        "这些电表是模拟的：报文与总线是真实的，账目是它们自己的。改变一个回路的负荷，看它报警、跳闸、充值后恢复。",
        "These meters are simulated: real frames on a real bus, with books of their own. Change a circuit's load "
        "and see it warn, trip, and close again once it is paid.",
    ),
    "meter": ("电表", "Meter"),
    "line": ("总线 / 地址", "Line / unit"),
    "relay": ("继电器", "Relay"),
    "closed": ("合闸", "closed"),
    "open": ("断开", "open"),
    "balance": ("剩余", "Balance"),
    "power": ("功率", "Power"),
    "facts": ("显示", "Display"),
    "find": ("表号、型号或总线", "Number, model or line"),
    "search": ("查找", "Find"),
    "back": ("全部电表", "All meters"),
    "circuit": ("回路", "Circuit"),
    "energy": ("总电量", "Total energy"),
    "count": ("购电次数", "Purchases"),
    "price": ("电价", "Price"),
    "consumed": ("启动后用电", "Used since start"),
    "load": ("接入负荷", "Connect a load"),
    "watts": ("负荷（W）", "Load in W"),
    "set": ("接入", "Connect"),
    "curve": ("恢复负荷曲线", "Back to its curve"),
    "key": ("按住按键 3 秒", "Hold the key for 3 s"),
    "silence": ("拔掉通讯线", "Unplug the bus"),
    "speak": ("接上通讯线", "Plug the bus in"),
    "program": ("按下编程键", "Press the programming key"),
    "programmable": ("可编程", "may be programmed"),
    "slot": ("IC 卡插槽", "Card slot"),
    "card": ("卡内数据（十六进制）", "The card's bytes (hex)"),
    "insert": ("插卡", "Insert"),
    "eject": ("取卡", "Take it out"),
    "in_slot": ("插槽中有卡", "There is a card in the slot"),
    "silent": ("通讯线已拔掉", "The bus is unplugged"),
    "by_hand": ("手动负荷", "load set by hand"),
    "orders": ("已接受的购电指令", "Orders applied"),
    "none": ("没有找到电表。", "No meter found."),
    "more": ("其余未显示，请查找。", "More are not shown; use the search."),
    "server": ("后台计费", "held by the server"),
    "refresh": ("刷新指令", "Refresh orders"),
    "events": ("发生事件", "Let something happen"),
    "lcd": ("全部显示行", "All lines of the display"),
    "purchase": ("购电", "purchase"),
    "return": ("退电", "return"),
    "clear": ("清零", "clear"),
}
_EVENTS: Final = {
    Event.OVERLOAD: ("过载", "Overload"),
    Event.MALICIOUS_LOAD: ("接入恶性负载（电阻性）", "Forbidden load (a heater)"),
    Event.MOTOR: ("接入同功率电动机", "A motor of the same size"),
    Event.REVERSE: ("反向送电", "Energy comes back"),
    Event.REVERSE_END: ("停止反送", "Comes back no more"),
    Event.COVER_OPEN: ("打开表盖", "Open the cover"),
    Event.COVER_CLOSED: ("合上表盖", "Close the cover"),
    Event.VOLTAGE_HIGH: ("电压过高", "Voltage too high"),
    Event.VOLTAGE_LOW: ("电压过低", "Voltage too low"),
    Event.VOLTAGE_NORMAL: ("电压正常", "Voltage as it should be"),
    Event.HANG: ("表计死机", "The meter hangs"),
}
_FACTS: Final = {
    StatusBit.CREDIT_TRIP: ("电量用尽跳闸", "tripped: out of credit"),
    StatusBit.WARNING_TRIP: ("预跳闸（按键或充值恢复）", "warning trip (key or purchase closes)"),
    StatusBit.OVERLOAD_TRIP: ("过载跳闸", "overload trip"),
    StatusBit.MALICIOUS_LOAD_TRIP: ("恶性负载跳闸", "forbidden load trip"),
    StatusBit.HAND_OPENED: ("手动断开", "opened by hand"),
    StatusBit.COMMAND_TRIP: ("远程拉闸", "tripped by command"),
    StatusBit.KEPT_ON: ("保电 / 强制合闸", "kept on"),
    StatusBit.ALARM_1: ("报警 1", "alarm 1"),
    StatusBit.ALARM_2: ("报警 2", "alarm 2"),
    StatusBit.TAMPER: ("开盖", "cover open"),
    StatusBit.AWAIT_KEY: ("待按键合闸", "waiting for the key"),
    StatusBit.REVERSE_POWER: ("反向送电", "energy comes back"),
    StatusBit.VOLTAGE_LIMITS: ("电压越限", "voltage out of its limits"),
}

STYLE: Final = """
:root { color-scheme: light dark;
  font: 15px/1.5 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif }
body { margin: 0 auto; max-width: 1080px; padding: 1rem; background: Canvas; color: CanvasText }
header { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem }
h1 { font-size: 1.3rem; margin: .2rem 0 } h2 { font-size: 1.05rem; margin: 1.4rem 0 .4rem }
p { max-width: 46rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid color-mix(in srgb, CanvasText 15%, Canvas) }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.scroll { overflow-x: auto }
.closed { color: #15803d } .open { color: #b91c1c; font-weight: 600 }
iframe { border: 0; border-radius: .5rem; width: 23rem; max-width: 100%; height: 15.5rem; background: #c9d6bd }
.lcd { background: #c9d6bd; color: #14210f; font: 1.1rem/1.6 ui-monospace, monospace; white-space: pre-wrap }
.meter { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start }
.meter > div { min-width: 0; max-width: 100% }
table.lcd td { white-space: normal }
@media (max-width: 40rem) {
  .list thead { display: none } .list tr { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: .4rem 0;
    border-bottom: 1px solid color-mix(in srgb, CanvasText 15%, Canvas) }
  .list td { border: 0; padding: .1rem 0 }
}
.keypad { flex-direction: column; align-items: stretch; max-width: 24rem }
.keypad label { display: flex; flex-direction: column }
.keypad input { font: 1.25rem/1.6 ui-monospace, monospace; letter-spacing: .03em; width: 24ch; max-width: 100% }
.keypad div { display: grid; grid-template-columns: repeat(3, 1fr); gap: .4rem }
.answer { border: 2px solid; border-radius: .4rem; padding: .5rem .8rem; margin: 0 0 .6rem; max-width: 24rem }
.why { min-width: 16rem }
.accepted { border-color: #15803d } .refused { border-color: #b91c1c }
form { display: inline-flex; flex-wrap: wrap; gap: .4rem; margin: .3rem .6rem .3rem 0; align-items: center }
button, input { font: inherit; padding: .35rem .8rem; min-height: 2.4rem; box-sizing: border-box }
button { cursor: pointer }
a { color: LinkText } .muted { opacity: .7 }
"""


def _w(key: str, lang: str) -> str:
    return escape(_WORDS[key][lang == "en"])


def kwh(energy_wh: int) -> str:
    """Two decimals, cut as a display does, with a sign in front."""
    sign, energy_wh = ("-", -energy_wh) if energy_wh < 0 else ("", energy_wh)
    return f"{sign}{energy_wh // 1_000}.{energy_wh % 1_000 // 10:02d} kWh"


def credit(circuit: Circuit, amount: int) -> str:
    """What a display shows of credit: kWh, or money, of which a meter does not say the currency."""
    exponent = circuit.state.wallet_exponent
    if exponent == ENERGY:
        return kwh(amount)
    whole, coins = divmod(abs(amount), int(10**exponent))
    return f"{'-' * (amount < 0)}{whole}" + (f".{coins:0{exponent}d}" if exponent else "")


def facts(circuit: Circuit, lang: str) -> list[str]:
    """The words a display shows for the status."""
    status = circuit.status()
    return [words[lang == "en"] for bit, words in _FACTS.items() if bit in status]


def frame(title: str, lang: str, body: str, here: str) -> str:
    """A whole page with its head and the switch of language."""
    other, label = ("zh", "中文") if lang == "en" else ("en", "English")
    tongue = "en" if lang == "en" else "zh-Hans"
    return (
        f'<!doctype html><html lang="{tongue}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f'<link rel="stylesheet" href="/style.css"></head><body><header><h1>{title}</h1>'
        f'<a href="{here}?lang={other}" lang="{other}">{label}</a></header>{body}</body></html>'
    )


def overview(world: World, lang: str, query: str, *, above: str = "") -> str:
    """All meters, or those whose number, profile or line holds `query`, below what else there is. The world is
    settled."""
    wanted = query.strip().lower()
    found = [meter for meter in world.meters.values() if wanted in _searched(world, meter)]
    rows = "".join(_row(world, meter, index, lang) for meter in found[:ROW_LIMIT] for index in meter.circuits)
    heads = "".join(
        f'<th{" class=n" if key in ("balance", "power") else ""}>{_w(key, lang)}</th>'
        for key in ("meter", "line", "relay", "balance", "power", "facts")
    )
    rest = f"<p>{_w('more', lang)}</p>" if len(found) > ROW_LIMIT else "" if found else f"<p>{_w('none', lang)}</p>"
    body = (
        f"<p>{_w('about', lang)}</p>"
        f'<form method="get" action="/"><input type="hidden" name="lang" value="{lang}">'
        f'<input type="search" name="q" maxlength="64" value="{escape(query)}" aria-label="{_w("find", lang)}"'
        f' placeholder="{_w("find", lang)}"><button>{_w("search", lang)}</button></form>{above}'
        f'<div class="scroll"><table class="list"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        f"{rest}"
    )
    return frame(_w("title", lang), lang, body, "/")


def _searched(world: World, meter: Meter) -> str:
    line = world.lines[meter.site.line].site
    return f"{meter.number} {meter.site.profile} {line.id} {line.name}".lower()


def _relay(circuit: Circuit, lang: str) -> str:
    word = "closed" if circuit.relay_closed() else "open"
    return f'<span class="{word}">{_w(word, lang)}</span>'


def _balance(circuit: Circuit, lang: str) -> str:
    held = circuit.state
    return credit(circuit, held.balance_wh) if held.purse else f'<span class="muted">{_w("server", lang)}</span>'


def _row(world: World, meter: Meter, index: int, lang: str) -> str:
    circuit = meter.circuits[index]
    line = world.lines[meter.site.line].site
    shown = ", ".join(escape(each) for each in facts(circuit, lang))
    words = f"{shown}{_told(meter, lang)}".removeprefix(" · ")
    suffix = f" / {index}" if len(meter.circuits) > 1 else ""
    return (
        f'<tr><td><a href="/visit/{meter.number}?{urlencode({"lang": lang})}">{meter.number}</a>{suffix}</td>'
        f"<td>{escape(line.name)} / {_place(meter)}</td><td>{_relay(circuit, lang)}</td>"
        f'<td class="n">{_balance(circuit, lang)}</td><td class="n">{circuit.power_w():,} W</td>'
        f"<td>{words}</td></tr>"
    )


def visit(world: World, meter: Meter, lang: str) -> str:
    """One meter: what its display shows, and what a visitor can do to it. The world is settled."""
    parts = "".join(_circuit(world, meter, index, lang) for index in meter.circuits)
    word = "speak" if meter.state.silent else "silence"
    state = "false" if meter.state.silent else "true"
    body = (
        f'<p><a href="/?lang={lang}">{_w("back", lang)}</a> · '
        f'<a href="/visit/{meter.number}?lang={lang}">{_w("refresh", lang)}</a> · '
        f'<a href="/lcd/{meter.number}?lang={lang}">{_w("lcd", lang)}</a></p>'
        f"<p>{escape(meter.profile.maker)} {escape(meter.profile.name)} · "
        f"{escape(world.lines[meter.site.line].site.name)} / {_place(meter)}{_told(meter, lang)}</p>"
        f"{parts}{_slot(meter, lang)}<h2>{_w('meter', lang)}</h2>"
        + _form(meter, lang, "", [("silent", state, _w(word, lang)), *_programming(meter, lang)])
    )
    return frame(f"{_w('meter', lang)} {meter.number}", lang, body, f"/visit/{meter.number}")


def _told(meter: Meter, lang: str) -> str:
    """What stands beside its place: unplugged, or its programming key pressed."""
    now_ms = max(circuit.state.as_of_ms for circuit in meter.circuits.values())
    programmable = meter.state.programmable_until_ms > now_ms
    words = [_w("silent", lang)] * meter.state.silent + [_w("programmable", lang)] * programmable
    return "".join(f" · {each}" for each in words)


def _slot(meter: Meter, lang: str) -> str:
    """The card slot of a meter that has one."""
    if not has_slot(meter):
        return ""
    head, action = f"<h2>{_w('slot', lang)}</h2>", f'method="post" action="/visit/{meter.number}?lang={lang}"'
    if meter.state.card is not None:
        says = escape(card_shown(meter, lang))
        out = _form(meter, lang, "", [("eject", "1", _w("eject", lang))])
        return f"{head}<p>{_w('in_slot', lang)}: {says}</p>{out}"
    return (
        f'{head}<form {action}><label>{_w("card", lang)} <input name="card" maxlength="{2 * IMAGE_LIMIT_BYTES}"'
        f' autocomplete="off" required></label><button>{_w("insert", lang)}</button></form>'
    )


def _place(meter: Meter) -> str:
    return meter.address if isinstance(meter, DataMeter) else str(meter.unit)


def _programming(meter: Meter, lang: str) -> list[tuple[str, str, str]]:
    """The key that a new address asks for, where the model has one."""
    bus = meter.profile.bus
    has_key = isinstance(meter, DataMeter) or (bus is not None and bus.key_needed)
    return [("programming_key", "true", _w("program", lang))] if has_key else []


def _form(meter: Meter, lang: str, inner: str, buttons: Sequence[tuple[str, str, str]]) -> str:
    made = "".join(f'<button name="{name}" value="{value}">{label}</button>' for name, value, label in buttons)
    return f'<form method="post" action="/visit/{meter.number}?lang={lang}">{inner}{made}</form>'


def display(meter: Meter, index: int, lang: str) -> str:
    """What the display of one circuit shows, as a page of its own that renews itself: the frame inside `visit`."""
    circuit = meter.circuits[index]
    state = circuit.state
    word = "closed" if circuit.relay_closed() else "open"
    lines = [
        f"{_w('relay', lang)}  {_w(word, lang)}",
        *([f"{_w('balance', lang)}  {credit(circuit, state.balance_wh)}"] if state.purse else []),
        *([f"{_w('price', lang)}  {price_of(circuit.price())}"] if state.wallet_exponent != ENERGY else []),
        f"{_w('energy', lang)}  {kwh(state.energy_wh)}",
        f"{_w('power', lang)}  {circuit.power_w():,} W",
        *([f"{_w('count', lang)}  {state.purchase_count}"] if state.purse else []),
        *([f"{_w('slot', lang)}  {escape(told)}"] if (told := card_shown(meter, lang)) else []),
        *(escape(each) for each in facts(circuit, lang)),
    ]
    return (
        f'<!doctype html><html lang="{"en" if lang == "en" else "zh-Hans"}"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{DISPLAY_S}"><title>{_w("facts", lang)}</title>'
        f'<link rel="stylesheet" href="/style.css"></head><body class="lcd">{"<br>".join(lines)}</body></html>'
    )


def _circuit(world: World, meter: Meter, index: int, lang: str) -> str:
    circuit = meter.circuits[index]
    state = circuit.state
    by_hand = f' <span class="muted">{_w("by_hand", lang)}: {state.override_w or 0:,} W</span>'
    hand = "" if state.override_w is None else by_hand
    which = f'<input type="hidden" name="index" value="{index}">'
    number = (
        f'{which}<label>{_w("watts", lang)} <input type="number" name="load_w" min="0" max="{LOAD_LIMIT_W}"'
        f' value="{circuit.load_w(state.as_of_ms)[0]}" required></label>'
    )
    presets = [("load_w", str(load_w), f"{load_w:,} W") for load_w in LOADS_W]
    return (
        f"<h2>{_w('circuit', lang)} {index}</h2>"
        f'<iframe src="/display/{meter.number}/{index}?lang={lang}" title="{_w("facts", lang)}"></iframe>'
        f"<h2>{_w('load', lang)}{hand}</h2>"
        + _form(meter, lang, which, presets)
        + f'<form method="post" action="/visit/{meter.number}?lang={lang}">{number}'
        + f"<button>{_w('set', lang)}</button></form>"
        + _form(meter, lang, which, [("load_w", "", _w("curve", lang))])
        + _form(meter, lang, which, [("press_key", "true", _w("key", lang))])
        + f"<h2>{_w('events', lang)}</h2>"
        + _form(meter, lang, which, possible(circuit, lang))
        + _orders(world, meter, index, lang)
    )


def possible(circuit: Circuit, lang: str) -> list[tuple[str, str, str]]:
    """The events that can happen to this circuit as it is set up."""
    state = circuit.state
    not_now = {
        Event.OVERLOAD: not state.load_limit_w,
        Event.MALICIOUS_LOAD: state.malicious_off or not state.malicious_step_w,
        Event.MOTOR: state.malicious_off or not state.malicious_step_w,
        Event.REVERSE: state.reverse_w > 0,
        Event.REVERSE_END: state.reverse_w == 0,
        Event.COVER_OPEN: state.tamper,
        Event.COVER_CLOSED: not state.tamper,
        Event.VOLTAGE_NORMAL: state.volts_permille == 1_000,
    }
    possible = [(event, words) for event, words in _EVENTS.items() if not not_now.get(event)]
    return [("event", event.value, escape(words[lang == "en"])) for event, words in possible]


def _orders(world: World, meter: Meter, index: int, lang: str) -> str:
    orders = world.accepted.get((meter.number, index), [])[-ORDER_LIMIT:]
    if not orders:
        return ""
    rows = "".join(
        f'<tr><td class="n">{order.count}</td><td>{_w(order.kind.value, lang)}</td>'
        f'<td class="n">{credit(meter.circuits[index], order.amount_wh)}</td><td>{iso(order.at_ms)}</td></tr>'
        for order in reversed(orders)
    )
    return f"<h2>{_w('orders', lang)}</h2><table>{rows}</table>"
