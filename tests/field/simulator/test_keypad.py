"""A simulated STS meter: what its keypad answers, what its credit does, and what it remembers."""

import json
import random
import re
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.sts import ManagementKind
from prewatt.field.simulator.fields import SiteError
from prewatt.field.simulator.line import NotKept
from prewatt.field.simulator.site import site_from
from prewatt.field.simulator.store import Store, StoreDamaged
from prewatt.field.simulator.world import World
from tests.field.simulator.plant import HOUR_MS, NOON_MS, assert_books, circuit_of, site_dict, stop, world
from tests.field.simulator.running import Simulator
from tests.field.simulator.token_desk import DRN, NEW, NOON_TID, NUMBER, PAN, credit, key_change, keypad, management

KILLS = 4
TOKENS = 160
STEP_MS = 1_000


def one(directory: Path, at_ms: int = NOON_MS, **changes: Any) -> World:
    return world(directory, keypads=[keypad(**changes)], at_ms=at_ms)


def type_in(a_world: World, digits: str, at_ms: int = NOON_MS) -> tuple[str, int]:
    """The code of the answer, and the credit after it."""
    entered = a_world.enter(NUMBER, digits, at_ms)
    return entered.code, a_world.keypad(NUMBER).circuit.state.balance_wh


def seen(a_world: World, at_ms: int) -> tuple[int, str]:
    """Credit and switch."""
    meter = a_world.keypad(NUMBER)
    meter.settle(at_ms)
    told = meter.describe()
    balance_wh, relay = told["balance_wh"], told["relay"]
    assert isinstance(balance_wh, int) and isinstance(relay, str)
    assert told["opening_wh"] == 5_000 and told["consumed_wh"] == meter.circuit.state.energy_wh - 100_000
    return balance_wh, relay


def test_a_token_is_accepted_once(tmp_path: Path) -> None:
    a = one(tmp_path)
    assert type_in(a, credit(500)) == ("accept", 55_000)
    assert type_in(a, credit(500)) == ("used", 55_000)
    entered = a.enter(NUMBER, credit(5, 1), NOON_MS)
    assert entered.accepted and "+0.5 kWh" in entered.text().en and "+0.5 kWh" in entered.text().zh


@pytest.mark.parametrize(
    ("digits", "code"),
    [
        (credit(500)[:-1], "format_error"),
        (credit(500) + "1", "format_error"),
        ("abcdefghijklmnopqrst", "format_error"),
        (credit(500)[:-1] + str((int(credit(500)[-1]) + 1) % 10), "crc_error"),
        (credit(500, key=NEW), "crc_error"),
        (credit(500, -600_000), "old"),
    ],
    ids=["19 digits", "21 digits", "letters", "a wrong digit", "another key", "older than the meter"],
)
def test_a_refused_token_changes_no_credit_and_says_why(tmp_path: Path, digits: str, code: str) -> None:
    a = one(tmp_path)
    assert type_in(a, digits) == (code, 5_000)
    text = a.keypad(NUMBER).entries[-1].text()
    assert text.en and text.zh and text.en != text.zh


def test_credit_counts_down_and_the_switch_opens_at_zero_and_closes_with_the_next_token(tmp_path: Path) -> None:
    a = one(tmp_path)
    assert seen(a, NOON_MS + 1_250 * STEP_MS) == (3_750, "closed")
    assert seen(a, NOON_MS + 4_999 * STEP_MS + 999) == (1, "closed")
    assert seen(a, NOON_MS + 5_000 * STEP_MS) == (0, "open")
    assert seen(a, NOON_MS + HOUR_MS * 5) == (0, "open"), "nothing is used without credit"
    assert type_in(a, credit(10, 300), NOON_MS + HOUR_MS * 5) == ("accept", 1_000)
    assert seen(a, NOON_MS + HOUR_MS * 5 + 100 * STEP_MS) == (900, "closed")


def test_what_lies_below_a_tenth_is_neither_lost_nor_given(tmp_path: Path) -> None:
    a = one(tmp_path)
    assert type_in(a, credit(10), NOON_MS + 33 * STEP_MS) == ("accept", 5_967)
    assert type_in(a, management(ManagementKind.CLEAR_CREDIT, 0, 5), NOON_MS + 34 * STEP_MS) == ("accept", 0)
    assert_books(circuit_of(a, NOON_MS + 34 * STEP_MS, NUMBER))
    stop(a)
    a = one(tmp_path, NOON_MS + 34 * STEP_MS)
    circuit = circuit_of(a, NOON_MS + 34 * STEP_MS, NUMBER)
    assert [each["kind"] for each in circuit["accepted"]] == ["purchase", "clear"]
    assert_books(circuit)
    assert seen(a, NOON_MS + 35 * STEP_MS) == (0, "open")


