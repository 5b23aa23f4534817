"""Values to register bytes and back, by a profile: what driver and simulator share.

Layouts are compiled once per profile, group and circuit: a status poll is one `struct` call.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from prewatt.core.meters.dataitems import decode_item, encode_item
from prewatt.core.meters.jobs import Order, OrderKind, Wish
from prewatt.core.meters.model import DATA_KINDS, Block, Group, Kind, Profile, Register, inside
from prewatt.core.meters.profile import ORDER_WORDS
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused, Text, register

MAX_COMPILED: Final = 4096  # layouts kept: profiles x groups x circuits, far above any catalogue

register(
    {
        "value_out_of_range": Text(
            "{quantity} = {value} does not fit the meter's register.", "{quantity} = {value} 超出电表寄存器范围。"
        ),
        "value_too_fine": Text(
            "{quantity} = {value} is finer than the meter's step.", "{quantity} = {value} 小于电表的最小步长。"
        ),
    }
)

_FORMATS: Final[Mapping[Kind, str]] = {
    Kind.U16: "H",
    Kind.I16: "h",
    Kind.U32BE: "I",
    Kind.I32BE: "i",
    Kind.U64BE: "Q",
    Kind.I64BE: "q",
    Kind.U32LE: "4s",
    Kind.I32LE: "4s",
    Kind.F32BE: "4s",
    Kind.F32LE: "4s",
    Kind.BCD16: "2s",
    Kind.BCD32: "4s",
    Kind.BCD48: "6s",
}
_BCD: Final = frozenset({Kind.BCD16, Kind.BCD32, Kind.BCD48})
_FLOATS: Final = frozenset({Kind.F32BE, Kind.F32LE})
_LOW_WORD_FIRST: Final = frozenset({Kind.U32LE, Kind.I32LE, Kind.F32LE})
MAX_FLOAT: Final = 10**15  # Wh, mV or W: above this a float is a broken register, and would not fit the books
_SIGNED: Final = frozenset({Kind.I16, Kind.I32BE, Kind.I32LE, Kind.I64BE})


def _raw_of(kind: Kind, data: bytes) -> int | Fraction | None:
    """A raw value that `struct` alone cannot read; None for nibbles that are no digits, floats that are no number."""
    if kind in _BCD:
        text = data.hex()
        return int(text) if text.isdecimal() else None
    swapped = data[2:] + data[:2] if kind in _LOW_WORD_FIRST else data
    if kind in _FLOATS:
        (number,) = struct.unpack(">f", swapped)
        return Fraction(number) if math.isfinite(number) and abs(number) <= MAX_FLOAT else None
    return int.from_bytes(swapped, "big", signed=kind in _SIGNED)


def _scaled(raw: int | Fraction, factor: Fraction) -> int:
    """The only place where a register finer than the quantity's unit is cut, toward minus infinity.

    A float register holds the binary number next to what its meter counted (12.34 kWh travels as
    12.3400001...): there the nearest unit is what was meant.
    """
    if isinstance(raw, int):
        return raw * factor.numerator // factor.denominator
    doubled = 2 * raw * factor + 1
    return doubled.numerator // (2 * doubled.denominator)


def decode_value(register: Register, data: bytes) -> int | None:
    """Register bytes -> value in the quantity's unit; None when the meter says "no such value"."""
    if register.kind in DATA_KINDS:
        return decode_item(register, data)
    assert len(data) == register.words * 2, register.quantity
    form = _FORMATS[register.kind]
    raw: int | Fraction | None = (
        _raw_of(register.kind, data) if form.endswith("s") else struct.unpack(">" + form, data)[0]
    )
    return None if raw is None or raw == register.invalid else _scaled(raw, register.factor)


def encode_value(register: Register, value: int) -> bytes:
    """Value in the quantity's unit -> register bytes.

    Raises Refused `value_out_of_range`, `value_too_fine`: a setting must be stored as it was asked for.
    """
    if register.kind in DATA_KINDS:
        return encode_item(register, value)
    if register.kind in _FLOATS:
        data = _encode_float(register, value)
        if decode_value(register, data) != value:
            raise Refused("value_too_fine", quantity=register.quantity.value, value=value)
        return data
    raw, rest = divmod(value * register.factor.denominator, register.factor.numerator)
    if rest:
        raise Refused("value_too_fine", quantity=register.quantity.value, value=value)
    return _encode_raw(register, raw, value)


