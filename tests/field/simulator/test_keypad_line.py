"""An STS meter on a line: the one that the keypad types into, over real Modbus bytes, with faults and restarts."""

from pathlib import Path
from typing import Any, Final

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import Await, Finished, MeterAddress, Send, converse
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict, Wish
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.field.simulator.events import Event
from prewatt.field.simulator.fields import SiteError
from prewatt.field.simulator.keypad_page import visit
from prewatt.field.simulator.line import NotKept
from prewatt.field.simulator.site import Faults
from prewatt.field.simulator.world import World
from tests.field.simulator.plant import NOON_MS, assert_books, circuit_of, stop, world
from tests.field.simulator.token_desk import NEW, NUMBER, credit, key_change, keypad

PROFILE: Final = catalogue()["sts-rs485"]
UNIT: Final = 7
CONNECTION: Final = 1


def one(directory: Path, profile: str = "sts-rs485", at_ms: int = NOON_MS) -> World:
    made = keypad(profile=profile, unit=UNIT, wired=True, load={"kind": "none"})
    return world(directory, keypads=[made], at_ms=at_ms)


class Site:
    """A world whose line carries conversations, in its own time."""

    def __init__(self, a_world: World) -> None:
        self.world, self.at_ms = a_world, NOON_MS
        self.line = a_world.lines["a"]
        self.line.connect(CONNECTION)

    def run(self, job: Job, profile: str = "sts-rs485") -> Outcome:
        talk = converse(catalogue()[profile], MeterAddress(unit=UNIT, number=NUMBER), job, transport="rtu", link_ms=10)
        sent_ms = self.at_ms
        while not isinstance(step := talk.next(), Finished):
            if isinstance(step, Send):
                sent_ms = self.at_ms
                self.line.receive(CONNECTION, step.data, self.at_ms)
                until_ms = sent_ms + step.timeout_ms
            else:
                assert isinstance(step, Await)
                until_ms = sent_ms + step.deadline_ms
            due_ms = self.line.next_due_ms()
            if due_ms is None or due_ms > until_ms:
                self.at_ms = max(self.at_ms, until_ms)
                talk.timed_out()
                continue
            self.at_ms = max(self.at_ms, due_ms)
            for output in self.line.advance(self.at_ms):
                talk.receive(output.data)
        return step.outcome

    def token(self, digits: str, *, again: bool = False, **more: Any) -> Outcome:
        return self.run(Job(intent=Intent.ENTER_TOKEN, token=digits, again=again), **more)

    def to_the_end(self, digits: str) -> Outcome:
        sent = False
        for _ in range(40):
            outcome = self.token(digits, again=sent)
            sent = sent or outcome.sent
            if outcome.verdict not in (Verdict.SILENT, Verdict.UNKNOWN):
                return outcome
        raise AssertionError("never known")


def told(outcome: Outcome) -> tuple[Verdict, str | None]:
    return outcome.verdict, outcome.code


@pytest.mark.parametrize("profile", ["sts-rs485", "pilot-spm2506-6"])
def test_a_token_over_the_line_is_the_one_the_keypad_would_have_taken(tmp_path: Path, profile: str) -> None:
    site = Site(one(tmp_path, profile))
    outcome = site.token(credit(500), profile=profile)
    assert told(outcome) == (Verdict.DONE, None)
    assert outcome.values[Quantity.TOKEN_CREDIT] == 50_000 and outcome.values[Quantity.BALANCE] == 55_000
    assert site.world.enter(NUMBER, credit(500), site.at_ms).code == "used"
    assert told(site.token(credit(500))) == (Verdict.DONE, "meter_token_used")
    assert_books(circuit_of(site.world, site.at_ms, NUMBER))


def test_what_was_typed_in_is_what_the_line_shows_as_judged_last(tmp_path: Path) -> None:
    site = Site(one(tmp_path))
    assert site.world.enter(NUMBER, credit(500), NOON_MS).accepted
    outcome = site.token(credit(500))
    assert told(outcome) == (Verdict.DONE, None) and not outcome.sent


def test_a_key_change_set_goes_over_the_line_and_the_old_key_is_gone(tmp_path: Path) -> None:
    site = Site(one(tmp_path))
    assert [site.token(each).verdict for each in key_change()] == [Verdict.DONE] * 2
    assert told(site.token(credit(10))) == (Verdict.REFUSED, "meter_token_crc")


def test_it_remembers_through_a_kill_what_came_over_the_line(tmp_path: Path) -> None:
    site = Site(one(tmp_path))
    site.token(credit(500))
    site.run(Job(intent=Intent.RELAY, wish=Wish.TRIP))
    stop(site.world)
    again = Site(one(tmp_path, at_ms=site.at_ms))
    outcome = again.token(credit(500))
    assert told(outcome) == (Verdict.DONE, None) and not outcome.sent, "the last token judged is remembered too"
    told_by = again.run(Job(intent=Intent.READ_STATUS)).values
    assert (told_by[Quantity.BALANCE], told_by[Quantity.RELAY], told_by[Quantity.FORCE_CONTROL]) == (55_000, 0, 1)


