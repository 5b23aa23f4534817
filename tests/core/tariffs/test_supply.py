"""The supply decision over its whole small model: every combination of facts, invariants as sentences."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from prewatt.core.meters.model import Switch
from prewatt.core.meters.quantities import StatusBit
from prewatt.core.tariffs.supply import (
    Block,
    Cause,
    Decision,
    Facts,
    Level,
    Opening,
    SupplyState,
    arrears,
    cut,
    decide,
    level,
    opening_of,
)

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ENDS = (None, AT - SECOND, AT, AT + SECOND)  # never there, over, ends now, still holds
BALANCES = tuple((balance, overdraft) for overdraft in (0, 500) for balance in (-501, -500, -499, -1, 0, 1, 499))


def every() -> Iterator[tuple[Facts, Decision]]:
    for (balance, overdraft), hold, keep, tag, never, relay, opened, switch in product(
        BALANCES, (False, True), ENDS, ENDS, (False, True), (None, False, True), Opening, Switch
    ):
        facts = Facts(
            balance_minor=balance, overdraft_minor=overdraft, manual_hold=hold, keep_on_until=keep, tagged_until=tag,
            never_cut=never, relay_closed=relay, opened_by=opened, switch=switch,
        )  # fmt: skip
        yield facts, decide(facts, at=AT)


def holds(until: datetime | None) -> bool:
    return until is not None and until > AT


MODEL = tuple(every())


def test_the_model_is_whole() -> None:
    assert len(MODEL) == 14 * 2 * 4 * 4 * 2 * 3 * len(Opening) * 4
    assert {decision.cause for _, decision in MODEL} == set(Cause)
    assert {decision.state for _, decision in MODEL} == set(SupplyState)
    assert {decision.blocked for _, decision in MODEL} == {None, *Block}


def test_a_circuit_in_credit_is_opened_by_the_operators_word_alone() -> None:
    for facts, decision in MODEL:
        if facts.balance_minor > -facts.overdraft_minor and not decision.closed:
            assert facts.manual_hold and decision.cause is Cause.MANUAL, facts


def test_a_circuit_that_must_never_be_cut_is_never_told_to_open() -> None:
    for facts, decision in MODEL:
        assert not facts.never_cut or decision.command is not False, facts


def test_nothing_is_closed_onto_a_maintenance_tag() -> None:
    for facts, decision in MODEL:
        if holds(facts.tagged_until) and facts.relay_closed is not True:
            assert decision.command is not True, facts


def test_nothing_is_closed_onto_an_overload_or_an_opening_nobody_can_name() -> None:
    for facts, decision in MODEL:
        if facts.relay_closed is False and facts.opened_by in (Opening.OVERLOAD, Opening.UNKNOWN):
            assert decision.command is not True, facts


def test_what_credit_or_command_opened_is_closed_again_once_it_may() -> None:
    for facts, decision in MODEL:
        ours = facts.opened_by in (Opening.CREDIT, Opening.MANUAL)
        if decision.closed and ours and not holds(facts.tagged_until) and facts.switch is not Switch.NONE:
            assert decision.command is True, facts


def test_keep_on_beats_credit_until_it_ends_and_not_at_its_end() -> None:
    for facts, decision in MODEL:
        if facts.never_cut or facts.manual_hold:
            continue
        if holds(facts.keep_on_until):
            assert decision.closed and decision.cause is Cause.KEEP_ON, facts
        else:
            spent = facts.balance_minor <= -facts.overdraft_minor
            assert (decision.closed, decision.cause) == (not spent, Cause.CREDIT), facts


def test_a_tag_opens_nothing_and_changes_no_wish() -> None:
    for facts, decision in MODEL:
        without = decide(replace(facts, tagged_until=None), at=AT)
        assert (decision.closed, decision.cause) == (without.closed, without.cause), facts
        assert decision.command in (without.command, None), facts


def test_what_is_seen_of_the_relay_changes_no_wish() -> None:
    for facts, decision in MODEL:
        blind = decide(replace(facts, relay_closed=None, opened_by=Opening.UNKNOWN), at=AT)
        assert (decision.closed, decision.cause) == (blind.closed, blind.cause), facts


def test_more_credit_never_opens_and_less_never_closes() -> None:
    for facts, decision in MODEL:
        richer = decide(replace(facts, balance_minor=facts.balance_minor + 1), at=AT)
        assert richer.closed or not decision.closed, facts


def test_where_nothing_can_switch_nothing_is_told() -> None:
    for facts, decision in MODEL:
        if facts.switch is Switch.NONE:
            assert decision.command is None and decision.state is SupplyState.UNSWITCHED, facts
        else:
            assert decision.blocked is not Block.NO_SWITCH and decision.state is not SupplyState.UNSWITCHED, facts


def test_opening_is_never_blocked_where_something_can_open() -> None:
    for facts, decision in MODEL:
        if facts.switch is Switch.NONE:
            continue
        assert decision.closed or (decision.blocked is None and decision.command is False), facts


def test_the_state_says_what_is_seen_and_what_is_wished() -> None:
    for facts, decision in MODEL:
        if facts.switch is Switch.NONE:
            continue
        if facts.relay_closed is None:
            assert decision.state is SupplyState.UNSEEN, facts
        elif facts.relay_closed:
            assert decision.state is (SupplyState.SUPPLIED if decision.closed else SupplyState.CUTTING), facts
        elif not decision.closed:
            assert decision.state is SupplyState.CUT, facts
        else:
            assert (decision.state is SupplyState.BLOCKED) == (decision.blocked is not None), facts


def test_only_a_shunt_trip_that_may_be_closed_awaits_a_hand() -> None:
    for facts, decision in MODEL:
        waits = decision.state is SupplyState.AWAITING_HAND_RECLOSE
        may = facts.relay_closed is False and decision.closed and decision.blocked is None
        assert waits == (may and facts.switch is Switch.SHUNT_TRIP), facts


def test_only_a_relay_whose_closing_is_permitted_awaits_the_key() -> None:
    for facts, decision in MODEL:
        waits = decision.state is SupplyState.AWAITING_KEY
        may = facts.relay_closed is False and decision.closed and decision.blocked is None
        key = facts.opened_by is Opening.PERMITTED and facts.switch not in (Switch.SHUNT_TRIP, Switch.NONE)
        assert waits == (may and key), facts


@pytest.mark.parametrize(
    ("balance", "overdraft", "owing", "spent"),
    [
        (1, 0, False, False),
        (0, 0, True, True),  # nothing permitted: at zero
        (-1, 0, True, True),
        (0, 500, True, False),  # owed, and still supplied
        (-499, 500, True, False),
        (-500, 500, True, True),
        (-501, 500, True, True),
    ],
)
def test_arrears_begin_at_zero_and_the_cut_at_the_end_of_the_overdraft(
    balance: int, overdraft: int, owing: bool, spent: bool
) -> None:
    assert (arrears(balance), cut(balance, overdraft_minor=overdraft)) == (owing, spent)


@pytest.mark.parametrize(
    ("balance", "wanted"),
    [(2001, Level.NORMAL), (2000, Level.ALARM_1), (501, Level.ALARM_1), (500, Level.ALARM_2), (1, Level.ALARM_2),
     (0, Level.ARREARS), (-1, Level.ARREARS)],
)  # fmt: skip
def test_a_balance_stands_at_one_level(balance: int, wanted: Level) -> None:
    assert level(balance, alarm_1=2000, alarm_2=500) is wanted


@pytest.mark.parametrize(
    ("bits", "for_credit", "tells", "wanted"),
    [
        ({StatusBit.COMMAND_TRIP}, True, True, Opening.CREDIT),
        ({StatusBit.COMMAND_TRIP}, False, True, Opening.MANUAL),
        ({StatusBit.CREDIT_TRIP}, False, True, Opening.CREDIT),  # its own empty purse, before it was forced
        ({StatusBit.COMMAND_TRIP, StatusBit.OVERLOAD_TRIP}, True, True, Opening.OVERLOAD),
        ({StatusBit.HAND_OPENED}, True, True, Opening.OVERLOAD),
        ({StatusBit.MALICIOUS_LOAD_TRIP}, True, False, Opening.OVERLOAD),
        (set(), True, True, Opening.UNKNOWN),
        ({StatusBit.KEPT_ON}, True, True, Opening.UNKNOWN),  # told to close, and did not
        (set(), True, False, Opening.CREDIT),
        (set(), False, False, Opening.MANUAL),
    ],
)
def test_the_cause_of_an_opening_is_told_by_the_status_bits(
    bits: set[StatusBit], for_credit: bool, tells: bool, wanted: Opening
) -> None:
    assert opening_of(frozenset(bits), for_credit=for_credit, tells=tells) is wanted


def test_an_overdraft_is_never_negative() -> None:
    with pytest.raises(AssertionError):
        Facts(balance_minor=0, overdraft_minor=-1)