def test_a_power_limit_trips_and_the_key_closes_again(tmp_path: Path) -> None:
    a = one(tmp_path)
    assert type_in(a, management(ManagementKind.POWER_LIMIT, 2_000, 5))[0] == "accept"
    assert seen(a, NOON_MS + 6 * STEP_MS)[1] == "open"
    a.connect(NUMBER, 1_000, NOON_MS + 7 * STEP_MS)
    a.hold_key(NUMBER, NOON_MS + 7 * STEP_MS)
    assert seen(a, NOON_MS + 60 * STEP_MS)[1] == "closed"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_key_change_goes_on_after_a_power_failure_and_ends_the_old_key(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    a, parts = one(tmp_path), key_change()
    assert type_in(a, parts[order[0]]) == (f"key_part_{order[0] + 1}", 5_000)
    stop(a)
    b = one(tmp_path, NOON_MS + STEP_MS)
    assert b.keypad(NUMBER).describe()["key_parts"] == 1
    assert type_in(b, credit(10), NOON_MS + STEP_MS)[0] == "accept", "the old key is in force until the set is whole"
    assert type_in(b, parts[order[1]], NOON_MS + STEP_MS)[0] == "accept"
    stop(b)
    c = one(tmp_path, NOON_MS + 2 * STEP_MS)
    held = c.keypad(NUMBER).sts.key
    assert (held.value, held.krn, held.sgc) == (NEW.value, 2, None), "two tokens do not say the supply group"
    assert type_in(c, credit(20, 1), NOON_MS + 2 * STEP_MS)[0] == "crc_error"
    assert type_in(c, credit(20, 1, NEW), NOON_MS + 2 * STEP_MS)[0] == "accept"
    assert type_in(c, credit(10, 0, NEW), NOON_MS + 2 * STEP_MS)[0] == "used", "the TIDs outlive the key"


def test_a_set_that_is_not_completed_in_time_starts_again(tmp_path: Path) -> None:
    a, parts = one(tmp_path), key_change()
    type_in(a, parts[0])
    assert type_in(a, parts[1], NOON_MS + 601 * STEP_MS)[0] == "key_part_2"


def test_tokens_taken_before_the_first_start_are_used(tmp_path: Path) -> None:
    a = one(tmp_path, taken_tids=[NOON_TID + 7])
    assert type_in(a, credit(10, 7))[0] == "used"
    assert type_in(a, credit(10, 8))[0] == "accept"


def test_what_could_not_be_kept_did_not_happen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = one(tmp_path)

    def full(*_: object) -> None:
        raise NotKept("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(Store, "keep_keypad", full)
        with pytest.raises(NotKept):
            a.enter(NUMBER, credit(500), NOON_MS)
    assert seen(a, NOON_MS)[0] == 5_000 and not a.keypad(NUMBER).entries
    assert type_in(a, credit(500)) == ("accept", 55_000)


def test_an_answer_that_nobody_saw_was_kept_all_the_same(tmp_path: Path) -> None:
    a = one(tmp_path)
    a.enter(NUMBER, credit(500), NOON_MS)
    stop(a)
    b = one(tmp_path, NOON_MS + STEP_MS)
    assert type_in(b, credit(500), NOON_MS + STEP_MS) == ("used", 54_999)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"number": DRN}, "not_a_name"),
        ({"number": "202500000001"}, "duplicate"),
        ({"unit": 1}, "duplicate"),
        ({"line": "z"}, "unknown_line"),
        ({"key": {**keypad()["key"], "meter_pan": PAN[:-1] + str((int(PAN[-1]) + 1) % 10)}}, "meter_pan_check_digit"),
        ({"key": {**keypad()["key"], "ea": "09"}}, "wrong_key"),
        ({"key": {**keypad()["key"], "value": "5b0d"}}, "not_a_name"),
        ({"taken_tids": [True]}, "not_an_integer"),
        ({"surplus": 1}, "unknown_key"),
    ],
)
def test_a_site_file_that_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(SiteError) as refused:
        one(tmp_path, **changes)
    assert refused.value.code == code


def test_a_number_is_there_once_and_a_site_file_without_such_meters_is_as_before(tmp_path: Path) -> None:
    with pytest.raises(SiteError):
        site_from(site_dict(keypads=[keypad(), keypad()]))
    assert world(tmp_path).keypads == {}


def test_a_damaged_memory_is_told(tmp_path: Path) -> None:
    a = one(tmp_path)
    with a._store._db as db:
        db.execute("UPDATE keypad SET state = '{}'")
    stop(a)
    with pytest.raises(StoreDamaged):
        one(tmp_path)


# over the wire


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    found = Simulator(tmp_path, keypads=[keypad(load={"kind": "none"})]).start()
    yield found
    found.stop()


def ask(simulator: Simulator, path: str, body: object = None) -> tuple[int, Any]:
    status, text = simulator.ask(path, body)
    return status, json.loads(text)


