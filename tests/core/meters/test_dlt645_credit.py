"""Credit in DL/T 645 meters against a meter with books of its own: one fault at every place, many faults by chance,
what each refusal is told as, and a security provider that is away, missing, odd or has the wrong keys."""

import json
import random
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.credit import GRID_REFUSALS
from prewatt.core.meters.drivers import MeterAddress, Send, converse
from prewatt.core.meters.drivers.dlt645_credit import order_number
from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind, Outcome, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.security import AskChallenge, Challenge, Declined, Part, Session, consult
from prewatt.core.meters.simulated_security import SimulatedProvider
from prewatt.core.refusals import CHINESE, ENGLISH, Refused, message, texts
from prewatt.core.wire.dlt645 import COST_ERRORS, Decoder, Frame, Function, decode, encode, refuse
from prewatt.core.wire.dlt645.charging import AUTHENTICATE, RECHARGE, VALIDITY, numbered_order
from prewatt.field.simulator.charging import ChargeState
from prewatt.field.simulator.data_meter import DataMeter
from prewatt.field.simulator.world import World
from tests.core.meters.bench import AnyLine, Fault, simulated
from tests.field.simulator.plant import NOON_MS, meter, stop, world

NUMBER: Final = "202500000001"
ORDER, GRID = "generic-dlt645-order", "generic-dlt645-grid"
FAMILIES: Final = (ORDER, GRID)
DAY_MS: Final = 86_400_000
MADE: Final[dict[str, Any]] = {"production": False, "chance": secrets.token_bytes}
VECTORS: Final = Path(__file__).parents[2] / "vectors" / "dlt645"


class Metered:
    """What `AnyLine` needs of a meter: a simulated one, a minute further at every frame."""

    def __init__(self, simulated: DataMeter) -> None:
        self.simulated, self.profile, self.at_ms = simulated, simulated.profile, NOON_MS
        self.accepted: list[tuple[int, str, int]] = []
        self.charges: list[int] = []  # identifiers of function 03 it heard
        self.says: dict[int, int] = {}  # refuses the identifier with this word

    def handle(self, frame: Frame) -> Frame | None:
        self.at_ms += 10
        if frame.function == Function.COST_CONTROL:
            self.charges.append(frame.di or 0)
            if frame.di in self.says:
                size = 2 if self.profile.code == GRID else 1
                return refuse(frame, self.simulated.address, self.says[frame.di], size=size)
        handled = self.simulated.handle_frame(frame, self.at_ms)
        self.accepted += [(each.count, each.kind.value, each.amount_wh) for _, each in handled.accepted]
        return handled.reply


class ChargeLine(AnyLine[Metered]):
    def _answer(self, data: bytes, fault: Fault) -> bytes:
        (request,) = Decoder().receive(data)
        answer = self.meter.handle(request)
        return b"" if answer is None else encode(answer)

    def credit(self, count: int, amount: int, kind: OrderKind = OrderKind.PURCHASE) -> Outcome:
        order = Order(count=count, kind=kind, amount=amount)
        return self.run(Job(intent=Intent.CREDIT, order=order), number=NUMBER, unit=1)


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Any]:
    made: list[World] = []

    def one(profile: str, **circuit: Any) -> ChargeLine:
        site = world(tmp_path / str(len(made)), meter(1, profile=profile, **circuit))
        made.append(site)
        simulated = site.meters[NUMBER]
        assert isinstance(simulated, DataMeter)
        return ChargeLine(Metered(simulated))

    yield one
    for site in made:
        stop(site)


def balance(line: ChargeLine) -> int:
    return line.meter.simulated.circuits[1].state.balance_wh


# the order and its number


def test_the_order_of_the_captured_meter_is_what_the_driver_would_send() -> None:
    """The capture's own order number is its server's; every other byte is ours."""
    frames = json.loads((VECTORS / "frames.json").read_text(encoding="utf-8"))["exchanges"]
    (vector,) = [each for each in frames if each["id"] == "u-recharge"]
    captured = decode(bytes.fromhex(vector["request"]["hex"]))
    order = numbered_order(captured.data[8:])
    assert order is not None
    assert (order.amount, order.meter, captured.di) == (10_000, "260305510012", RECHARGE)
    assert order.wire() == captured.data[8:]


