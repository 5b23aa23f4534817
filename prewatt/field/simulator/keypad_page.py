"""The page of a simulated STS meter: its display, its keypad, what it answered, and its load. Plain HTML, no script.

Each press of a key is a form sent, and the digits stand on the meter's display in between, as on a real one.
"""

from html import escape
from typing import Final

from prewatt.field.simulator.fields import LOAD_LIMIT_W
from prewatt.field.simulator.keypad import TYPED_LIMIT, Entered, KeypadMeter
from prewatt.field.simulator.page import DISPLAY_S, LOADS_W, facts, frame, kwh, possible
from prewatt.field.simulator.world import World, iso

TYPED_MOST: Final = 64  # characters of a pasted token, spaces and dashes among them
KEYS: Final = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "back", "0", "clear")
_WORDS: Final = {
    "heading": ("STS 电表（键盘）", "STS meters (keypad)"),
    "about": (
        "在售电页面售出令牌，在这里输入 20 位数字，看电表接受或拒绝。多数电表不联网。",
        "Sell a token in the console, type its 20 digits here, and see the meter take or refuse it. Most of these "
        "meters are on no line.",
    ),
    "others": ("总线上的电表", "Meters on a bus"),
    "meter": ("STS 电表", "STS meter"),
    "place": ("位置", "Place"),
    "back_to": ("全部电表", "All meters"),
    "refresh": ("刷新", "Refresh"),
    "display": ("显示", "Display"),
    "relay": ("开关", "Switch"),
    "closed": ("合闸", "closed"),
    "open": ("断开", "open"),
    "credit": ("剩余电量", "Credit"),
    "power": ("功率", "Power"),
    "energy": ("总电量", "Total energy"),
    "limit": ("功率限值", "Power limit"),
    "keypad": ("键盘", "Keypad"),
    "token": ("20 位令牌", "Token, 20 digits"),
    "enter": ("输入 ⏎", "Enter ⏎"),
    "back": ("退格", "Back"),
    "clear": ("清空", "Clear"),
    "accepted": ("已接受", "Accepted"),
    "refused": ("已拒绝", "Refused"),
    "entries": ("输入记录", "What was entered"),
    "key": ("密钥", "Key"),
    "parts": ("已接受换密令牌，等待其余", "key-change tokens taken, waiting for the rest"),
    "load": ("接入负荷", "Connect a load"),
    "curve": ("恢复负荷曲线", "Back to its curve"),
    "watts": ("负荷（W）", "Load in W"),
    "set": ("接入", "Connect"),
    "hold": ("按住按键 3 秒", "Hold the key for 3 s"),
    "events": ("发生事件", "Let something happen"),
    "by_hand": ("手动负荷", "load set by hand"),
}


def _w(key: str, lang: str) -> str:
    return escape(_WORDS[key][lang == "en"])


def grouped(digits: str) -> str:
    """Groups of four."""
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def section(world: World, lang: str, query: str) -> str:
    """The STS meters on the first page; "" where none fits `query`."""
    wanted = query.strip().lower()
    found = [each for each in world.keypads.values() if wanted in f"{each.number} {each.site.place} sts".lower()]
    if not found:
        return ""
    heads = "".join(
        f"<th{' class=n' if key in ('credit', 'power') else ''}>{_w(key, lang)}</th>"
        for key in ("meter", "place", "relay", "credit", "power")
    )
    rows = "".join(_row(each, lang) for each in found)
    return (
        f'<h2>{_w("heading", lang)}</h2><p>{_w("about", lang)}</p>'
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        f"<h2>{_w('others', lang)}</h2>"
    )


def _row(meter: KeypadMeter, lang: str) -> str:
    state = meter.circuit.state
    return (
        f'<tr><td><a href="/sts/{meter.number}?lang={lang}">{meter.number}</a></td><td>{escape(meter.site.place)}</td>'
        f'<td>{_relay(meter, lang)}</td><td class="n">{kwh(state.balance_wh)}</td>'
        f'<td class="n">{meter.circuit.power_w():,} W</td></tr>'
    )


def _relay(meter: KeypadMeter, lang: str) -> str:
    word = "closed" if meter.circuit.relay_closed() else "open"
    return f'<span class="{word}">{_w(word, lang)}</span>'


def display(meter: KeypadMeter, lang: str) -> str:
    """What the meter's display shows, as a page of its own that renews itself: the frame inside `visit`."""
    state, limit = meter.circuit.state, meter.sts.power_limit_w
    word = "closed" if meter.circuit.relay_closed() else "open"
    lines = [
        f"{_w('relay', lang)}  {_w(word, lang)}",
        f"{_w('credit', lang)}  {kwh(state.balance_wh)}",
        f"{_w('energy', lang)}  {kwh(state.energy_wh)}",
        f"{_w('power', lang)}  {meter.circuit.power_w():,} W",
        *([f"{_w('limit', lang)}  {limit:,} W"] if limit else []),
        *(escape(each) for each in facts(meter.circuit, lang)),
    ]
    return (
        f'<!doctype html><html lang="{"en" if lang == "en" else "zh-Hans"}"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{DISPLAY_S}"><title>{_w("display", lang)}</title>'
        f'<link rel="stylesheet" href="/style.css"></head><body class="lcd">{"<br>".join(lines)}</body></html>'
    )