def encode_floor(register: Register, value: int) -> bytes:
    """As encode_value, but a value finer than the register is cut: what a real meter shows of itself."""
    if register.kind in _FLOATS:
        return _encode_float(register, value)
    raw = value * register.factor.denominator // register.factor.numerator
    return _encode_raw(register, raw, value)


def _encode_float(register: Register, value: int) -> bytes:
    """The float next to the value."""
    if abs(value) > MAX_FLOAT:
        raise Refused("value_out_of_range", quantity=register.quantity.value, value=value)
    data = struct.pack(">f", Fraction(value) / register.factor)
    return data[2:] + data[:2] if register.kind in _LOW_WORD_FIRST else data


def _encode_raw(register: Register, raw: int, value: int) -> bytes:
    kind, size = register.kind, register.words * 2
    try:
        if kind in _BCD:
            if not 0 <= raw < 10 ** (size * 2):
                raise OverflowError
            return bytes.fromhex(str(raw).zfill(size * 2))
        data = raw.to_bytes(size, "big", signed=kind in _SIGNED)
    except OverflowError:
        raise Refused("value_out_of_range", quantity=register.quantity.value, value=value) from None
    return data[2:] + data[:2] if kind in _LOW_WORD_FIRST else data


class Layout:
    """One block of one circuit, compiled: `decode(data)` gives quantity -> value."""

    def __init__(self, profile: Profile, block: Block, circuit_index: int) -> None:
        self.block = block
        self.address = block.address + profile.offset(circuit_index, shared=block.shared)
        self.size = block.count * 2
        held = sorted(
            (each for each in profile.registers.values() if inside(each, block)), key=lambda each: each.address
        )
        form, at = ">", block.address
        for each in held:
            form += f"{(each.address - at) * 2}x" if each.address > at else ""
            form += _FORMATS[each.kind]
            at = each.address + each.words
        self._unpack = struct.Struct(form).unpack_from
        self._held = tuple(held)
        self._quantities = tuple(each.quantity for each in held)
        self._factors = tuple(each.factor.numerator for each in held)
        self._plain = all(
            each.factor.denominator == 1 and each.invalid is None and not _FORMATS[each.kind].endswith("s")
            for each in held
        )

    def holds(self, quantity: Quantity) -> bool:
        return quantity in self._quantities

    def decode(self, data: bytes) -> dict[Quantity, int]:
        """Bytes of the block (or one register more) -> values; what the meter marks invalid is left out."""
        assert len(data) >= self.size, (len(data), self.size)
        raws = self._unpack(data)
        if self._plain:
            return {
                quantity: raw * factor
                for quantity, raw, factor in zip(self._quantities, raws, self._factors, strict=True)
            }
        values: dict[Quantity, int] = {}
        for each, raw in zip(self._held, raws, strict=True):
            number = _raw_of(each.kind, raw) if isinstance(raw, bytes) else raw
            if number is not None and number != each.invalid:
                values[each.quantity] = _scaled(number, each.factor)
        return values


_compiled: Final[dict[tuple[int, Group, int], tuple[Profile, tuple[Layout, ...]]]] = {}


def layouts(profile: Profile, group: Group, circuit_index: int) -> tuple[Layout, ...]:
    """The compiled blocks of a group. The profile is kept beside them, so that its id stays its own."""
    key = (id(profile), group, circuit_index)
    found = _compiled.get(key)
    if found is None:
        if len(_compiled) >= MAX_COMPILED:
            _compiled.clear()
        made = tuple(Layout(profile, block, circuit_index) for block in profile.blocks.get(group, ()))
        found = _compiled[key] = (profile, made)
    return found[1]


_ORDER: Final = struct.Struct(">HHi")