def form(simulator: Simulator, **fields: str) -> str:
    """A form sent from the meter's page; the page that follows."""
    data = "&".join(f"{name}={value.replace(' ', '+')}" for name, value in fields.items()).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    status, text = simulator.ask(f"/sts/{NUMBER}?lang=en", raw=data, headers=headers)
    assert status == 200
    return text


def test_the_doors_and_the_page(simulator: Simulator) -> None:
    token = credit(125)
    status, state = ask(simulator, f"/api/sts/{NUMBER}")
    assert (status, state["balance_wh"], state["relay"], state["key"]["krn"]) == (200, 5_000, "closed", 1)
    assert "value" not in state["key"] and [each["number"] for each in ask(simulator, "/api/sts")[1]] == [NUMBER]
    status, answer = ask(simulator, f"/api/sts/{NUMBER}/keypad", {"token": " ".join(re.findall("....", token))})
    assert (status, answer["accepted"], answer["code"], answer["balance_wh"]) == (200, True, "accept", 17_500)
    assert set(answer["text"]) == {"en", "zh"}
    assert ask(simulator, f"/api/sts/{NUMBER}/keypad", {"token": token})[1]["code"] == "used"
    assert ask(simulator, f"/api/sts/{NUMBER}/keypad", {"token": 5})[0] == 400
    assert ask(simulator, f"/api/sts/{NUMBER}/keypad")[0] == 405
    assert ask(simulator, "/api/sts/11000000000/keypad", {"token": token})[1]["error"]["code"] == "sim_unknown_meter"
    assert ask(simulator, f"/api/sts/{NUMBER}", {"load_w": 3_600})[0] == 200
    assert ask(simulator, f"/api/sts/{NUMBER}")[1]["power_w"] == 3_600
    assert ask(simulator, "/api/sts/x/y/z")[0] == 404 and simulator.ask("/api/other")[0] == 404
    assert ask(simulator, f"/api/sts/{DRN}")[1]["number"] == NUMBER, "the label bears both numbers"
    listed = simulator.meters()[-1]
    assert (listed["number"], listed["line"], listed["unit"]) == (NUMBER, "a", 99) and len(simulator.meters()) == 2
    assert_books(listed["circuits"][0])
    assert [each["amount"] for each in listed["circuits"][0]["accepted"]] == [12_500]
    assert simulator.ask(f"/meters/{NUMBER}", {"load_w": 0, "silent": True})[0] == 200
    assert simulator.ask(f"/meters/{NUMBER}", {"index": 2, "load_w": 0})[0] == 404

    page = form(simulator, token="12", press="3")
    assert 'value="123"' in page and "Refused" not in page
    assert 'value="1234 5"' in form(simulator, token="1234", press="5")
    assert 'value="1234"' in form(simulator, token="1234 5", press="back")
    assert 'value=""' in form(simulator, token="1234", press="clear")
    page = form(simulator, token=credit(10, 1), press="enter")
    assert "Accepted" in page and "+1.0 kWh" in page
    page = form(simulator, token=credit(10, 1))
    assert "Refused" in page and "<code>used</code>" in page
    assert "18." in simulator.ask(f"/sts/{NUMBER}/display?lang=en")[1]
    assert NUMBER in simulator.ask("/?lang=zh")[1] and "STS 电表" in simulator.ask(f"/sts/{NUMBER}?lang=zh")[1]


def type_all(simulator: Simulator, tokens: list[str], told: list[str]) -> None:
    """Type what has no answer yet, until the process is gone."""
    try:
        while len(told) < len(tokens):
            told.append(ask(simulator, f"/api/sts/{NUMBER}/keypad", {"token": tokens[len(told)]})[1]["code"])
    except (OSError, HTTPException, ValueError):
        return


def test_kills_at_any_moment_lose_no_token_and_count_none_twice(tmp_path: Path) -> None:
    """A token whose answer was lost is typed again: it is accepted, or it is used. Never both, never neither."""
    simulator = Simulator(tmp_path, keypads=[keypad(load={"kind": "none"})]).start()
    chance, tokens, told = random.Random(7), [credit(10, minutes) for minutes in range(TOKENS)], list[str]()
    for _ in range(KILLS):
        typist = threading.Thread(target=type_all, args=(simulator, tokens, told))
        typist.start()
        time.sleep(chance.uniform(0.01, 0.08))
        simulator.kill()
        typist.join(60)
        assert not typist.is_alive() and len(told) < TOKENS
        simulator.start()
    answered = len(told)
    type_all(simulator, tokens, told)
    assert len(told) == TOKENS and set(told[answered + 1 :]) == {"accept"} and set(told) <= {"accept", "used"}
    again = [ask(simulator, f"/api/sts/{NUMBER}/keypad", {"token": token})[1]["code"] for token in tokens[-50:]]
    assert again == ["used"] * 50
    assert ask(simulator, f"/api/sts/{NUMBER}")[1]["balance_wh"] == 5_000 + TOKENS * 1_000
    assert_books(simulator.circuit(NUMBER))
    assert simulator.stop() == 0
