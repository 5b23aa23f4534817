"""Values of a meter profile: what a model holds at which address, as checked data.

A profile is a TOML file (`profiles/*.toml`); driver and simulator read the same one. Every register
carries its source, or `assumed = true` where no public document gives it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import Final

from prewatt.core.meters.behaviour import Behaviour
from prewatt.core.meters.bus_address import BusAddress
from prewatt.core.meters.credit import Credit
from prewatt.core.meters.freezes import Freezes
from prewatt.core.meters.jobs import OrderKind, Wish
from prewatt.core.meters.prices import PriceTable
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.meters.rating import Rating
from prewatt.core.meters.schedule import ScheduleTable
from prewatt.core.meters.token_face import TokenFace
from prewatt.core.meters.unlock import Unlock
from prewatt.core.meters.wallet import Wallet
from prewatt.core.wire.dlt645 import Access, Command


class Group(StrEnum):
    """What is read together."""

    IDENTITY = "identity"  # meter number, model
    STATUS = "status"  # the 60 s clock; holds the whole purse where there is one
    REGISTERS = "registers"  # the 30 min clock
    SETTINGS = "settings"
    PURSE = "purse"  # what else opening reads: a purse outside the status block


class Kind(StrEnum):
    """How a value lies in registers; high word first ("be") or low word first ("le")."""

    U16 = "u16"
    I16 = "i16"
    U32BE = "u32be"
    I32BE = "i32be"
    U32LE = "u32le"
    I32LE = "i32le"
    F32BE = "f32be"  # IEEE 754 single
    F32LE = "f32le"
    U64BE = "u64be"
    I64BE = "i64be"
    BCD16 = "bcd16"
    BCD32 = "bcd32"
    BCD48 = "bcd48"
    # in the answer to a DL/T 645 identifier, `size` bytes from byte `at` on
    DIGITS = "digits"  # packed BCD, lowest pair first; all FF means "no such value"
    SIGNED_DIGITS = "signed_digits"  # the top bit of the highest byte is the sign
    BIT = "bit"  # one bit of a word of two bytes
    NOT_BIT = "not_bit"  # the same, the other way round


DATA_KINDS: Final = frozenset({Kind.DIGITS, Kind.SIGNED_DIGITS, Kind.BIT, Kind.NOT_BIT})
WORDS: Final[Mapping[Kind, int]] = MappingProxyType(
    {
        Kind.U16: 1,
        Kind.I16: 1,
        Kind.U32BE: 2,
        Kind.I32BE: 2,
        Kind.U32LE: 2,
        Kind.I32LE: 2,
        Kind.F32BE: 2,
        Kind.F32LE: 2,
        Kind.U64BE: 4,
        Kind.I64BE: 4,
        Kind.BCD16: 1,
        Kind.BCD32: 2,
        Kind.BCD48: 3,
    }
)


class ByteOrder(StrEnum):
    """Which byte of a word travels first. Modbus says the high one; there are meters that swap them."""

    HIGH_FIRST = "high_first"
    LOW_FIRST = "low_first"


class Custody(StrEnum):
    """Who holds the credit."""

    METER = "meter"
    SERVER = "server"


class Switch(StrEnum):
    """What opens the circuit."""

    INTERNAL = "internal"
    CONTACTOR = "contactor"
    SHUNT_TRIP = "shunt_trip"
    NONE = "none"  # a plain meter: nothing of it can cut the supply


class ClockWay(StrEnum):
    """How a meter's clock is set."""

    REGISTER = "register"  # Modbus: its own register
    BROADCAST = "broadcast"  # DL/T 645 function 08: all meters of the line, at most once a day


class Protocol(StrEnum):
    """Which driver speaks to the meter."""

    MODBUS = "modbus"
    DLT645 = "dlt645"