def test_an_order_has_one_number_whenever_it_is_sent_and_shares_it_with_no_other() -> None:
    assert order_number("260305510012", 7) == order_number("260305510012", 7) == "0305510012000007"
    numbers = {order_number(f"{meter:012d}", count) for meter in range(50) for count in range(1, 50)}
    assert len(numbers) == 50 * 49 and {len(each) for each in numbers} == {16}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_purse_is_read_the_order_sent_once_and_the_purse_read_again(lines: Any, family: str) -> None:
    line = lines(family)
    outcome = line.credit(1, 5_000)
    assert (outcome.verdict, outcome.sent, balance(line)) == (Verdict.DONE, True, 5_000)
    assert outcome.values[Quantity.PURCHASE_COUNT] == 1
    assert outcome.values[Quantity.LAST_ORDER_AMOUNT] == outcome.values[Quantity.BALANCE] == 5_000
    again = line.credit(1, 5_000)
    assert (again.verdict, again.sent, balance(line)) == (Verdict.DONE, False, 5_000)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("count", "amount", "code"), [(1, 700, "meter_count_taken"), (4, 700, "meter_count_differs")]
)
def test_a_purse_that_stands_elsewhere_is_for_a_person_and_nothing_is_sent(
    lines: Any, family: str, count: int, amount: int, code: str
) -> None:
    line = lines(family)
    assert line.credit(1, 5_000).verdict is Verdict.DONE
    outcome = line.credit(count, amount)
    assert (outcome.verdict, outcome.code, outcome.sent) == (Verdict.DISPUTED, code, False)
    assert outcome.values[Quantity.PURCHASE_COUNT] == 1 and outcome.values[Quantity.BALANCE] == 5_000


def test_what_was_overdrawn_stands_apart_in_the_meter_and_is_one_balance_to_us(lines: Any) -> None:
    for family in FAMILIES:
        line = lines(family, opening={"balance_wh": -350, "purchase_count": 2}, settings={"overdraft_limit_wh": 1_000})
        outcome = line.run(Job(intent=Intent.READ_STATUS), number=NUMBER, unit=1)
        assert (outcome.values[Quantity.BALANCE], outcome.values[Quantity.OVERDRAWN]) == (-350, 350)
        assert line.credit(3, 1_000).values[Quantity.BALANCE] == 650


# a bad line


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("fault", [each for each in Fault if each not in (Fault.NONE, Fault.EXCEPTION,
                                                                         Fault.GATEWAY_EXCEPTION)])  # fmt: skip
def test_one_fault_at_any_place_neither_loses_nor_doubles_nor_lies(lines: Any, family: str, fault: Fault) -> None:
    clean = lines(family)
    assert clean.credit(1, 5_000).verdict is Verdict.DONE
    line = lines(family)
    for count, at in enumerate(range(clean.sends), 1):
        line.faults, line.sends, line.stale = {at: fault}, 0, b""
        first = line.credit(count, 1_000 + count)
        applied = [each[0] for each in line.meter.accepted].count(count)
        assert applied <= 1
        if first.verdict is Verdict.DONE:
            assert applied == 1
        else:
            assert first.verdict in (Verdict.SILENT, Verdict.UNKNOWN), (at, first)
            line.faults, line.stale = {}, b""
            assert line.credit(count, 1_000 + count).verdict is Verdict.DONE, (at, first)
        assert [each[0] for each in line.meter.accepted].count(count) == 1
    assert balance(line) == sum(1_000 + count for count in range(1, clean.sends + 1))


