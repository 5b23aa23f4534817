"""The slot of a card meter: what goes in comes out, a meter without a card engine says so, one with it obeys it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters.jobs import Order, OrderKind
from prewatt.field.simulator import CardRead, SiteError, Store, World
from prewatt.field.simulator.api import Api
from prewatt.field.simulator.card_slot import CARD_MODELS, IMAGE_LIMIT_BYTES
from prewatt.field.simulator.circuit import OrderRefused
from prewatt.field.simulator.events import Event
from prewatt.field.simulator.http import HttpRequest
from prewatt.field.simulator.lcd import lines
from prewatt.field.simulator.line import NotKept
from prewatt.field.simulator.meter import Meter
from prewatt.field.simulator.page import visit
from tests.field.simulator.plant import NOON_MS, NUMBER, assert_books, circuit_of, meter, site, stop, world

CARD = bytes(range(64))


def of(directory: Path, profile: str = "pilot-spm9571", **more: Any) -> World:
    return world(directory, {**meter(profile=profile), **more})


def display(a_world: World, lang: str = "en") -> list[str]:
    return [value for _, value in lines(a_world.meters[NUMBER], 1, lang, NOON_MS)]


@pytest.mark.parametrize("profile", [*sorted(CARD_MODELS), "pilot-spm9571-645"])
def test_a_card_that_nobody_can_read_is_said_to_be_and_comes_out_as_it_went_in(profile: str, tmp_path: Path) -> None:
    a_world = of(tmp_path, profile)
    before = circuit_of(a_world, NOON_MS)
    read = a_world.insert_card(NUMBER, CARD, NOON_MS)
    assert (read.says, read.image, read.accepted) == ("unreadable", CARD, ())
    assert "this card cannot be read" in display(a_world) and "无法识别此卡" in display(a_world, "zh")
    assert "Take it out" in visit(a_world, a_world.meters[NUMBER], "en")
    with pytest.raises(SiteError) as refused:
        a_world.insert_card(NUMBER, CARD, NOON_MS)
    assert refused.value.code == "card_in_slot"
    stop(a_world)
    again = of(tmp_path, profile)
    assert again.eject_card(NUMBER, NOON_MS) == CARD, "it stays in the slot while the power is off"
    assert circuit_of(again, NOON_MS) == before and "this card cannot be read" not in display(again)
    with pytest.raises(SiteError) as refused:
        again.eject_card(NUMBER, NOON_MS)
    assert refused.value.code == "slot_empty"


@pytest.mark.parametrize("image", [b"", bytes(IMAGE_LIMIT_BYTES + 1)])
def test_what_is_no_card_does_not_fit(image: bytes, tmp_path: Path) -> None:
    with pytest.raises(SiteError) as refused:
        of(tmp_path).insert_card(NUMBER, image, NOON_MS)
    assert refused.value.code == "bad_card"


def test_a_model_takes_cards_when_it_is_known_for_it_or_the_site_says_so(tmp_path: Path) -> None:
    with pytest.raises(SiteError) as refused:
        of(tmp_path / "1", "pilot-spm9511").insert_card(NUMBER, CARD, NOON_MS)
    assert refused.value.code == "no_card_slot"
    assert of(tmp_path / "2", "pilot-spm9511", card_slot=True).insert_card(NUMBER, CARD, NOON_MS).says == "unreadable"


def test_a_meter_that_hangs_does_not_look_at_its_slot(tmp_path: Path) -> None:
    a_world = of(tmp_path)
    a_world.happen(NUMBER, Event.HANG, None, NOON_MS)
    assert a_world.insert_card(NUMBER, CARD, NOON_MS + 1).says == "hung"


class OrderOnCard:
    """A toy engine: the card's first byte is a count, the second so many kWh; the meter sets the second to zero."""

    def read(self, meter: Meter, image: bytes, at_ms: int) -> CardRead:
        order = Order(count=image[0], kind=OrderKind.PURCHASE, amount=image[1] * 1_000)
        try:
            accepted = meter.circuits[1].apply(order)
        except OrderRefused:
            return CardRead(says="CE-05", image=image)
        back = image[:1] + b"\0" + image[2:]
        return CardRead(says="", image=back, accepted=((1, accepted),) if accepted is not None else ())


def test_an_engine_that_is_given_reads_the_card_and_what_it_did_is_kept_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = site({**meter(), "card_slot": True})
    a_world = World(played, Store(tmp_path), now_ms=NOON_MS, card_reader=OrderOnCard())

    def full(*_: object) -> None:
        raise NotKept("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(a_world._store, "keep", full)
        with pytest.raises(NotKept):
            a_world.insert_card(NUMBER, b"\x01\x32", NOON_MS)
    read = a_world.insert_card(NUMBER, b"\x01\x32", NOON_MS)
    assert (read.says, read.image) == ("", b"\x01\0")
    assert a_world.eject_card(NUMBER, NOON_MS) == b"\x01\0"
    assert a_world.insert_card(NUMBER, b"\x07\x32", NOON_MS).says == "CE-05"
    assert "CE-05" in display(a_world)
    shown = circuit_of(a_world, NOON_MS)
    assert (shown["balance"], len(shown["accepted"])) == (50_000, 1)
    assert_books(shown)


def asked(a_world: World) -> Callable[..., tuple[int, dict[str, Any]]]:
    api = Api(a_world, now_ms=lambda: NOON_MS, ports=dict, faults_changed=lambda _: None, host="127.0.0.1")

    def ask(number: str, body: object = None) -> tuple[int, dict[str, Any]]:
        request = HttpRequest(
            method="GET" if body is None else "POST", path=("meters", number, "card"), query={},
            headers={"host": "localhost"}, body=b"" if body is None else json.dumps(body).encode(),
        )  # fmt: skip
        reply = asyncio.run(api.handle(request))
        found: dict[str, Any] = json.loads(reply.body)
        return reply.status, found

    return ask


def test_the_slot_has_doors_for_programs(tmp_path: Path) -> None:
    ask = asked(world(tmp_path, meter(1, profile="ningju-ddzy1218"), meter(2)))
    assert ask(NUMBER) == (200, {"number": NUMBER, "image": None, "says": ""})
    assert ask(NUMBER, {"image": "00 ff"})[1] == {"number": NUMBER, "says": "unreadable", "image": "00ff"}
    assert ask(NUMBER)[1]["image"] == "00ff"
    codes = [
        ask(number, body)[1]["error"]["code"]
        for number, body in (
            (NUMBER, {"image": "00"}), (NUMBER, {"image": "xy"}), (NUMBER, {"eject": True, "image": "00"}),
            ("202500000002", None), ("202500000002", {"eject": True}), ("209900000000", {"eject": True}),
        )
    ]  # fmt: skip
    assert codes == [
        "sim_card_in_slot", "sim_bad_request", "sim_bad_request", "sim_no_card_slot", "sim_no_card_slot",
        "sim_unknown_meter",
    ]  # fmt: skip
    assert ask(NUMBER, {"eject": True}) == (200, {"number": NUMBER, "image": "00ff"})
    assert ask(NUMBER, {"eject": True})[1]["error"]["code"] == "sim_slot_empty"