@dataclass(frozen=True, kw_only=True, slots=True)
class Register:
    """One quantity in the map. Raw times `factor` plus `offset` is the integer in the quantity's unit.

    `address` is that of circuit 1; circuit n stands (n - 1) x the profile's stride higher unless the
    register is shared by all circuits. Over DL/T 645 it is the data identifier, and the quantity is
    `size` bytes from byte `at` of the answer on, or bit `bit` of the word there.

    A `mask` makes it the part of a word that stands under it, shifted down to its lowest bit; other parts may be
    registers too, and a write keeps all of them. `inverted`: the bits stand the other way round.
    """

    quantity: Quantity
    group: Group
    address: int
    kind: Kind
    scale: Decimal
    factor: Fraction
    shared: bool
    invalid: int | None  # raw value that means "no such value"; of a part, the whole word that does
    source: str
    assumed: bool
    at: int = 0
    size: int = 0
    bit: int = 0
    byte_order: ByteOrder = ByteOrder.HIGH_FIRST  # within each word; the kind says which word comes first
    offset: int = 0
    mask: int = 0  # 0: the whole word
    inverted: bool = False

    @property
    def words(self) -> int:
        return WORDS[self.kind]

    @property
    def shift(self) -> int:
        """Where the lowest bit of a part stands."""
        return (self.mask & -self.mask).bit_length() - 1 if self.mask else 0

    @property
    def how(self) -> tuple[object, ...]:
        """All that makes a number of its bytes: two registers that agree in it read alike."""
        return (
            self.kind.value, self.factor, self.at, self.size, self.bit, self.byte_order.value, self.offset, self.mask,
            self.inverted,
        )  # fmt: skip

    def place(self, offset: int) -> str:
        """The address as people write it, of a circuit `offset` registers higher; of a part with its bits."""
        if self.kind in DATA_KINDS:
            return f"{self.address:08X}"
        one = self.mask == 1 << self.shift
        part = f" {'!' if self.inverted else ''}.{self.shift}" if one else f" &{self.mask:04X}h" if self.mask else ""
        return f"{self.address + offset:04X}h{part}"

    @property
    def form(self) -> str:
        """Its type as a profile names it, with the byte order where that is not the usual one."""
        plain = self.byte_order is ByteOrder.HIGH_FIRST
        return self.kind.value if plain else f"{self.kind.value} {self.byte_order.value}"

    @property
    def scaling(self) -> str:
        """Scale and offset as a profile writes them, in the unit it names: "0.1", "0.1 - 40"."""
        scale = format(self.scale.normalize(), "f")
        if not self.offset:
            return scale
        shown = Fraction(abs(self.offset)) * Fraction(self.scale) / self.factor
        number = Decimal(shown.numerator) / shown.denominator
        return f"{scale} {'-' if self.offset < 0 else '+'} {number.normalize():f}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One read request. `spare` registers behind it may be read too, which lets two reads of the same
    block differ in length, so that a late reply to the first is not taken for the second's.

    Over DL/T 645 `address` is the identifier and `count` the bytes of its answer.
    An `optional` block is one that not every meter of the model has: its refusal leaves its quantities out.
    `live`: addresses within, of circuit 1, that move by themselves; a settings write is not blamed for them.
    """

    group: Group
    address: int
    count: int
    spare: int
    shared: bool
    function: int  # 3 or 4: a map may keep its measured values apart from its parameters
    optional: bool
    live: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderBlock:
    """The registers of one credit instruction, written by one function 10h request: count u16, kind u16,
    amount i32 high word first, in this order."""

    address: int
    scale: Decimal
    factor: Fraction
    kinds: Mapping[OrderKind, int]
    results: Mapping[int, str]  # raw order_result -> refusal code
    source: str
    assumed: bool
    byte_order: ByteOrder = ByteOrder.HIGH_FIRST

    def kind_of(self, code: int) -> OrderKind | None:
        """The kind a raw last_order_kind stands for."""
        for kind, raw in self.kinds.items():
            if raw == code:
                return kind
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class RelayCommand:
    """What makes the relay follow each wish.

    Modbus: words written from `address` by one function 10h request for each wish: either `force_control` and
    `forced_state`, or one word that is the relay itself (1 closed).
    DL/T 645: `commands` of function 1C, in this order, of which only those are sent whose effect status word 3
    (`address`) does not show yet. Each runs out `valid_minutes` later by the meter's own clock.
    """

    address: int
    words: Mapping[Wish, tuple[int, ...]]
    commands: Mapping[Wish, tuple[Command, ...]] = field(default_factory=dict)
    valid_minutes: int = 0
    derived: bool  # no relay telemetry: under force control the forced state is all that is known
    shared: bool
    source: str
    assumed: bool
    byte_order: ByteOrder = ByteOrder.HIGH_FIRST

    def commands_for(self, wish: Wish, *, by_key: bool) -> tuple[Command, ...]:
        """DL/T 645: what makes the relay follow. `by_key`: nothing is closed from afar, closing is permitted. The
        permission goes first: a meter that is told to keep the power on may close by itself."""
        commands = self.commands[wish]
        if not by_key or Command.CLOSE not in commands:
            return commands
        return Command.PERMIT_CLOSE, *(each for each in commands if each is not Command.CLOSE)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockSetting:
    """How the clock is set, and what it shows: UTC, or (`local`) the wall time of the site."""

    way: ClockWay
    local: bool
    source: str
    assumed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag:
    """A fact that DL/T 645 status words carry: it holds when all bits of `set` are 1 and all of `clear` are 0."""

    fact: StatusBit
    address: int  # the identifier of the block
    at: int  # byte of the word in its answer
    set: frozenset[int]
    clear: frozenset[int]
    source: str
    assumed: bool


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A meter model. Times in ms, `resolution` in the credit unit."""

    code: str
    maker: str
    name: str
    phases: int
    circuits: int
    protocol: Protocol
    baud_default: int
    custody: frozenset[Custody]
    switch: Switch
    credit_unit: str  # "Wh" or "minor" (the company's currency)
    resolution: int
    model_code: int | None
    ct: bool  # may be connected through current transformers
    ratio_applied: bool  # energy and power are primary values already
    rollover_kwh: int | None  # where the total on the display begins anew, before any ratio of ours
    stride: int
    read_function: int
    max_block: int
    quiet_ms: int
    turnaround_ms: int
    registers: Mapping[Quantity, Register]
    blocks: Mapping[Group, tuple[Block, ...]]
    order: OrderBlock | None
    relay: RelayCommand | None
    settings: frozenset[Quantity]
    status_bits: Mapping[StatusBit, int]
    note: str = ""
    flags: tuple[Flag, ...] = ()  # DL/T 645
    clock: ClockSetting | None = None  # None: its clock is left alone
    wallet: Wallet | None = None  # a purse that holds money
    bus: BusAddress | None = None  # Modbus: where its own address stands; None: it is set at the meter
    credit: Credit | None = None  # DL/T 645: how credit is put into its purse
    token: TokenFace | None = None  # takes STS tokens
    behaviour: Behaviour | None = None  # None: nothing is known of it
    rating: Rating | None = None  # what stands on its plate
    freezes: Freezes | None = None  # what it keeps when days and months end
    schedule: ScheduleTable | None = None  # its times of use
    prices: PriceTable | None = None  # what it can be told to drain by, and whether it keeps a standby set
    access: Access | None = None  # DL/T 645: authority, password and operator of commands, as the works set them
    unlock: Unlock | None = None  # Modbus: what it wants written before it takes settings or a command
    address_base: int = 0  # Modbus: what its text counts addresses from; everywhere else they count from 0

    @cached_property
    def assumed(self) -> bool:
        """Is any register from no public document?"""
        return any(register.assumed for register in self.registers.values())

    @property
    def takes_orders(self) -> bool:
        """Can credit be sold into its purse over the line, and be counted there?"""
        return Custody.METER in self.custody and self.has_purse

    @property
    def wired(self) -> bool:
        """Can it be on a line at all? A keypad meter is never online."""
        return bool(self.blocks)

    @property
    def has_purse(self) -> bool:
        """Can credit be put into it over the line?"""
        return self.order is not None or self.credit is not None

    @property
    def closes_by_key(self) -> bool:
        """Can closing be left to the key at the meter?"""
        return self.relay is not None and any(Command.CLOSE in each for each in self.relay.commands.values())

    def carries(self, kind: OrderKind) -> bool:
        """Can an order of this kind be put into it over the line?"""
        return kind in self.credit.kinds if self.credit is not None else self.order is not None

    @cached_property
    def read_functions(self) -> frozenset[int]:
        """The functions its blocks are read by."""
        return frozenset(block.function for blocks in self.blocks.values() for block in blocks)

    def bits(self, status: int) -> frozenset[StatusBit]:
        """The facts a raw status word carries."""
        return frozenset(bit for bit, position in self.status_bits.items() if status >> position & 1)

    def status_word(self, bits: frozenset[StatusBit]) -> int:
        """The raw status word for facts; bits the model does not know are left out."""
        return sum(1 << position for bit, position in self.status_bits.items() if bit in bits)

    def offset(self, circuit_index: int, *, shared: bool) -> int:
        """What to add to an address of circuit 1."""
        assert 1 <= circuit_index <= self.circuits, circuit_index
        return 0 if shared else (circuit_index - 1) * self.stride


def inside(register: Register, block: Block) -> bool:
    """Does a read of this block bring the whole register?"""
    return (
        register.group is block.group
        and register.address == block.address
        and register.at + register.size <= block.count
        if register.kind in DATA_KINDS
        else register.group is block.group
        and register.shared == block.shared
        and block.address <= register.address
        and register.address + register.words <= block.address + block.count
    )