def visit(meter: KeypadMeter, lang: str, *, answered: bool, wired: bool = False) -> str:
    """One STS meter. `answered`: something was just entered, and its answer stands above the keypad; `wired`: it is on
    a line, where it can say what happened to it."""
    key, here = meter.sts.key, f"/sts/{meter.number}"
    parts = f" · {len(meter.sts.pending)} {_w('parts', lang)}" if meter.sts.pending else ""
    body = (
        f'<p><a href="/?lang={lang}">{_w("back_to", lang)}</a> · '
        f'<a href="{here}?lang={lang}">{_w("refresh", lang)}</a></p><p>'
        f"{escape(meter.site.place)} · DRN {meter.drn} · {_w('key', lang)} SGC {key.sgc or '–'} KRN {key.krn} "
        f"TI {key.ti}{parts}</p>"
        f'<div class="meter"><div><iframe src="{here}/display?lang={lang}" title="{_w("display", lang)}"></iframe>'
        f"</div><div>{_answer(meter.entries[-1], lang) if answered and meter.entries else ''}{_keypad(meter, lang)}"
        f"</div></div>{_load(meter, lang)}{_events(meter, lang) if wired else ''}{_entries(meter, lang)}"
    )
    return frame(f"{_w('meter', lang)} {meter.number}", lang, body, here)


def _answer(entered: Entered, lang: str) -> str:
    word, text = "accepted" if entered.accepted else "refused", entered.text()
    return (
        f'<p class="answer {word}" role="status"><strong>{_w(word, lang)}</strong> <code>{entered.code}</code><br>'
        f"{escape(text.en if lang == 'en' else text.zh)}</p>"
    )


def _keypad(meter: KeypadMeter, lang: str) -> str:
    """The field with its Enter first, so that the return key means Enter and no digit."""
    keys = "".join(
        f'<button name="press" value="{key}">{key if key.isdigit() else _w(key, lang)}</button>' for key in KEYS
    )
    return (
        f'<form class="keypad" method="post" action="/sts/{meter.number}?lang={lang}"><label>{_w("token", lang)}'
        f'<input name="token" inputmode="numeric" autocomplete="off" maxlength="{TYPED_MOST}"'
        f' value="{grouped(meter.typed)}"{"" if meter.typed else " autofocus"}></label>'
        f'<button name="press" value="enter">{_w("enter", lang)}</button><div>{keys}</div></form>'
    )


def _load(meter: KeypadMeter, lang: str) -> str:
    state, action = meter.circuit.state, f'method="post" action="/sts/{meter.number}?lang={lang}"'
    hand = f' <span class="muted">{_w("by_hand", lang)}: {state.override_w or 0:,} W</span>'
    presets = "".join(f'<button name="load_w" value="{each}">{each:,} W</button>' for each in LOADS_W)
    return (
        f"<h2>{_w('load', lang)}{'' if state.override_w is None else hand}</h2><form {action}>{presets}</form>"
        f'<form {action}><label>{_w("watts", lang)} <input type="number" name="load_w" min="0" max="{LOAD_LIMIT_W}"'
        f' value="{meter.circuit.load_w(state.as_of_ms)[0]}" required></label><button>{_w("set", lang)}</button></form>'
        f'<form {action}><button name="load_w" value="">{_w("curve", lang)}</button></form>'
        f'<form {action}><button name="press_key" value="true">{_w("hold", lang)}</button></form>'
    )


def _events(meter: KeypadMeter, lang: str) -> str:
    buttons = "".join(
        f'<button name="{name}" value="{value}">{label}</button>'
        for name, value, label in possible(meter.circuit, lang)
    )
    action = f'method="post" action="/sts/{meter.number}?lang={lang}"'
    return f"<h2>{_w('events', lang)}</h2><form {action}>{buttons}</form>"


def _entries(meter: KeypadMeter, lang: str) -> str:
    if not meter.entries:
        return ""
    rows = "".join(
        f'<tr><td class="n">{grouped(each.digits)}</td><td><code>{each.code}</code></td>'
        f"<td class=why>{escape(each.text().en if lang == 'en' else each.text().zh)}</td>"
        f"<td class=n>{iso(each.at_ms)}</td></tr>"
        for each in reversed(meter.entries)
    )
    return f'<h2>{_w("entries", lang)}</h2><div class="scroll"><table>{rows}</table></div>'


def typed(text: str, press: str) -> str:
    """What stands on the display after a key: the digits of `text`, with one more, one less, or none."""
    digits = clean(text)
    match press:
        case "back":
            return digits[:-1]
        case "clear":
            return ""
    return (digits + press)[:TYPED_LIMIT]


def clean(text: str) -> str:
    """A token as a person pastes it: without the spaces and dashes between its groups."""
    return text[:TYPED_MOST].replace(" ", "").replace("-", "")
