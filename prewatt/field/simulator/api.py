"""The simulator's doors for tests and visitors: GET /meters, faults, one meter's load and key, and the page.

Loopback only. A request with a foreign Host or Origin is refused, so that no page of another site can reach
the meters through a visitor's browser.
"""

import json
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from prewatt.core.refusals import Text, message, register
from prewatt.field.simulator.card_slot import IMAGE_LIMIT_BYTES, image_of
from prewatt.field.simulator.events import Event
from prewatt.field.simulator.faults import faults_from
from prewatt.field.simulator.fields import LOAD_LIMIT_W, Fields, SiteError
from prewatt.field.simulator.http import BadRequest, HttpReply, HttpRequest, json_reply
from prewatt.field.simulator.lcd import page as lcd_page
from prewatt.field.simulator.line import NotKept
from prewatt.field.simulator.page import STYLE, display, overview, visit
from prewatt.field.simulator.site import CIRCUIT_LIMIT
from prewatt.field.simulator.world import World

QUERY_LIMIT: Final = 64
_ACTS: Final = ("silent", "press_key", "programming_key")
LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})

register(
    {
        "sim_bad_request": Text("The request is wrong: {detail}.", "请求有误：{detail}。"),
        "sim_unknown_line": Text("There is no line {name}.", "没有总线 {name}。"),
        "sim_unknown_meter": Text("There is no meter {name}.", "没有电表 {name}。"),
        "sim_unknown_circuit": Text("The meter has no circuit {name}.", "该电表没有回路 {name}。"),
        "sim_event_needs": Text(
            "This cannot happen to this circuit: {detail}. Write the setting first.",
            "该回路不会发生此事件：{detail}。请先写入相应设置。",
        ),
        "sim_no_card_slot": Text("This meter takes no cards.", "该电表没有 IC 卡插槽。"),
        "sim_card_in_slot": Text("There is a card in the slot: take it out first.", "插槽中已有卡，请先取出。"),
        "sim_slot_empty": Text("There is no card in the slot.", "插槽中没有卡。"),
        "sim_not_found": Text("There is nothing here.", "这里没有内容。"),
        "sim_wrong_method": Text("This address does not take that method.", "该地址不支持此方法。"),
        "sim_foreign": Text("Only pages of the simulator itself may do this.", "只有模拟器自身的页面可以这样做。"),
        "sim_not_kept": Text(
            "The simulator cannot write its memory, so nothing was changed.", "模拟器无法写入存储，未做任何更改。"
        ),
    }
)


