"""The drivers of core against simulated meters, in memory and under a virtual clock: nothing lost, nothing doubled.

Driver and simulator share the codec and the addresses, and nothing else: the meter keeps its own books, and
they must agree with what the driver reported.
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest

from prewatt.core.meters import Profile
from prewatt.core.meters.drivers import Consult, Finished, MeterAddress, Send, converse
from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind, Outcome, Verdict, Wish
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.security import consult
from prewatt.core.meters.simulated_security import SimulatedProvider
from prewatt.core.meters.wallet import prices_for
from prewatt.field.simulator import SimulatedLine
from prewatt.field.simulator.site import faults_from
from tests.field.simulator.plant import MONEY, NOON_MS, NUMBER, SPM, assert_books, circuit_of, line, meter, world

QUIET_MS = 4_000  # longer than any late reply here: RTU has no number to tell a stale reply by (meters.md, 10.1)
GAP_MS = 500  # between conversations: a duplicate of the last read must not pass for the first of the next
TRIES = 60
ORDERS = 150
HURRIED = 500
STEP_LIMIT = 50
PROVIDER = SimulatedProvider(production=False, chance=lambda size: bytes(range(size)))  # of meters that ask for one
FIRST = MeterAddress(unit=1, number=NUMBER)

BAD_LINES: list[tuple[str, Literal["rtu", "tcp"], Mapping[str, object]]] = [
    ("lost", "rtu", {"lose_request": 0.1, "lose_reply": 0.2, "late_reply": 0.05, "duplicate_reply": 0.02}),
    ("late", "rtu", {"late_reply": 0.4, "late_ms": 1_900}),
    ("noisy", "rtu", {"corrupt": 0.15, "noise": 0.2, "collision": 0.05}),
    ("lost", "tcp", {"lose_request": 0.1, "lose_reply": 0.2, "late_reply": 0.05, "duplicate_reply": 0.02}),
    ("gateway that tells", "tcp", {"lose_request": 0.1, "lose_reply": 0.3}),
]


class Master:
    """The least a line must do: one conversation at a time, quiet after a reply was missed, its own clock."""

    def __init__(
        self,
        bus: SimulatedLine,
        transport: Literal["rtu", "tcp"],
        *,
        quiet_ms: int = QUIET_MS,
        gap_ms: int = GAP_MS,
        profile: Profile = SPM,
        address: MeterAddress = FIRST,
    ) -> None:
        self.profile, self.address = profile, address
        self.bus, self.transport, self.now_ms = bus, transport, NOON_MS
        self._quiet_ms, self._gap_ms = quiet_ms, gap_ms
        self._coming: list[tuple[int, bytes]] = []
        self._transaction = 0
        bus.connect(1)

    def do(self, job: Job) -> Outcome:
        self._transaction += 100
        conversation = converse(
            self.profile, self.address, job, transport=self.transport, baud=self.bus.site.baud,
            transaction=self._transaction,
        )  # fmt: skip
        sent_ms, missed = self.now_ms, False
        for _ in range(STEP_LIMIT):
            step = conversation.next()
            if isinstance(step, Finished):
                self._keep_quiet(self._quiet_ms if missed else self._gap_ms)
                return step.outcome
            if isinstance(step, Consult):
                conversation.answered(consult(PROVIDER, step.question))
                continue
            if isinstance(step, Send):
                sent_ms, wait_ms = self.now_ms, step.timeout_ms
                answers = self.bus.answer(1, step.data, self.now_ms)
                self._coming = sorted(self._coming + [(self.now_ms + delay_ms, data) for delay_ms, data in answers])
            else:
                wait_ms = step.deadline_ms
            if self._coming and self._coming[0][0] <= sent_ms + wait_ms:
                self.now_ms, data = max(self.now_ms, self._coming[0][0]), self._coming.pop(0)[1]
                conversation.receive(data)
            else:
                self.now_ms, missed = sent_ms + wait_ms, True
                conversation.timed_out()
        raise AssertionError("the conversation does not end")

    def _keep_quiet(self, quiet_ms: int) -> None:
        self.now_ms += quiet_ms
        self._coming = [(at_ms, data) for at_ms, data in self._coming if at_ms > self.now_ms]


def credit(count: int, amount_wh: int, kind: OrderKind = OrderKind.PURCHASE) -> Job:
    return Job(intent=Intent.CREDIT, order=Order(count=count, kind=kind, amount=amount_wh))


@pytest.mark.parametrize(("name", "transport", "faults"), BAD_LINES)
def test_every_order_arrives_once_over_a_bad_line(
    tmp_path: Path, name: str, transport: Literal["rtu", "tcp"], faults: Mapping[str, object]
) -> None:
    how = {"rtu": "rtu-over-tcp", "tcp": "modbus-tcp"}[transport]
    bad = line(transport=how, gateway_exceptions=name == "gateway that tells")
    profile = MONEY if name in ("late", "gateway that tells") else SPM  # both kinds of purse over both kinds of frame
    constant = {"kind": "constant", "peak_w": 1_500}
    priced = {f"price_{rate}": 870_000 for rate in ("sharp", "peak", "flat", "valley")}
    bought = meter(profile=profile.code, load=constant, settings=priced if profile is MONEY else {})
    a_world = world(tmp_path, bought, lines=[bad])
    master = Master(a_world.lines["a"], transport, profile=profile)
    master.bus.set_faults(faults_from({"seed": 11, **faults}))
    for count in range(1, ORDERS + 1):
        for _ in range(TRIES):
            outcome = master.do(credit(count, 1_000 * (1 + count % 7)))
            assert outcome.verdict not in (Verdict.REFUSED, Verdict.DISPUTED), (count, outcome)
            if outcome.verdict is Verdict.DONE:
                break
        else:
            raise AssertionError(f"order {count} never became certain")
    circuit = circuit_of(a_world, master.now_ms)
    assert [order["amount"] for order in circuit["accepted"]] == [1_000 * (1 + n % 7) for n in range(1, ORDERS + 1)]
    assert_books(circuit)


STALE_LINES: list[Mapping[str, object]] = [
    {"duplicate_reply": 0.5},
    {"late_reply": 0.3, "late_ms": 1_500, "duplicate_reply": 0.3},
    {"late_reply": 0.2, "late_ms": 2_900, "duplicate_reply": 0.2, "lose_reply": 0.1},
]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("faults", STALE_LINES)
def test_what_is_stale_disputes_nothing_and_confirms_nothing_even_for_a_master_in_a_hurry(
    tmp_path: Path, faults: Mapping[str, object], seed: int
) -> None:
    """The next conversation begins within milliseconds, so replies of the last ones fall into it all the time."""
    a_world = world(tmp_path, meter())
    master = Master(a_world.lines["a"], "rtu", quiet_ms=50, gap_ms=5)
    master.bus.set_faults(faults_from({"seed": seed, **faults}))
    held = a_world.accepted.setdefault((NUMBER, 1), [])
    for count in range(1, HURRIED + 1):
        if count % 3 == 0:
            master.do(Job(intent=Intent.READ_STATUS))  # a poll between two sales
        for _ in range(TRIES):
            outcome = master.do(credit(count, 1_000 * (1 + count % 7)))
            assert outcome.verdict not in (Verdict.REFUSED, Verdict.DISPUTED), (seed, count, outcome)
            if outcome.verdict is Verdict.DONE:
                assert held[-1].count == count, f"seed {seed}: order {count} was confirmed and is not in the meter"
                break
        else:
            raise AssertionError(f"seed {seed}: order {count} never became certain")
        wish = (Wish.TRIP, Wish.AUTOMATIC)[count % 2]
        if count % 10 < 2 and master.do(Job(intent=Intent.RELAY, wish=wish)).verdict is Verdict.DONE:
            relay = circuit_of(a_world, master.now_ms)["relay"]
            assert relay == ("open" if wish is Wish.TRIP else "closed"), (seed, count)
    circuit = circuit_of(a_world, master.now_ms)
    assert [order["amount"] for order in circuit["accepted"]] == [1_000 * (1 + n % 7) for n in range(1, HURRIED + 1)]
    assert_books(circuit)


def test_the_meters_own_reasons_come_through(tmp_path: Path) -> None:
    a_world = world(tmp_path, meter(settings={"hoarding_limit_wh": 50_000}))
    master = Master(a_world.lines["a"], "rtu")
    assert master.do(credit(1, 40_000)).verdict is Verdict.DONE
    refused = master.do(credit(2, 20_000))
    assert (refused.verdict, refused.code) == (Verdict.REFUSED, "meter_hoarding_limit")
    refused = master.do(credit(2, 50_000, OrderKind.RETURN))
    assert (refused.verdict, refused.code) == (Verdict.REFUSED, "meter_credit_too_low")
    assert master.do(credit(2, 40_000, OrderKind.RETURN)).verdict is Verdict.DONE
    assert circuit_of(a_world, master.now_ms)["balance"] == 0


def test_a_second_writer_makes_the_order_disputed(tmp_path: Path) -> None:
    a_world = world(tmp_path)
    master = Master(a_world.lines["a"], "rtu")
    assert master.do(credit(1, 5_000)).verdict is Verdict.DONE
    assert master.do(credit(1, 7_000)).verdict is Verdict.DISPUTED
    assert circuit_of(a_world, master.now_ms)["balance"] == 5_000


def test_wishes_and_settings_are_read_back_from_the_meter(tmp_path: Path) -> None:
    a_world = world(tmp_path, meter(opening={"balance_wh": 9_000}, load={"kind": "constant", "peak_w": 500}))
    master = Master(a_world.lines["a"], "rtu")
    for wish, relay in ((Wish.TRIP, "open"), (Wish.KEEP_ON, "closed"), (Wish.AUTOMATIC, "closed")):
        assert master.do(Job(intent=Intent.RELAY, wish=wish)).verdict is Verdict.DONE
        assert circuit_of(a_world, master.now_ms)["relay"] == relay
    levels = {Quantity.ALARM_LEVEL_1: 20_000, Quantity.ALARM_LEVEL_2: 5_000, Quantity.LOAD_LIMIT: 3_000}
    assert master.do(Job(intent=Intent.WRITE_SETTINGS, settings=levels)).verdict is Verdict.DONE
    assert a_world.meters[NUMBER].circuits[1].state.alarm_level_2_wh == 5_000
    purse = master.do(Job(intent=Intent.READ_PURSE)).values
    assert purse[Quantity.ALARM_LEVEL_1] == 20_000 and purse[Quantity.BALANCE] in range(8_990, 9_001)


def test_a_price_written_into_a_purse_is_what_it_drains_by_from_then_on(tmp_path: Path) -> None:
    a_world = world(
        tmp_path, meter(profile=MONEY.code, opening={"balance_wh": 9_000}, load={"kind": "constant", "peak_w": 1_000})
    )
    master = Master(a_world.lines["a"], "rtu", profile=MONEY)
    assert master.do(Job(intent=Intent.READ_STATUS)).values[Quantity.BALANCE] == 9_000
    prices = prices_for(Decimal("0.5"), MONEY.settings)
    assert master.do(Job(intent=Intent.WRITE_SETTINGS, settings=prices)).verdict is Verdict.DONE
    master.now_ms += 10 * 3_600_000
    purse = master.do(Job(intent=Intent.READ_PURSE)).values
    assert {each: purse[each] for each in prices} == prices
    assert purse[Quantity.BALANCE] == 9_000 - 500, "ten kWh at 0.5000 yuan"
    assert_books(circuit_of(a_world, master.now_ms))
