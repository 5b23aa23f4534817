"""The values field and office share: what is asked of a meter, and what came of it.

Neither room imports the other; `wiring` hands a job from the mailbox to the line and its outcome
back. All values are frozen. Amounts are integers in the circuit's credit unit (Wh or minor units).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from prewatt.core.meters.freezes import Freeze, FreezeSpan
from prewatt.core.meters.prices import PriceRead, PriceSet
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.schedule import Schedule, ScheduleRead


class Intent(StrEnum):
    """What a job wants."""

    READ_STATUS = "read_status"  # balance, count, relay, power, status word: the 60 s clock
    READ_REGISTERS = "read_registers"  # energies, voltages, currents: the 30 min clock
    READ_PURSE = "read_purse"  # identity, purse and settings: what opening and closing read
    CREDIT = "credit"  # apply one order, exactly once
    RELAY = "relay"  # make the relay follow a wish
    WRITE_SETTINGS = "write_settings"  # alarm levels, limits; read back
    SET_CLOCK = "set_clock"  # 对时; read back
    TRY = "try"  # read every block once and keep the frames: what a person looks at who sets a meter up
    ENTER_TOKEN = "enter_token"  # type twenty digits in over the line
    READ_FREEZES = "read_freezes"  # what the meter kept when days or months ended
    READ_SCHEDULE = "read_schedule"  # times of use: the set in force, the standby set, and when they swap
    WRITE_SCHEDULE = "write_schedule"  # the standby set and then the swap time; each read back
    READDRESS = "readdress"  # commissioning: another address on its bus
    CHANGE_BAUD = "change_baud"  # commissioning: another speed of its port
    READ_PRICES = "read_prices"  # the prices it drains by, the standby set, and when they swap
    WRITE_PRICES = "write_prices"  # the standby set and then the swap time; each read back


class OrderKind(StrEnum):
    """Kind of a credit instruction (购电指令)."""

    PURCHASE = "purchase"
    RETURN = "return"
    CLEAR = "clear"


class Wish(StrEnum):
    """What the operator wants of the relay. A state, not a shot."""

    AUTOMATIC = "automatic"
    KEEP_ON = "keep_on"
    TRIP = "trip"


class Verdict(StrEnum):
    """What is known once a conversation ended (architecture, section 2, drivers)."""

    DONE = "done"
    REFUSED = "refused"  # the meter said no; `code` says why
    SILENT = "silent"  # nothing that could have changed the meter left our side, or a read had no reply
    UNKNOWN = "unknown"  # a write left and no good reply came: only a read of the witness resolves it
    DISPUTED = "disputed"  # what was read back fits neither "it happened" nor "it did not"


@dataclass(frozen=True, kw_only=True)
class Order:
    """One credit instruction. The meter applies it when count == stored + 1, echoes it when
    count == stored and the content is the same, and refuses it otherwise.

    `amount` is > 0 for a purchase and for a return (energy to take out), 0 for a clear.
    """

    count: int
    kind: OrderKind
    amount: int

    def __post_init__(self) -> None:
        assert 1 <= self.count <= 0xFFFF, self.count
        assert (self.amount == 0) == (self.kind is OrderKind.CLEAR), self


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the line is asked to do with one circuit of one meter."""

    intent: Intent
    circuit_index: int = 1
    order: Order | None = None  # CREDIT
    wish: Wish | None = None  # RELAY
    settings: Mapping[Quantity, int] = field(default_factory=dict)  # WRITE_SETTINGS
    with_energy: bool = False  # READ_STATUS of a server-held circuit: the total energy too, which is charged by
    # READ_REGISTERS of a circuit whose credit is in the meter: the balance too, by which income is reckoned
    with_balance: bool = False
    with_clock: bool = False  # READ_REGISTERS: the meter's clock too, as it shows it
    # SET_CLOCK, WRITE_SCHEDULE, WRITE_PRICES: what local time is ahead of UTC, for meters that keep local time, and the
    # seconds since 1970 UTC when the line begins it; the line says so
    zone_s: int = 0
    clock: int | None = None
    freezes: FreezeSpan | None = None  # READ_FREEZES
    token: str = field(default="", repr=False)  # ENTER_TOKEN: twenty digits; whoever reads them can have the credit
    again: bool = False  # ENTER_TOKEN, READDRESS: an earlier try may have reached the meter
    schedule: Schedule | None = None  # WRITE_SCHEDULE
    prices: PriceSet | None = None  # WRITE_PRICES
    swap_at: int = 0  # of either set: wall time of the site counted as if it were UTC, a whole minute
    unit: int = 0  # READDRESS over Modbus: the new address; over DL/T 645 it is that of the meter's number
    baud: int = 0  # CHANGE_BAUD: the new speed

    def __post_init__(self) -> None:
        assert not self.token or (len(self.token) == 20 and self.token.isascii() and self.token.isdecimal())
    draft: str = ""  # TRY: the text of a profile that no meter has yet, to be tried instead of the meter's own


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One request as it left and what came back, for a person's eyes. `address` is of the first register asked for;
    `words` is what a good reply carried, empty for anything else; `received` is all that came, noise included."""

    function: int
    address: int
    count: int
    sent: bytes
    received: bytes
    words: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a job.

    `code` is a stable refusal code, e.g. "meter_count_wrong", "meter_hoarding_limit",
    "modbus_exception_02"; None when there is nothing to say. `values` is everything that was read,
    also when the verdict is not DONE: a person who must decide gets to see it. `sent` says that at
    least one frame that could change the meter left our side. `frames` is what was said, where the job asked for it.
    """

    verdict: Verdict
    code: str | None = None
    values: Mapping[Quantity, int] = field(default_factory=dict)
    sent: bool = False
    frames: tuple[Frame, ...] = ()  # TRY alone
    freezes: tuple[Freeze, ...] = ()  # READ_FREEZES alone, the oldest first
    schedule: ScheduleRead | None = None  # READ_SCHEDULE and WRITE_SCHEDULE alone: what the meter showed last
    prices: PriceRead | None = None  # READ_PRICES and WRITE_PRICES alone: likewise
    lacks: frozenset[int] = frozenset()  # DL/T 645: identifiers the meter has not, in place of which others were read