class Api:
    """Routes a request to the world. `faults_changed` is told the line whose faults were replaced."""

    def __init__(
        self,
        world: World,
        *,
        now_ms: Callable[[], int],
        ports: Callable[[], Mapping[str, int]],
        faults_changed: Callable[[str], None],
        host: str,
    ) -> None:
        self._world, self._now_ms, self._ports, self._faults_changed = world, now_ms, ports, faults_changed
        self._names = LOCAL_NAMES | {host}

    async def handle(self, request: HttpRequest) -> HttpReply:
        """One request. Every refusal has a code and a text in the reader's language."""
        if not self._at_home(request):
            return _refusal(request, 403, "sim_foreign")
        try:
            return self._route(request)
        except SiteError as error:
            if error.code in ("unknown_line", "unknown_meter", "unknown_circuit"):
                return _refusal(request, 404, f"sim_{error.code}", name=error.text.rpartition(" ")[2])
            if error.code == "event_needs":
                return _refusal(request, 409, "sim_event_needs", detail=error.text)
            if error.code in ("no_card_slot", "card_in_slot", "slot_empty"):
                return _refusal(request, 409, f"sim_{error.code}")
            return _refusal(request, 400, "sim_bad_request", detail=f"{error.where} {error.text}")
        except NotKept:
            return _refusal(request, 503, "sim_not_kept", retry=True)

    def _at_home(self, request: HttpRequest) -> bool:
        """Asked by a name of ours, and not by another site's page."""
        host = request.headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        origin = request.headers.get("origin")
        return name in self._names and (origin is None or origin == f"http://{host}")

    def _route(self, request: HttpRequest) -> HttpReply:
        reading = request.method in ("GET", "HEAD")
        match request.path:
            case ():
                return self._overview(request) if reading else _wrong_method(request, "GET")
            case ("style.css",):
                return HttpReply(kind="text/css; charset=utf-8", body=STYLE.encode())
            case ("meters",):
                return self._meters() if reading else _wrong_method(request, "GET")
            case ("visit", number) if reading:
                return self._visit(request, number)
            case ("display", number, index) if reading:
                return self._display(request, number, _number(index, CIRCUIT_LIMIT, "index"))
            case ("lcd", number) if reading:
                return self._lcd(request, number)
            case ("meters", number, "events"):
                return self._happen(request, number) if request.method == "POST" else _wrong_method(request, "POST")
            case ("visit", number) if request.method == "POST":
                return self._visited(request, number)
            case ("lines", line_id, "faults"):
                return self._faults(request, line_id) if request.method == "POST" else _wrong_method(request, "POST")
            case ("reset-faults",):
                return self._reset() if request.method == "POST" else _wrong_method(request, "POST")
            case ("api", "sts", *_) | ("sts", *_) if self._world.keypads:
                return self._keypad(request)
            case ("meters", number, "card"):
                return self._card(request, number)
            case ("meters", number):
                return self._command(request, number) if request.method == "POST" else _wrong_method(request, "POST")
        return _refusal(request, 404, "sim_not_found")

    # the API

    def _meters(self) -> HttpReply:
        return json_reply(self._world.describe(self._now_ms(), self._ports()))

    def _faults(self, request: HttpRequest, line_id: str) -> HttpReply:
        if line_id not in self._world.lines:
            raise SiteError("unknown_line", "line", f"no line {line_id}")
        self._world.set_faults(line_id, faults_from(_json(request)))
        self._faults_changed(line_id)
        return json_reply({"line": line_id})

    def _reset(self) -> HttpReply:
        self._world.reset_faults()
        for line_id in self._world.lines:
            self._faults_changed(line_id)
        return json_reply({"lines": len(self._world.lines)})

    def _command(self, request: HttpRequest, number: str) -> HttpReply:
        if number not in self._world.meters and number not in self._world.keypads:
            raise SiteError("unknown_meter", "meter", f"no meter {number}")
        fields = Fields.of(_json(request), "meter")
        changes: dict[str, object] = {}
        if fields.left.get("load_w", 0) is None:
            changes["load_w"] = fields.left.pop("load_w")
        elif "load_w" in fields.left:
            changes["load_w"] = fields.integer("load_w", 0, LOAD_LIMIT_W)
        for name in _ACTS:
            if name in fields.left:
                changes[name] = fields.flag(name)
        if "index" in fields.left:
            changes["index"] = fields.integer("index", 1, CIRCUIT_LIMIT)
        fields.done()
        self._world.command(number, self._now_ms(), **changes)
        return json_reply({"number": number})

    def _happen(self, request: HttpRequest, number: str) -> HttpReply:
        fields = Fields.of(_json(request), "meter")
        event = fields.choice("event", Event)
        index = fields.integer("index", 1, CIRCUIT_LIMIT) if "index" in fields.left else None
        fields.done()
        self._world.happen(number, event, index, self._now_ms())
        return json_reply({"number": number, "event": event.value})

    def _card(self, request: HttpRequest, number: str) -> HttpReply:
        """GET: what is in the slot; POST {"image": hex} puts a card in, POST {"eject": true} takes it out."""
        now_ms = self._now_ms()
        if request.method in ("GET", "HEAD"):
            return json_reply({"number": number, **self._world.card(number)})
        if request.method != "POST":
            return _wrong_method(request, "GET, POST")
        fields = Fields.of(_json(request), "card")
        if fields.flag("eject"):
            fields.done()
            return json_reply({"number": number, "image": self._world.eject_card(number, now_ms).hex()})
        image = image_of(fields.text("image", limit=2 * IMAGE_LIMIT_BYTES))
        fields.done()
        read = self._world.insert_card(number, image, now_ms)
        return json_reply({"number": number, "says": read.says, "image": read.image.hex()})

    def _keypad(self, request: HttpRequest) -> HttpReply:
        """The STS meters. What they need is loaded where there are some."""
        from prewatt.field.simulator import keypad_api

        reading, world, at_ms, lang = request.method in ("GET", "HEAD"), self._world, self._now_ms(), _lang(request)
        posting = request.method == "POST"
        match request.path:
            case ("api", "sts") if reading:
                return keypad_api.states(world, at_ms)
            case ("api", "sts", number) if reading:
                return keypad_api.state(world, number, at_ms)
            case ("api", "sts", number) if posting:
                return keypad_api.command(world, number, _json(request), at_ms)
            case ("api", "sts", number, "keypad") if posting:
                return keypad_api.enter(world, number, _json(request), at_ms)
            case ("sts", number) if reading:
                return _html(keypad_api.page(world, number, lang, at_ms, answered="answered" in request.query))
            case ("sts", number, "display") if reading:
                return _html(keypad_api.display_page(world, number, lang, at_ms))
            case ("sts", number) if posting:
                return keypad_api.visited(world, number, request, lang, at_ms, watts=_watts)
            case ("api", "sts", _, "keypad"):
                return _wrong_method(request, "POST")
            case ("api", "sts") | ("sts", _, "display"):
                return _wrong_method(request, "GET")
            case ("api", "sts", _) | ("sts", _):
                return _wrong_method(request, "GET, POST")
        return _refusal(request, 404, "sim_not_found")

    # the page

    def _overview(self, request: HttpRequest) -> HttpReply:
        self._settle()
        lang, query, above = _lang(request), request.query.get("q", "")[:QUERY_LIMIT], ""
        if self._world.keypads:
            from prewatt.field.simulator.keypad_page import section

            above = section(self._world, lang, query)
        return _html(overview(self._world, lang, query, above=above))

    def _visit(self, request: HttpRequest, number: str) -> HttpReply:
        if number in self._world.keypads:
            return HttpReply(status=303, headers={"Location": f"/sts/{number}?lang={_lang(request)}"})
        meter = self._world.meters.get(number)
        if meter is None:
            raise SiteError("unknown_meter", "meter", f"no meter {number}")
        self._settle()
        return _html(visit(self._world, meter, _lang(request)))

    def _display(self, request: HttpRequest, number: str, index: int) -> HttpReply:
        meter = self._world.meters.get(number)
        if meter is None:
            raise SiteError("unknown_meter", "meter", f"no meter {number}")
        if index not in meter.circuits:
            raise SiteError("unknown_circuit", "index", f"meter {number} has no circuit {index}")
        self._settle()
        return _html(display(meter, index, _lang(request)))

    def _lcd(self, request: HttpRequest, number: str) -> HttpReply:
        meter = self._world.meters.get(number)
        if meter is None:
            raise SiteError("unknown_meter", "meter", f"no meter {number}")
        self._settle()
        return _html(lcd_page(meter, _lang(request), self._now_ms()))

    def _visited(self, request: HttpRequest, number: str) -> HttpReply:
        form = request.form()
        if "event" in form:
            fields = Fields.of({"event": form["event"]}, "meter")
            index = _number(form["index"], CIRCUIT_LIMIT, "index") if "index" in form else None
            self._world.happen(number, fields.choice("event", Event), index, self._now_ms())
            return HttpReply(status=303, headers={"Location": f"/visit/{number}?lang={_lang(request)}"})
        if "card" in form:
            self._world.insert_card(number, image_of(form["card"]), self._now_ms())
            return HttpReply(status=303, headers={"Location": f"/visit/{number}?lang={_lang(request)}"})
        if "eject" in form:
            self._world.eject_card(number, self._now_ms())
            return HttpReply(status=303, headers={"Location": f"/visit/{number}?lang={_lang(request)}"})
        changes: dict[str, object] = {name: form[name] == "true" for name in _ACTS if name in form}
        if "index" in form:
            changes["index"] = _number(form["index"], CIRCUIT_LIMIT, "index")
        if "load_w" in form:
            changes["load_w"] = _watts(form["load_w"]) if form["load_w"] else None
        self._world.command(number, self._now_ms(), **changes)
        return HttpReply(status=303, headers={"Location": f"/visit/{number}?lang={_lang(request)}"})

    def _settle(self) -> None:
        now_ms = self._now_ms()
        self._world.refresh(now_ms)
        self._world.settle(now_ms)