@pytest.mark.parametrize("family", FAMILIES)
def test_three_hundred_orders_over_a_bad_line_are_credited_once_each(lines: Any, family: str) -> None:
    odds = {
        Fault.NONE: 70, Fault.REQUEST_LOST: 7, Fault.REPLY_LOST: 10, Fault.REPLY_LATE: 4, Fault.REPLY_VERY_LATE: 3,
        Fault.REPLY_CORRUPT: 2, Fault.REPLY_TWICE: 3, Fault.NOISE_FIRST: 1,
    }  # fmt: skip
    chance, line, unsure, sum_minor = random.Random(20261121), lines(family), 0, 0
    for count in range(1, 301):
        returns = family == ORDER and count % 7 == 0
        kind, amount = (OrderKind.RETURN, 100) if returns else (OrderKind.PURCHASE, chance.randrange(100, 5_000))
        for _ in range(60):
            line.faults = {line.sends + n: chance.choices(list(odds), list(odds.values()))[0] for n in range(60)}
            outcome = line.credit(count, amount, kind)
            assert outcome.verdict in (Verdict.DONE, Verdict.SILENT, Verdict.UNKNOWN), (count, outcome)
            unsure += outcome.verdict is Verdict.UNKNOWN
            if outcome.verdict is Verdict.DONE:
                break
            line.stale = b""
        else:
            pytest.fail(f"order {count} was never done")
        sum_minor += -amount if returns else amount
    assert [each[0] for each in line.meter.accepted] == list(range(1, 301))
    assert balance(line) == sum_minor
    assert unsure > 10, "the line was too good to prove anything"


# what the meter refuses


@pytest.mark.parametrize("name", COST_ERRORS)
def test_every_error_word_of_a_state_grid_meter_has_a_code_with_both_texts(lines: Any, name: str) -> None:
    line = lines(GRID)
    line.meter.says = {RECHARGE: 1 << COST_ERRORS.index(name), 0x070101FF: 1 << COST_ERRORS.index(name)}
    outcome = line.credit(1, 5_000)
    code = GRID_REFUSALS.get(name, "meter_refused")
    told = Verdict.DISPUTED if name == "repeated_recharge" else Verdict.REFUSED  # its count says that it has it not
    assert (outcome.verdict, outcome.code) == (told, code)
    assert code in texts and message(code, ENGLISH) != message(code, CHINESE)
    assert balance(line) == 0


def test_an_error_byte_of_an_order_number_meter_is_what_its_profile_says(lines: Any) -> None:
    for word, code in (*catalogue()[ORDER].credit.results.items(), (0x77, "meter_refused")):  # type: ignore[union-attr]
        line = lines(ORDER)
        line.meter.says = {RECHARGE: word}
        outcome = line.credit(1, 5_000)
        told = Verdict.DISPUTED if code == "meter_recharge_repeated" else Verdict.REFUSED
        assert (outcome.verdict, outcome.code) == (told, code)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_repeat_that_the_meter_refuses_is_delivered_when_its_purse_shows_the_same(lines: Any, family: str) -> None:
    """The count that is read first is of the past, so the order goes out again; the meter says that it has it."""
    line = lines(family)
    assert line.credit(1, 5_000).verdict is Verdict.DONE
    circuit = line.meter.simulated.circuits[1].state
    circuit.purchase_count = 0

    def now_as_it_is(meter: Metered) -> None:
        circuit.purchase_count = 1

    order_at = 4 if family == ORDER else 9  # the n-th frame is the order itself
    line.sends, line.before = 0, {order_at: now_as_it_is}
    outcome = line.credit(1, 5_000)
    assert (outcome.verdict, outcome.sent, balance(line)) == (Verdict.DONE, True, 5_000)
    assert line.meter.charges[-1 if family == ORDER else -2] == RECHARGE


def test_a_meter_that_has_the_order_by_its_number_and_not_by_its_count_is_for_a_person(lines: Any) -> None:
    line = lines(ORDER)
    assert line.credit(1, 5_000).verdict is Verdict.DONE
    line.meter.simulated.circuits[1].state.purchase_count = 0
    outcome = line.credit(1, 5_000)
    assert (outcome.verdict, outcome.code, balance(line)) == (Verdict.DISPUTED, "meter_recharge_repeated", 5_000)
    assert ChargeState(**line.meter.simulated.state.charge).last_order == order_number(NUMBER, 1)


# the security provider


class Away:
    name, simulated = "away", True

    def challenge(self, meter: str) -> Challenge:
        raise Refused("security_provider_away")

    def seal(self, meter: str, session: Session, parts: tuple[Part, ...]) -> tuple[bytes, ...]:
        raise Refused("security_provider_away")


class WrongKey(SimulatedProvider):
    """Another meter's keys: the authentication already shows it."""

    def challenge(self, meter: str) -> Challenge:
        return super().challenge("000000000000")


class WrongCodes(SimulatedProvider):
    def seal(self, meter: str, session: Session, parts: tuple[Part, ...]) -> tuple[bytes, ...]:
        return tuple(bytes(4) for _ in parts)


