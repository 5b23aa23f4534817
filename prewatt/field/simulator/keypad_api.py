"""The doors of the STS meters: their state, their keypad for programs, and the page for visitors."""

from collections.abc import Callable
from typing import Final

from prewatt.field.simulator.events import Event
from prewatt.field.simulator.fields import LOAD_LIMIT_W, Fields, SiteError
from prewatt.field.simulator.http import HttpReply, HttpRequest, json_reply
from prewatt.field.simulator.keypad_page import KEYS, TYPED_MOST, clean, display, typed, visit
from prewatt.field.simulator.world import World

ENTER: Final = "enter"


def state(world: World, number: str, at_ms: int) -> HttpReply:
    """GET /api/sts/<number>."""
    meter = world.keypad(number)
    world.refresh(at_ms)
    meter.settle(at_ms)
    return json_reply(meter.describe())


def states(world: World, at_ms: int) -> HttpReply:
    """GET /api/sts."""
    world.refresh(at_ms)
    world.settle(at_ms)
    return json_reply([each.describe() for each in world.keypads.values()])


def enter(world: World, number: str, body: object, at_ms: int) -> HttpReply:
    """POST /api/sts/<number>/keypad {"token": "..."}; spaces and dashes do not count."""
    fields = Fields.of(body, "keypad")
    token = fields.text("token", limit=TYPED_MOST)
    fields.done()
    entered = world.enter(number, clean(token), at_ms)
    text = entered.text()
    return json_reply(
        {
            "accepted": entered.accepted, "code": entered.code, "text": {"en": text.en, "zh": text.zh},
            "balance_wh": world.keypad(number).circuit.state.balance_wh,
        }
    )  # fmt: skip


def command(world: World, number: str, body: object, at_ms: int) -> HttpReply:
    """POST /api/sts/<number> {"load_w": 2000 | null, "press_key": true}."""
    world.keypad(number)
    fields = Fields.of(body, "meter")
    if "load_w" in fields.left:
        back = fields.left["load_w"] is None
        load_w = fields.left.pop("load_w") if back else fields.integer("load_w", 0, LOAD_LIMIT_W)
        hold = fields.flag("press_key")
        fields.done()
        assert load_w is None or isinstance(load_w, int), "either was asked for"
        world.connect(number, load_w, at_ms)
    else:
        hold = fields.flag("press_key", None)
        fields.done()
    if hold:
        world.hold_key(number, at_ms)
    return json_reply({"number": number})


def page(world: World, number: str, lang: str, at_ms: int, *, answered: bool) -> str:
    """GET /sts/<number>."""
    meter = world.keypad(number)
    world.refresh(at_ms)
    meter.settle(at_ms)
    return visit(meter, lang, answered=answered, wired=meter.site.meter_number in world.wired)


def display_page(world: World, number: str, lang: str, at_ms: int) -> str:
    """GET /sts/<number>/display."""
    meter = world.keypad(number)
    world.refresh(at_ms)
    meter.settle(at_ms)
    return display(meter, lang)


def visited(
    world: World, number: str, request: HttpRequest, lang: str, at_ms: int, *, watts: Callable[[str], int]
) -> HttpReply:
    """POST /sts/<number>: a key of the keypad, the load, or the meter's own button; then back to its page."""
    meter, form, answered = world.keypad(number), request.form(), ""
    press = form.get("press", "")
    if "load_w" in form:
        world.connect(number, watts(form["load_w"]) if form["load_w"] else None, at_ms)
    elif form.get("press_key") == "true":
        world.hold_key(number, at_ms)
    elif "event" in form:
        wanted = Fields.of({"event": form["event"]}, "meter").choice("event", Event)
        world.happen(number, wanted, meter.site.index, at_ms)
    elif press in KEYS:
        meter.typed = typed(form.get("token", ""), press)
    elif press == ENTER or "token" in form:
        world.enter(number, clean(form.get("token", "")), at_ms)
        answered = "&answered=1"
    else:
        raise SiteError("missing", "press", "is missing")
    return HttpReply(status=303, headers={"Location": f"/sts/{number}?lang={lang}{answered}"})