def order_write(profile: Profile, order: Order, circuit_index: int) -> tuple[int, bytes]:
    """Address and bytes of the one function 10h request that carries an order.

    Raises Refused `value_too_fine`, `value_out_of_range`.
    """
    block = profile.order
    assert block is not None, profile.code
    raw, rest = divmod(order.amount * block.factor.denominator, block.factor.numerator)
    if rest:
        raise Refused("value_too_fine", quantity="order", value=order.amount)
    if not 0 <= raw < 2**31:
        raise Refused("value_out_of_range", quantity="order", value=order.amount)
    address = block.address + profile.offset(circuit_index, shared=False)
    return address, _ORDER.pack(order.count, block.kinds[order.kind], raw)


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenOrder:
    """What arrived in the order block, sound or not: the meter judges it."""

    circuit_index: int
    count: int
    kind: OrderKind | None  # None: no kind of this model
    amount: int  # in the credit unit, may be negative or zero


def decode_order(profile: Profile, address: int, data: bytes) -> WrittenOrder | None:
    """A function 10h write seen by the meter; None when it is not exactly one circuit's order block."""
    block = profile.order
    if block is None or len(data) != ORDER_WORDS * 2:
        return None
    for index in range(1, profile.circuits + 1):
        if address == block.address + profile.offset(index, shared=False):
            count, kind, raw = _ORDER.unpack(data)
            return WrittenOrder(
                circuit_index=index, count=count, kind=block.kind_of(kind), amount=_scaled(raw, block.factor)
            )
    return None


def relay_write(profile: Profile, wish: Wish, circuit_index: int) -> tuple[int, tuple[int, ...]] | None:
    """Address and words of a wish; None when the model cannot be told so."""
    command = profile.relay
    if command is None or wish not in command.words:
        return None
    return command.address + profile.offset(circuit_index, shared=command.shared), command.words[wish]


class RegisterImage:
    """The registers of one meter as it shows them: values in, bytes out; and writes back into values.

    Made for the server side. Every address inside a block of the profile (with its spare register) can be
    read, as zero where nothing was put; anything else is an illegal address (None).
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._spans: list[tuple[int, bytearray]] = []
        for blocks in profile.blocks.values():
            for block in blocks:
                for index in range(1, (1 if block.shared else profile.circuits) + 1):
                    start = block.address + profile.offset(index, shared=block.shared)
                    self._spans.append((start, bytearray((block.count + block.spare) * 2)))

    def put(self, values: Mapping[Quantity, int], circuit_index: int = 1) -> None:
        """Store values (quantities the profile has no register for are left out); finer parts are cut."""
        for quantity, value in values.items():
            register = self.profile.registers.get(quantity)
            if register is None:
                continue
            data = encode_floor(register, value)
            start = register.address + self.profile.offset(circuit_index, shared=register.shared)
            for first, words in self._spans:
                at = (start - first) * 2
                if 0 <= at and at + len(data) <= len(words):
                    words[at : at + len(data)] = data

    def read(self, address: int, count: int) -> bytes | None:
        """Bytes of `count` registers, or None where an exception 02 is due."""
        for first, words in self._spans:
            at = (address - first) * 2
            if 0 <= at and at + count * 2 <= len(words):
                return bytes(words[at : at + count * 2])
        return None

    def values(self, address: int, data: bytes) -> dict[int, dict[Quantity, int]] | None:
        """A write of whole registers -> circuit -> values; None when it cuts a register or leaves the map."""
        found: dict[int, dict[Quantity, int]] = {}
        at, end = address, address + len(data) // 2
        while at < end:
            hit = _starting_at(self.profile, at)
            if hit is None or at + hit[1].words > end:
                return None
            index, register = hit
            part = data[(at - address) * 2 : (at - address + register.words) * 2]
            value = decode_value(register, part)
            if value is None:
                return None
            found.setdefault(index, {})[register.quantity] = value
            at += register.words
        return found


def _starting_at(profile: Profile, address: int) -> tuple[int, Register] | None:
    """Circuit and register whose first word stands at `address`."""
    for each in profile.registers.values():
        for index in range(1, (1 if each.shared else profile.circuits) + 1):
            if each.address + profile.offset(index, shared=each.shared) == address:
                return index, each
    return None