class Odd(SimulatedProvider):
    def seal(self, meter: str, session: Session, parts: tuple[Part, ...]) -> tuple[bytes, ...]:
        return (b"\x00",)


@pytest.mark.parametrize(
    ("provider", "verdict", "code"),
    [
        (None, Verdict.REFUSED, "security_provider_missing"),
        (Away(), Verdict.SILENT, "security_provider_away"),
        (Odd(**MADE), Verdict.REFUSED, "security_provider_odd"),
        (WrongKey(**MADE), Verdict.REFUSED, "meter_authentication_failed"),
        (WrongCodes(**MADE), Verdict.REFUSED, "meter_mac_wrong"),
    ],
)
def test_without_a_good_provider_no_credit_moves_and_the_reason_is_told(
    lines: Any, provider: Any, verdict: Verdict, code: str
) -> None:
    line = lines(GRID)
    line.provider = provider
    outcome = line.credit(1, 5_000)
    assert (outcome.verdict, outcome.code, outcome.sent, balance(line)) == (verdict, code, False, 0)
    assert code in texts
    assert RECHARGE not in line.meter.charges and 0x070101FF not in line.meter.charges


def test_an_order_that_arrived_before_is_told_so_although_the_provider_is_gone_now(lines: Any) -> None:
    line = lines(GRID)
    assert line.credit(1, 5_000).verdict is Verdict.DONE
    line.provider = None
    assert line.credit(1, 5_000).verdict is Verdict.DONE


def test_wrong_codes_lock_the_meter_for_the_day_and_that_is_told(lines: Any) -> None:
    line = lines(GRID)
    line.provider = WrongCodes(**MADE)
    assert line.credit(1, 5_000).code == "meter_mac_wrong"  # two sessions, two wrong codes
    assert line.credit(1, 5_000).code == "meter_suspended"
    line.provider = simulated()
    locked = line.credit(1, 5_000)
    assert (locked.verdict, locked.code) == (Verdict.REFUSED, "meter_suspended")
    line.meter.at_ms += DAY_MS
    assert line.credit(1, 5_000).verdict is Verdict.DONE


def test_a_late_answer_to_an_older_authentication_costs_one_wrong_code_and_no_order(lines: Any) -> None:
    line = lines(GRID)
    assert line.credit(1, 5_000).verdict is Verdict.DONE
    stale: list[bytes] = []
    answer = line._answer

    def replayed(data: bytes, fault: Fault) -> bytes:
        reply: bytes = answer(data, fault)
        if decode(data).di == AUTHENTICATE and len(stale) < 2:
            stale.append(reply)
            return reply if len(stale) == 1 else stale[0]  # the second session gets the first one's answer
        return reply

    line._answer = replayed
    assert line.credit(2, 1_000).verdict is Verdict.DONE
    line.meter.charges.clear()
    assert line.credit(3, 1_000).verdict is Verdict.DONE
    assert line.meter.charges.count(VALIDITY) == 2 and line.meter.charges.count(RECHARGE) == 1
    assert balance(line) == 7_000


def test_the_simulated_provider_refuses_to_work_in_production() -> None:
    with pytest.raises(Refused) as refused:
        SimulatedProvider(production=True, chance=secrets.token_bytes)
    assert refused.value.code == "security_provider_simulated"
    assert "模拟" in message(refused.value.code, CHINESE) and "imulated" in message(refused.value.code, ENGLISH)
    provider = simulated()
    assert provider.simulated and provider.name == "simulated"
    assert consult(None, AskChallenge(meter=NUMBER)) == Declined(code="security_provider_missing")


def test_a_conversation_that_is_cut_while_it_asks_the_provider_ends_silent() -> None:
    order = Order(count=1, kind=OrderKind.PURCHASE, amount=500)
    talk = converse(
        catalogue()[GRID], MeterAddress(unit=1, number=NUMBER), Job(intent=Intent.CREDIT, order=order), transport="rtu"
    )
    assert isinstance(talk.next(), Send)
    for _ in range(20):
        talk.timed_out()
    outcome = getattr(talk.next(), "outcome", None)
    assert outcome is not None and outcome.verdict is Verdict.SILENT
