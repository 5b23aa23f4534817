"""Should the relay of a server-held circuit be closed, and why. Pure: facts in, one decision out.

The order of what counts, strongest first: a maintenance tag forbids closing whatever else is wished; a circuit that
must never be cut is never cut; the operator's trip; his keep-on until it ends; the credit. Closing again is ours only
while the opening was (credit or command): what protection or a hand has opened, a person closes.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from prewatt.core.meters.model import Switch
from prewatt.core.meters.quantities import StatusBit


class Cause(StrEnum):
    """Why the supply is wished as it is."""

    NEVER_CUT = "never_cut"
    MANUAL = "manual"  # the operator's trip
    KEEP_ON = "keep_on"
    CREDIT = "credit"  # closed: there is some; open: it is used up


class Opening(StrEnum):
    """What opened the relay last, as telemetry says."""

    CREDIT = "credit"  # our command, for want of credit
    MANUAL = "manual"  # our command, by the operator's word
    OVERLOAD = "overload"  # the meter's protection or a hand at the meter
    PERMITTED = "permitted"  # nothing holds it open any more: the key at the meter closes it
    UNKNOWN = "unknown"


class Block(StrEnum):
    """Why what is wished is not told to the meter. All but NO_SWITCH keep a closing waiting."""

    NO_SWITCH = "no_switch"  # a plain meter: nothing of it can open or close
    TAG = "tag"
    OVERLOAD = "overload"
    UNKNOWN = "unknown"


class SupplyState(StrEnum):
    """Where a supply point stands between what is wished and what is seen."""

    UNSWITCHED = "unswitched"  # nothing here can open or close
    UNSEEN = "unseen"  # no telemetry says how the relay stands
    SUPPLIED = "supplied"
    CUT = "cut"
    CUTTING = "cutting"  # wished open, seen closed
    AWAITING_KEY = "awaiting_key"  # closing is permitted; who is there presses the meter's key
    RESTORING = "restoring"  # wished closed, seen open
    BLOCKED = "blocked"  # the same, and we must not close
    AWAITING_HAND_RECLOSE = "awaiting_hand_reclose"  # a shunt trip: the wire may close it, a hand must


class Level(StrEnum):
    """How much credit is left, by the thresholds of the supply point."""

    NORMAL = "normal"
    ALARM_1 = "alarm_1"
    ALARM_2 = "alarm_2"
    ARREARS = "arrears"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of one supply point at an instant. Amounts in minor units, credit positive.

    `relay_closed` None: never seen. `opened_by` counts while the relay is open. A shunt trip's relay is its breaker
    where the meter sees it, else a load that flows.
    """

    balance_minor: int
    overdraft_minor: int = 0
    manual_hold: bool = False
    keep_on_until: datetime | None = None
    tagged_until: datetime | None = None
    never_cut: bool = False
    relay_closed: bool | None = None
    opened_by: Opening = Opening.UNKNOWN
    switch: Switch = Switch.INTERNAL

    def __post_init__(self) -> None:
        assert self.overdraft_minor >= 0, self.overdraft_minor


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is wished of the relay, why, and what keeps us from doing it."""

    closed: bool
    cause: Cause
    blocked: Block | None
    state: SupplyState

    @property
    def command(self) -> bool | None:
        """What may be told to the meter: True close, False open, None nothing."""
        return None if self.blocked is not None else self.closed


PROTECTION = frozenset(
    {StatusBit.OVERLOAD_TRIP, StatusBit.MALICIOUS_LOAD_TRIP, StatusBit.TAMPER, StatusBit.HAND_OPENED}
)


def opening_of(bits: frozenset[StatusBit], *, for_credit: bool, tells: bool) -> Opening:
    """What opened a relay that is open, from its status bits. `for_credit`: our last command was for want of credit.

    A meter that tells no cause (`tells` false) has a relay that only we move. Protection counts before command: it
    would still be there when the command is taken back.
    """
    if bits & PROTECTION:
        return Opening.OVERLOAD
    if StatusBit.AWAIT_KEY in bits:
        return Opening.PERMITTED
    if tells and not bits & {StatusBit.COMMAND_TRIP, StatusBit.CREDIT_TRIP, StatusBit.WARNING_TRIP}:
        return Opening.UNKNOWN
    return Opening.CREDIT if for_credit or StatusBit.CREDIT_TRIP in bits else Opening.MANUAL


def arrears(balance_minor: int) -> bool:
    """An empty purse is arrears, also where overdraft is permitted: the tenant owes it."""
    return balance_minor <= 0


def cut(balance_minor: int, *, overdraft_minor: int) -> bool:
    """Is the credit used up, the permitted overdraft with it? With none permitted: at zero."""
    return balance_minor <= -overdraft_minor


def level(balance_minor: int, *, alarm_1: int, alarm_2: int) -> Level:
    """The one level a balance stands at; arrears is not also an alarm level."""
    if arrears(balance_minor):
        return Level.ARREARS
    if balance_minor <= alarm_2:
        return Level.ALARM_2
    return Level.ALARM_1 if balance_minor <= alarm_1 else Level.NORMAL


def decide(facts: Facts, *, at: datetime) -> Decision:
    """What is wished at instant `at`. An end is exclusive: at `until` keep-on and tag are over."""
    closed, cause = _wished(facts, at=at)
    blocked = _blocked(facts, closed=closed, at=at)
    return Decision(closed=closed, cause=cause, blocked=blocked, state=_state(facts, closed=closed, blocked=blocked))


def _wished(facts: Facts, *, at: datetime) -> tuple[bool, Cause]:
    if facts.never_cut:
        return True, Cause.NEVER_CUT
    if facts.manual_hold:
        return False, Cause.MANUAL
    if facts.keep_on_until is not None and at < facts.keep_on_until:
        return True, Cause.KEEP_ON
    return not cut(facts.balance_minor, overdraft_minor=facts.overdraft_minor), Cause.CREDIT


def _blocked(facts: Facts, *, closed: bool, at: datetime) -> Block | None:
    """What forbids it; opening is never forbidden.

    A relay that is closed already is not closed onto anything; one never seen is only told to stay under our command,
    which a tag forbids too.
    """
    if facts.switch is Switch.NONE:
        return Block.NO_SWITCH
    if not closed:
        return None
    if facts.relay_closed is not True and facts.tagged_until is not None and at < facts.tagged_until:
        return Block.TAG
    if facts.relay_closed is False and facts.opened_by is Opening.OVERLOAD:
        return Block.OVERLOAD
    if facts.relay_closed is False and facts.opened_by is Opening.UNKNOWN:
        return Block.UNKNOWN
    return None


def _state(facts: Facts, *, closed: bool, blocked: Block | None) -> SupplyState:
    if facts.switch is Switch.NONE:
        return SupplyState.UNSWITCHED
    if facts.relay_closed is None:
        return SupplyState.UNSEEN
    if facts.relay_closed:
        return SupplyState.SUPPLIED if closed else SupplyState.CUTTING
    if not closed:
        return SupplyState.CUT
    if blocked is not None:
        return SupplyState.BLOCKED
    if facts.switch is Switch.SHUNT_TRIP:
        return SupplyState.AWAITING_HAND_RECLOSE
    return SupplyState.AWAITING_KEY if facts.opened_by is Opening.PERMITTED else SupplyState.RESTORING