def _number(text: str, limit: int, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text) <= limit):
        raise SiteError("not_an_integer", where, f"must be an integer 0..{limit}")
    return int(text)


def _watts(text: str) -> int:
    return _number(text, LOAD_LIMIT_W, "load_w")


def _json(request: HttpRequest) -> object:
    try:
        value: object = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        raise SiteError("not_json", "body", "is not JSON") from None
    return value


def _lang(request: HttpRequest) -> str:
    """zh unless the address or the reader's browser asks for English."""
    asked = request.query.get("lang") or request.headers.get("accept-language", "zh")
    return "en" if asked.lower().startswith("en") else "zh"


def _html(text: str) -> HttpReply:
    return HttpReply(kind="text/html; charset=utf-8", body=text.encode())


def _wrong_method(request: HttpRequest, allowed: str) -> HttpReply:
    reply = _refusal(request, 405, "sim_wrong_method")
    return HttpReply(status=405, kind=reply.kind, body=reply.body, headers={"Allow": allowed})


def _refusal(request: HttpRequest, status: int, code: str, *, retry: bool = False, **params: object) -> HttpReply:
    lang = "en" if _lang(request) == "en" else "zh-hans"
    error = {"code": code, "message": message(code, lang, params), "retry": retry}
    return json_reply({"error": error}, status)


__all__ = ["Api", "BadRequest"]
