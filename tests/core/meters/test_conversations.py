"""Every intent against a line that fails once, at each step, in each way; then what the meter really did."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.drivers import Finished, MeterAddress, converse
from prewatt.core.meters.drivers.modbus import SCRIPTS
from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind, Outcome, Verdict, Wish
from prewatt.core.meters.profile import Group, Protocol
from prewatt.core.meters.quantities import Quantity, StatusBit
from tests.core.meters.bench import MOST_STEPS, NUMBER, FakeMeter, Fault, Line

SPM = catalogue()["pilot-spm9511"]
MONEY = catalogue()["acrel-dtsy1352-nk-purse"]  # the amounts are fen there
PURSES = [pytest.param(SPM, id="energy"), pytest.param(MONEY, id="money")]
ACREL = catalogue()["acrel-ddsy1352"]
MODBUS = [each for each in catalogue().values() if each.protocol is Protocol.MODBUS and each.wired]
DDS238 = catalogue()["hiking-dds238-zn-sr"]
PURCHASE = Order(count=24, kind=OrderKind.PURCHASE, amount=543_480)
CREDIT = Job(intent=Intent.CREDIT, order=PURCHASE)
TRIP = Job(intent=Intent.RELAY, wish=Wish.TRIP)
KEEP_ON = Job(intent=Intent.RELAY, wish=Wish.KEEP_ON)
SETTINGS = Job(
    intent=Intent.WRITE_SETTINGS,
    settings={Quantity.ALARM_LEVEL_1: 80_000, Quantity.OVERDRAFT_LIMIT: 20_000},
)
FAULTS = [fault for fault in Fault if fault is not Fault.NONE]
TRANSPORTS = ("rtu", "tcp")
DONE, REFUSED, SILENT = Verdict.DONE, Verdict.REFUSED, Verdict.SILENT
UNKNOWN, DISPUTED = Verdict.UNKNOWN, Verdict.DISPUTED


def credited(meter: FakeMeter) -> bool:
    assert len(meter.orders) <= 1, "credited twice"
    assert meter.values[Quantity.BALANCE] == -12_350 + sum(order.amount for order in meter.orders)
    return bool(meter.orders)


# The steps of a credit: 0 who are you, 1 the purse, 2 the order, 3 the witness.
CREDIT_GRID = {
    Fault.NONE: (DONE, DONE, DONE, DONE),
    Fault.REQUEST_LOST: (DONE, DONE, UNKNOWN, DONE),
    Fault.REPLY_LOST: (DONE, DONE, DONE, DONE),
    Fault.REPLY_LATE: (DONE, DONE, DONE, DONE),
    Fault.REPLY_VERY_LATE: (DONE, DONE, DONE, DONE),
    Fault.REPLY_CORRUPT: (DONE, DONE, DONE, DONE),
    Fault.REPLY_TWICE: (DONE, DONE, DONE, DONE),
    Fault.REPLY_IN_PIECES: (DONE, DONE, DONE, DONE),
    Fault.NOISE_FIRST: (DONE, DONE, DONE, DONE),
    Fault.EXCEPTION: (REFUSED, REFUSED, REFUSED, UNKNOWN),
    Fault.BROKEN_STREAM: (DONE, DONE, DONE, DONE),
    Fault.GATEWAY_EXCEPTION: (SILENT, SILENT, DONE, UNKNOWN),
}
# On Modbus TCP nothing after bytes that are no frame can be read: the link is finished.
BROKEN_TCP = (SILENT, SILENT, UNKNOWN, UNKNOWN)


def wanted(grid: Mapping[Fault, tuple[Verdict, ...]], fault: Fault, step: int, transport: str) -> Verdict:
    if fault is Fault.BROKEN_STREAM and transport == "tcp":
        return BROKEN_TCP[step]
    return grid.get(fault, (DONE,) * 4)[step]


def test_the_credit_grid_names_every_fault() -> None:
    assert list(CREDIT_GRID) == list(Fault)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("step", range(4))
@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("purse", PURSES)
def test_a_credit_with_one_fault(purse: Profile, fault: Fault, step: int, transport: str) -> None:
    meter = FakeMeter(purse)
    outcome = Line(meter, transport, {step: fault}).run(CREDIT)
    assert outcome.verdict is wanted(CREDIT_GRID, fault, step, transport), outcome
    assert outcome.sent == (meter.writes > 0 or (fault, step) in {(Fault.REQUEST_LOST, 2), (Fault.EXCEPTION, 2)})
    assert meter.writes <= 1
    _the_verdict_is_true(outcome, meter)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("first", "second"), list(itertools.product(FAULTS, FAULTS)))
def test_a_credit_with_two_faults_in_a_row_is_never_doubled_nor_lost(
    first: Fault, second: Fault, transport: str
) -> None:
    for step in range(6):
        meter = FakeMeter(SPM)
        outcome = Line(meter, transport, {step: first, step + 1: second}).run(CREDIT)
        assert meter.writes <= 1
        _the_verdict_is_true(outcome, meter)


def _the_verdict_is_true(outcome: Outcome, meter: FakeMeter) -> None:
    """What is claimed is what the meter did; and asking again on a good line settles what was open."""
    happened = credited(meter)
    match outcome.verdict:
        case Verdict.DONE:
            assert happened
        case Verdict.REFUSED:
            assert not happened and outcome.code
        case Verdict.SILENT:
            assert not happened and not outcome.sent and meter.writes == 0
        case Verdict.UNKNOWN:
            assert outcome.sent and outcome.code
        case Verdict.DISPUTED:
            pytest.fail(f"nobody else touched the meter: {outcome}")
    if outcome.verdict is not Verdict.REFUSED:
        assert Line(meter).run(CREDIT).verdict is Verdict.DONE
        assert credited(meter)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("sends", range(8))
def test_a_line_that_dies_leaves_silence_before_the_write_and_doubt_after_it(sends: int, transport: str) -> None:
    meter = FakeMeter(SPM)
    dead = dict.fromkeys(range(sends, MOST_STEPS), Fault.REQUEST_LOST)
    outcome = Line(meter, transport, dead).run(CREDIT)
    assert outcome.verdict is (SILENT if sends < 2 else UNKNOWN if sends < 4 else DONE)
    assert credited(meter) == (sends >= 3)


@pytest.mark.parametrize("job", [CREDIT, TRIP, SETTINGS], ids=lambda job: job.intent)
def test_a_refusal_nobody_could_read_back_is_unknown(job: Job) -> None:
    faults = {2: Fault.EXCEPTION, 3: Fault.REQUEST_LOST, 4: Fault.REQUEST_LOST}
    outcome = Line(FakeMeter(SPM), faults=faults).run(job)
    assert (outcome.verdict, outcome.code) == (UNKNOWN, "modbus_exception_04")


def test_an_order_that_arrived_before_is_done_without_writing() -> None:
    meter = FakeMeter(SPM)
    assert Line(meter).run(CREDIT).verdict is DONE
    again = Line(meter).run(CREDIT)
    assert (again.verdict, again.sent, meter.writes) == (DONE, False, 1)
    assert again.values[Quantity.PURCHASE_COUNT] == 24
    assert again.values[Quantity.BALANCE] == 531_130


@pytest.mark.parametrize(
    ("held", "code"),
    [
        ({Quantity.PURCHASE_COUNT: 24}, "meter_count_taken"),  # a card counted, with another amount
        ({Quantity.PURCHASE_COUNT: 24, Quantity.LAST_ORDER_AMOUNT: 543_480, Quantity.LAST_ORDER_KIND: 2},
         "meter_count_taken"),
        ({Quantity.PURCHASE_COUNT: 25}, "meter_count_differs"),
        ({Quantity.PURCHASE_COUNT: 22}, "meter_count_differs"),
        ({Quantity.PURCHASE_COUNT: 0}, "meter_count_differs"),
    ],
)  # fmt: skip
def test_a_count_that_does_not_fit_is_disputed_and_nothing_is_written(held: dict[Quantity, int], code: str) -> None:
    meter = FakeMeter(SPM, values=held)
    outcome = Line(meter).run(CREDIT)
    assert (outcome.verdict, outcome.code, outcome.sent, meter.writes) == (DISPUTED, code, False, 0)
    assert outcome.values[Quantity.PURCHASE_COUNT] == held[Quantity.PURCHASE_COUNT]


def test_a_second_writer_between_order_and_witness_is_disputed() -> None:
    def card(meter: FakeMeter) -> None:
        meter.values[Quantity.PURCHASE_COUNT] += 1
        meter.values[Quantity.LAST_ORDER_AMOUNT] = 10_000
        meter.values[Quantity.PURCHASED_TOTAL] += 10_000

    after = Line(FakeMeter(SPM), before={3: card}).run(CREDIT)
    assert (after.verdict, after.code) == (DISPUTED, "meter_count_differs")
    meter = FakeMeter(SPM)
    first = Line(meter, before={2: card}).run(CREDIT)  # takes our count before our order comes
    assert (first.verdict, first.code, credited_count(meter)) == (DISPUTED, "meter_count_taken", 0)


def credited_count(meter: FakeMeter) -> int:
    return len(meter.orders)


def test_the_total_is_a_witness_where_the_last_order_is_not_shown_yet() -> None:
    def forget(meter: FakeMeter) -> None:
        meter.values[Quantity.LAST_ORDER_AMOUNT] = 0

    assert Line(FakeMeter(SPM), before={3: forget}).run(CREDIT).verdict is DONE


def test_the_meter_s_own_reason_is_the_code_of_a_refusal() -> None:
    meter = FakeMeter(SPM, values={Quantity.HOARDING_LIMIT: 500_000})
    outcome = Line(meter).run(CREDIT)
    assert (outcome.verdict, outcome.code, outcome.sent) == (REFUSED, "meter_hoarding_limit", True)
    assert outcome.values[Quantity.PURCHASE_COUNT] == 23


@pytest.mark.parametrize(
    ("order", "balance_wh"),
    [
        (Order(count=24, kind=OrderKind.RETURN, amount=40_000), 60_000),
        (Order(count=24, kind=OrderKind.CLEAR, amount=0), 0),
    ],
)
def test_returns_and_clears_travel_as_orders_too(order: Order, balance_wh: int) -> None:
    meter = FakeMeter(SPM, values={Quantity.BALANCE: 100_000})
    outcome = Line(meter).run(Job(intent=Intent.CREDIT, order=order))
    assert (outcome.verdict, meter.values[Quantity.BALANCE]) == (DONE, balance_wh)
    assert Line(meter).run(Job(intent=Intent.CREDIT, order=order)).verdict is DONE
    assert meter.writes == 1


@pytest.mark.parametrize("job", [CREDIT, TRIP, SETTINGS], ids=lambda job: job.intent)
def test_another_meter_at_the_address_is_disputed_before_any_write(job: Job) -> None:
    meter = FakeMeter(SPM, number="260311009999")
    outcome = Line(meter).run(job)
    assert (outcome.verdict, outcome.code, meter.writes) == (DISPUTED, "meter_number_differs", 0)
    assert outcome.values[Quantity.METER_NUMBER] == 260311009999


def test_a_sale_to_a_meter_without_a_purse_is_refused_before_a_byte_leaves() -> None:
    line = Line(FakeMeter(ACREL))
    outcome = line.run(CREDIT)
    assert (outcome.verdict, outcome.code, line.sends) == (REFUSED, "custody_not_supported", 0)


@pytest.mark.parametrize(("amount", "code"), [(543_485, "value_too_fine"), (10 * 2**31, "value_out_of_range")])
def test_an_amount_the_register_cannot_hold_is_refused(amount: int, code: str) -> None:
    line = Line(FakeMeter(SPM))
    outcome = line.run(Job(intent=Intent.CREDIT, order=Order(count=24, kind=OrderKind.PURCHASE, amount=amount)))
    assert (outcome.verdict, outcome.code, line.sends) == (REFUSED, code, 0)


# --- reads -----------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("profile", MODBUS, ids=lambda profile: profile.code)
@pytest.mark.parametrize("intent", [Intent.READ_STATUS, Intent.READ_REGISTERS, Intent.READ_PURSE])
def test_reads_survive_one_fault_and_change_nothing(intent: Intent, profile: Profile, transport: str) -> None:
    job = Job(intent=intent)
    good = Line(FakeMeter(profile), transport).run(job)
    assert good.verdict is DONE and good.values and not good.sent
    blocks = [block for group in _groups(intent) for block in profile.blocks.get(group, ())]
    for fault, (step, block) in itertools.product(FAULTS, enumerate(blocks)):
        if block.optional and fault is Fault.EXCEPTION:
            continue
        meter = FakeMeter(profile)
        outcome = Line(meter, transport, {step: fault}).run(job)
        verdict = {Fault.EXCEPTION: REFUSED, Fault.GATEWAY_EXCEPTION: SILENT}.get(fault, DONE)
        if fault is Fault.BROKEN_STREAM and transport == "tcp":
            verdict = SILENT
        assert outcome.verdict is verdict, (fault, step, outcome)
        assert not outcome.sent and meter.writes == 0
        if verdict is DONE:
            assert outcome == good


def test_a_block_that_not_every_meter_has_is_left_out_when_the_meter_refuses_it() -> None:
    plain = FakeMeter(catalogue()["eastron-sdm120"])
    outcome = Line(plain, faults={0: Fault.EXCEPTION}).run(Job(intent=Intent.READ_PURSE))
    assert (outcome.verdict, set(outcome.values)) == (DONE, {Quantity.POWER_ACTIVE})
    outcome = Line(plain, faults=dict.fromkeys(range(9), Fault.REQUEST_LOST)).run(Job(intent=Intent.READ_PURSE))
    assert (outcome.verdict, outcome.code) == (SILENT, "no_reply")


@pytest.mark.parametrize(("wish", "closed"), [(Wish.TRIP, 0), (Wish.KEEP_ON, 1), (Wish.AUTOMATIC, 1)])
@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("step", range(6))
def test_a_relay_register_of_its_own_follows_or_says_that_it_is_not_known(
    step: int, fault: Fault, wish: Wish, closed: int
) -> None:
    meter = FakeMeter(DDS238, values={Quantity.RELAY: 1 - closed, Quantity.POWER_ACTIVE: 132 * (1 - closed)})
    outcome = Line(meter, faults={step: fault}).run(Job(intent=Intent.RELAY, wish=wish))
    assert meter.writes <= 1
    if outcome.verdict is DONE:
        assert meter.values[Quantity.RELAY] == outcome.values[Quantity.RELAY] == closed
    else:
        assert outcome.verdict is UNKNOWN or meter.values[Quantity.RELAY] == 1 - closed
    if fault is Fault.NONE:
        assert outcome.verdict is DONE


def test_a_relay_register_that_does_not_take_the_word_is_not_believed() -> None:
    outcome = Line(FakeMeter(DDS238, relay_stuck=True)).run(TRIP)
    assert (outcome.verdict, outcome.code) == (UNKNOWN, "write_not_applied")


def test_a_meter_that_switches_nothing_says_so_before_a_byte_leaves() -> None:
    line = Line(FakeMeter(catalogue()["eastron-sdm630"]))
    outcome = line.run(TRIP)
    assert (outcome.verdict, outcome.code, line.sends) == (REFUSED, "wish_not_supported", 0)


def test_there_is_a_script_for_every_intent() -> None:
    assert SCRIPTS.keys() == set(Intent)


def _groups(intent: Intent) -> tuple[Group, ...]:
    return {
        Intent.READ_STATUS: (Group.STATUS,),
        Intent.READ_REGISTERS: (Group.REGISTERS,),
        Intent.READ_PURSE: (Group.IDENTITY, Group.STATUS, Group.PURSE, Group.SETTINGS),
    }[intent]


def test_a_status_poll_of_a_pilot_meter_is_one_request() -> None:
    line = Line(FakeMeter(SPM))
    outcome = line.run(Job(intent=Intent.READ_STATUS))
    assert line.sends == 1
    assert outcome.values[Quantity.BALANCE] == -12_350
    assert {Quantity.RELAY, Quantity.POWER_ACTIVE, Quantity.STATUS, Quantity.USE_PAST_ZERO} <= outcome.values.keys()


def test_a_silent_meter_is_asked_twice() -> None:
    line = Line(FakeMeter(SPM), faults=dict.fromkeys(range(9), Fault.REQUEST_LOST))
    outcome = line.run(Job(intent=Intent.READ_STATUS))
    assert (outcome.verdict, outcome.code, line.sends) == (SILENT, "no_reply", 2)


# --- relay -----------------------------------------------------------------------------------

RELAY_GRID = {
    Fault.NONE: (DONE, DONE, DONE, DONE),
    Fault.REQUEST_LOST: (DONE, DONE, UNKNOWN, DONE),
    Fault.EXCEPTION: (REFUSED, REFUSED, REFUSED, UNKNOWN),
    Fault.GATEWAY_EXCEPTION: (SILENT, SILENT, DONE, UNKNOWN),
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("step", range(4))
@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("job", [TRIP, SETTINGS], ids=lambda job: job.intent)
def test_a_trip_or_a_setting_with_one_fault(job: Job, fault: Fault, step: int, transport: str) -> None:
    meter = FakeMeter(SPM)
    outcome = Line(meter, transport, {step: fault}).run(job)
    assert outcome.verdict is wanted(RELAY_GRID, fault, step, transport), outcome
    happened = _happened(job)(meter)
    assert meter.writes <= 1
    if outcome.verdict is DONE:
        assert happened
    if outcome.verdict in (REFUSED, SILENT):
        assert not happened
    if outcome.verdict is UNKNOWN:
        assert Line(meter).run(job).verdict is DONE


def _happened(job: Job) -> Callable[[FakeMeter], bool]:
    if job is TRIP:
        return lambda meter: meter.values[Quantity.RELAY] == 0
    return lambda meter: all(meter.values[quantity] == value for quantity, value in job.settings.items())


def test_a_wish_the_meter_follows_already_is_not_written() -> None:
    meter = FakeMeter(SPM, values={Quantity.RELAY: 0, Quantity.FORCE_CONTROL: 1, Quantity.FORCED_STATE: 1})
    outcome = Line(meter).run(TRIP)
    assert (outcome.verdict, outcome.sent, meter.writes) == (DONE, False, 0)


@pytest.mark.parametrize(
    "bit", [StatusBit.OVERLOAD_TRIP, StatusBit.MALICIOUS_LOAD_TRIP, StatusBit.TAMPER, StatusBit.HAND_OPENED]
)
@pytest.mark.parametrize("wish", [Wish.KEEP_ON, Wish.AUTOMATIC])
def test_an_opening_that_was_not_for_credit_blocks_closing(bit: StatusBit, wish: Wish) -> None:
    tripped = {Quantity.RELAY: 0, Quantity.FORCE_CONTROL: 1, Quantity.FORCED_STATE: 1}
    meter = FakeMeter(SPM, values=tripped, bits={bit})
    outcome = Line(meter).run(Job(intent=Intent.RELAY, wish=wish))
    assert (outcome.verdict, outcome.code, meter.writes) == (REFUSED, f"closing_blocked_{bit.value}", 0)


@pytest.mark.parametrize("bit", [StatusBit.CREDIT_TRIP, StatusBit.COMMAND_TRIP, StatusBit.WARNING_TRIP])
def test_an_opening_for_credit_or_by_us_is_closed_again(bit: StatusBit) -> None:
    meter = FakeMeter(SPM, values={Quantity.RELAY: 0}, bits={bit})
    assert Line(meter).run(KEEP_ON).verdict is DONE
    assert meter.values[Quantity.RELAY] == 1


def test_a_trip_is_never_blocked() -> None:
    assert Line(FakeMeter(SPM, bits=set(StatusBit))).run(TRIP).verdict is DONE


def test_a_relay_that_does_not_move_stays_unknown_after_three_looks() -> None:
    line = Line(FakeMeter(SPM, relay_stuck=True))
    outcome = line.run(TRIP)
    assert (outcome.verdict, outcome.code, line.sends) == (UNKNOWN, "relay_not_moved", 6)
    assert outcome.values[Quantity.RELAY] == 1


def test_a_relay_that_waits_for_the_key_is_done_and_says_so() -> None:
    meter = FakeMeter(SPM, values={Quantity.RELAY: 0}, bits={StatusBit.AWAIT_KEY}, relay_stuck=True)
    outcome = Line(meter).run(KEEP_ON)
    assert (outcome.verdict, outcome.code) == (DONE, "await_key")


def test_automatic_leaves_the_relay_to_the_meter() -> None:
    meter = FakeMeter(SPM, values={Quantity.RELAY: 0, Quantity.FORCE_CONTROL: 1, Quantity.FORCED_STATE: 1})
    outcome = Line(meter).run(Job(intent=Intent.RELAY, wish=Wish.AUTOMATIC))
    assert outcome.verdict is DONE
    assert meter.values[Quantity.FORCE_CONTROL] == 0


@pytest.mark.parametrize(("wish", "forced"), [(Wish.TRIP, 1), (Wish.KEEP_ON, 0), (Wish.AUTOMATIC, 0)])
def test_an_acrel_relay_never_goes_back_to_the_meter_s_own_purse(wish: Wish, forced: int) -> None:
    meter = FakeMeter(ACREL, values={Quantity.FORCE_CONTROL: 0})
    outcome = Line(meter).run(Job(intent=Intent.RELAY, wish=wish))
    assert outcome.verdict is DONE
    assert (meter.values[Quantity.FORCE_CONTROL], meter.values[Quantity.FORCED_STATE]) == (1, forced)
    assert outcome.values[Quantity.RELAY] == 1 - forced


@pytest.mark.parametrize(
    ("said", "verdict"), [("0", DONE), ("4711", DONE), ("260311005208", DISPUTED), (NUMBER, DONE)]
)
def test_an_assumed_number_stops_a_relay_only_where_it_is_a_neighbour_s(said: str, verdict: Verdict) -> None:
    meter = FakeMeter(ACREL, number=said, values={Quantity.FORCE_CONTROL: 0})
    outcome = Line(meter).run(Job(intent=Intent.RELAY, wish=Wish.TRIP), bus=frozenset({NUMBER, "260311005208"}))
    assert (outcome.verdict, meter.writes) == (verdict, int(verdict is DONE))


def test_an_acrel_relay_is_unknown_while_the_meter_s_own_purse_has_it() -> None:
    outcome = Line(FakeMeter(ACREL, values={Quantity.FORCE_CONTROL: 0})).run(Job(intent=Intent.READ_STATUS))
    assert Quantity.RELAY not in outcome.values


# --- settings --------------------------------------------------------------------------------


def test_settings_are_one_write_and_leave_the_others_alone() -> None:
    meter = FakeMeter(SPM, values={Quantity.ALARM_LEVEL_2: 20_000})
    outcome = Line(meter).run(SETTINGS)
    assert (outcome.verdict, meter.writes) == (DONE, 1)
    assert meter.values[Quantity.ALARM_LEVEL_2] == 20_000
    assert meter.values[Quantity.HOARDING_LIMIT] == 1_500_000
    assert outcome.values[Quantity.ALARM_LEVEL_1] == 80_000


def test_settings_the_meter_holds_already_are_not_written() -> None:
    meter = FakeMeter(SPM, values=dict(SETTINGS.settings))
    assert (Line(meter).run(SETTINGS).verdict, meter.writes) == (DONE, 0)


def test_a_refused_settings_write_that_changed_a_part_is_disputed() -> None:
    outcome = Line(FakeMeter(SPM, partly=True)).run(SETTINGS)
    assert (outcome.verdict, outcome.code) == (DISPUTED, "settings_partly_written")
    assert outcome.values[Quantity.ALARM_LEVEL_1] == 80_000
    assert outcome.values[Quantity.OVERDRAFT_LIMIT] == 0


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({}, "setting_not_supported"),
        ({Quantity.BALANCE: 100}, "setting_not_supported"),
        ({Quantity.ALARM_LEVEL_1: 55}, "value_too_fine"),
        ({Quantity.ALARM_LEVEL_1: -10}, "value_out_of_range"),
        ({Quantity.LOAD_LIMIT: 2**32}, "value_out_of_range"),
    ],
)
def test_settings_that_cannot_be_written_are_refused_before_a_byte_leaves(
    settings: dict[Quantity, int], code: str
) -> None:
    line = Line(FakeMeter(SPM))
    outcome = line.run(Job(intent=Intent.WRITE_SETTINGS, settings=settings))
    assert (outcome.verdict, outcome.code, line.sends) == (REFUSED, code, 0)


@pytest.mark.parametrize("job", [CREDIT, TRIP, SETTINGS, Job(intent=Intent.READ_STATUS)], ids=lambda job: job.intent)
@pytest.mark.parametrize("index", [0, 2])
def test_a_circuit_the_model_does_not_have_is_refused_before_a_byte_leaves(index: int, job: Job) -> None:
    line = Line(FakeMeter(SPM))
    outcome = line.run(replace(job, circuit_index=index))
    assert (outcome.verdict, outcome.code, line.sends) == (REFUSED, "circuit_not_in_profile", 0)


@pytest.mark.parametrize("number", ["260311005208", "A60311005207", "0"])
def test_a_number_that_is_not_printed_so_is_another_meter(number: str) -> None:
    outcome = Line(FakeMeter(SPM)).run(CREDIT, number=number)
    assert (outcome.verdict, outcome.code) == (DISPUTED, "meter_number_differs")


def test_a_line_that_brings_single_bytes_is_slow_and_right() -> None:
    line = Line(FakeMeter(SPM), faults=dict.fromkeys(range(4), Fault.REPLY_IN_PIECES))
    assert line.run(CREDIT).verdict is DONE
    assert line.sends == 4


def test_late_and_foreign_events_after_the_end_change_nothing() -> None:
    talk = converse(ACREL, MeterAddress(unit=1, number=""), CREDIT, transport="rtu")
    first = talk.next()
    talk.timed_out()
    talk.receive(b"\x01\x03\x02\x00\x00")
    assert talk.next() == first and isinstance(first, Finished)