def test_a_token_that_could_not_be_kept_was_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(one(tmp_path))

    def full(*_: object) -> None:
        raise NotKept("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(site.world._store, "keep_keypad", full)
        assert site.token(credit(500)).verdict is Verdict.REFUSED
    assert told(site.token(credit(500))) == (Verdict.DONE, None)
    assert circuit_of(site.world, site.at_ms, NUMBER)["balance"] == 55_000


def test_lost_late_and_doubled_replies_and_kills_enter_no_token_twice(tmp_path: Path) -> None:
    """Twenty tokens, a third of all replies lost, late or doubled, a kill after each seventh."""
    bad = Faults(seed=5, lose_reply=0.2, lose_request=0.05, late_reply=0.1, late_ms=900, duplicate_reply=0.1)
    site = Site(one(tmp_path))
    for each in range(20):
        site.line.set_faults(bad)
        outcome = site.to_the_end(credit(10, each))
        assert outcome.verdict is Verdict.DONE
        if each % 7 == 6:
            stop(site.world)
            at_ms = site.at_ms
            site = Site(one(tmp_path, at_ms=at_ms))
            site.at_ms = at_ms
    shown = circuit_of(site.world, site.at_ms, NUMBER)
    assert (shown["balance"], len(shown["accepted"])) == (25_000, 20)
    assert_books(shown)


def test_a_silent_one_says_nothing_until_it_is_told_to(tmp_path: Path) -> None:
    site = Site(one(tmp_path))
    site.world.command(NUMBER, NOON_MS, silent=True)
    assert told(site.token(credit(500))) == (Verdict.SILENT, "no_reply")
    site.world.command(NUMBER, NOON_MS, silent=False)
    assert site.token(credit(500)).verdict is Verdict.DONE


def six_loops(directory: Path, loops: int = 2) -> World:
    """An SPM2506 whose loops have keys of their own: the second's is another meter's to the first."""
    made = keypad(profile="pilot-spm2506-6", unit=UNIT, wired=True, load={"kind": "none"})
    own = {name: made[name] for name in ("made_tid", "opening", "load")}
    key = {**made["key"], "value": NEW.value.hex(), "krn": 2}
    further = [{"index": index, "place": f"1-61{index}", "key": key, **own} for index in range(2, loops + 1)]
    return world(directory, keypads=[{**made, "circuits": further}])


def loop(site: Site, index: int, digits: str) -> Outcome:
    job = Job(intent=Intent.ENTER_TOKEN, token=digits, circuit_index=index)
    return site.run(job, "pilot-spm2506-6")


def test_each_loop_of_a_meter_takes_its_own_tokens_alone(tmp_path: Path) -> None:
    site = Site(six_loops(tmp_path))
    second = credit(300, 1, NEW)
    assert told(loop(site, 1, second)) == (Verdict.REFUSED, "meter_token_crc")
    taken = loop(site, 2, second)
    assert told(taken) == (Verdict.DONE, None) and taken.values[Quantity.TOKEN_CREDIT] == 30_000
    assert told(loop(site, 1, credit(500))) == (Verdict.DONE, None)
    assert site.world.enter(f"{NUMBER}-2", second, site.at_ms).code == "used", "its keypad shows the same meter"
    stop(site.world)
    again = Site(six_loops(tmp_path))
    (shown,) = [each for each in again.world.describe(site.at_ms, {}) if str(each["number"]).startswith(NUMBER)]
    circuits: Any = shown["circuits"]
    assert (shown["number"], [each["balance"] for each in circuits]) == (NUMBER, [55_000, 35_000])
    for each in circuits:
        assert_books(each)
        assert len(each["accepted"]) == 1
    assert told(loop(again, 2, second)) == (Verdict.DONE, "meter_token_used"), "and remembers through a kill"
    again.world.command(NUMBER, again.at_ms, index=2, load_w=1_000)
    assert again.world.wired[NUMBER].circuits[2].load_w(again.at_ms)[0] == 1_000


def test_what_happens_to_a_loop_is_told_of_that_loop(tmp_path: Path) -> None:
    site = Site(six_loops(tmp_path))
    site.world.happen(f"{NUMBER}-2", Event.COVER_OPEN, None, NOON_MS)
    profile = catalogue()["pilot-spm2506-6"]
    told_by = [site.run(Job(intent=Intent.READ_STATUS, circuit_index=index), profile.code) for index in (1, 2)]
    tampered = [StatusBit.TAMPER in profile.bits(each.values[Quantity.STATUS]) for each in told_by]
    assert tampered == [False, True]
    assert 'value="cover_closed"' in visit(site.world.keypads[f"{NUMBER}-2"], "en", answered=False, wired=True)
    assert "cover" not in visit(site.world.keypads[f"{NUMBER}-2"], "en", answered=False)


def test_loops_that_a_model_has_not_or_that_leave_a_gap_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SiteError) as refused:
        six_loops(tmp_path, loops=7)
    assert refused.value.code == "bad_circuits"
    alone = keypad(circuits=[{"index": 2, "place": "x", "key": keypad()["key"], "made_tid": 1}])
    with pytest.raises(SiteError) as refused:
        world(tmp_path / "2", keypads=[alone])
    assert refused.value.code == "bad_circuits", "one that is on no line has no loops to tell apart"


def test_a_model_that_takes_no_tokens_over_a_line_cannot_be_wired(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="takes no tokens"):
        one(tmp_path, profile="sts-keypad")
