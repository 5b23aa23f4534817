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
from prewatt.core.meters.model import DATA_KINDS, Block, ByteOrder, Group, Kind, Profile, Register, inside
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.register_map import ORDER_WORDS
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


def _turned(order: ByteOrder, data: bytes) -> bytes:
    """Words between the wire's order and ours, either way."""
    if order is ByteOrder.HIGH_FIRST:
        return data
    turned = bytearray(data)
    turned[0::2], turned[1::2] = data[1::2], data[0::2]
    return bytes(turned)


def _form_of(register: Register) -> str:
    """How `struct` takes it out of a block: as a number, or as bytes that it cannot read alone."""
    plain = register.byte_order is ByteOrder.HIGH_FIRST and not register.mask
    return _FORMATS[register.kind] if plain else f"{register.words * 2}s"


def _value_of(register: Register, raw: int | bytes) -> int | None:
    """What `struct` took out -> value in the quantity's unit; None when the meter says "no such value"."""
    number: int | Fraction | None
    if isinstance(raw, int):
        number = raw
    else:
        number = _raw_of(register.kind, _turned(register.byte_order, raw))
    if number is None or number == register.invalid:
        return None
    if register.mask and isinstance(number, int):
        number = (number ^ (register.mask if register.inverted else 0)) & register.mask
        number >>= register.shift
    return _scaled(number, register.factor) + register.offset


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
    (raw,) = struct.unpack(">" + _form_of(register), data)
    return _value_of(register, raw)


def encode_value(register: Register, value: int) -> bytes:
    """Value in the quantity's unit -> register bytes; of a part of a word, with all other bits 0 (see `put_in`).

    Raises Refused `value_out_of_range`, `value_too_fine`: a setting must be stored as it was asked for.
    """
    if register.kind in DATA_KINDS:
        return encode_item(register, value)
    if register.kind in _FLOATS:
        data = _encode_float(register, value)
        if decode_value(register, data) != value:
            raise Refused("value_too_fine", quantity=register.quantity.value, value=value)
        return data
    raw, rest = divmod((value - register.offset) * register.factor.denominator, register.factor.numerator)
    if rest:
        raise Refused("value_too_fine", quantity=register.quantity.value, value=value)
    return _encode_raw(register, raw, value)


def encode_floor(register: Register, value: int) -> bytes:
    """As encode_value, but a value finer than the register is cut: what a real meter shows of itself."""
    if register.kind in _FLOATS:
        return _encode_float(register, value)
    raw = (value - register.offset) * register.factor.denominator // register.factor.numerator
    return _encode_raw(register, raw, value)


def put_in(register: Register, held: bytes, data: bytes) -> bytes:
    """The words that hold a register, `held`, with its own `data` in them: other parts of the word stay."""
    kept = _others(register)
    return bytes(old & keep | new for old, keep, new in zip(held, kept, data, strict=True)) if any(kept) else data


def without(register: Register, held: bytes) -> bytes:
    """The words that hold a register without it: what a write of it must leave as it was."""
    return bytes(old & keep for old, keep in zip(held, _others(register), strict=True))


def _same(register: Register, held: bytes, other: bytes) -> bool:
    """Do both hold the same of the register?"""
    return all((old ^ new) & ~keep == 0 for old, new, keep in zip(held, other, _others(register), strict=True))


def _others(register: Register) -> bytes:
    """The bits of its words, as they travel, that are not its own."""
    if not register.mask:
        return bytes(register.words * 2)
    return _turned(register.byte_order, (0xFFFF ^ register.mask).to_bytes(2, "big"))


def _encode_float(register: Register, value: int) -> bytes:
    """The float next to the value."""
    if abs(value) > MAX_FLOAT:
        raise Refused("value_out_of_range", quantity=register.quantity.value, value=value)
    data = struct.pack(">f", Fraction(value - register.offset) / register.factor)
    return _turned(register.byte_order, data[2:] + data[:2] if register.kind in _LOW_WORD_FIRST else data)


def _encode_raw(register: Register, raw: int, value: int) -> bytes:
    kind, size = register.kind, register.words * 2
    try:
        if kind in _BCD:
            if not 0 <= raw < 10 ** (size * 2):
                raise OverflowError
            return _turned(register.byte_order, bytes.fromhex(str(raw).zfill(size * 2)))
        if register.mask:
            if raw < 0 or raw << register.shift & ~register.mask:
                raise OverflowError
            raw = raw << register.shift ^ (register.mask if register.inverted else 0)
        data = raw.to_bytes(size, "big", signed=kind in _SIGNED)
    except OverflowError:
        raise Refused("value_out_of_range", quantity=register.quantity.value, value=value) from None
    return _turned(register.byte_order, data[2:] + data[:2] if kind in _LOW_WORD_FIRST else data)


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
        places: list[int] = []  # of each register among what is taken out: parts of one word are one
        for each in held:
            if places and each.address < at:
                places.append(places[-1])
                continue
            places.append(places[-1] + 1 if places else 0)
            form += f"{(each.address - at) * 2}x" if each.address > at else ""
            form += _form_of(each)
            at = each.address + each.words
        self._unpack = struct.Struct(form).unpack_from
        self._held = tuple(zip(held, places, strict=True))
        self._quantities = tuple(each.quantity for each in held)
        self._factors = tuple(each.factor.numerator for each in held)
        self._plain = all(
            each.factor.denominator == 1
            and each.invalid is None
            and each.offset == 0
            and not _form_of(each).endswith("s")
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
        for each, place in self._held:
            value = _value_of(each, raws[place])
            if value is not None:
                values[each.quantity] = value
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
    return address, _turned(block.byte_order, _ORDER.pack(order.count, block.kinds[order.kind], raw))


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
            count, kind, raw = _ORDER.unpack(_turned(block.byte_order, data))
            return WrittenOrder(
                circuit_index=index, count=count, kind=block.kind_of(kind), amount=_scaled(raw, block.factor)
            )
    return None


def relay_write(profile: Profile, wish: Wish, circuit_index: int) -> tuple[int, tuple[int, ...]] | None:
    """Address of a wish and its words as they travel, or the values of its bits (see `relay_parts`); None when the
    model cannot be told so."""
    command = profile.relay
    if command is None or wish not in command.words:
        return None
    words = command.words[wish]
    if command.byte_order is ByteOrder.LOW_FIRST and not relay_parts(profile):
        words = tuple((word & 0xFF) << 8 | word >> 8 for word in words)
    return command.address + profile.offset(circuit_index, shared=command.shared), words


def relay_parts(profile: Profile) -> tuple[Register, ...]:
    """The bits of one word that a relay command sets, in the order of a wish's words; none where it writes words."""
    if profile.relay is None or not profile.relay.words:
        return ()
    named = [Quantity.FORCE_CONTROL, Quantity.FORCED_STATE]
    if len(next(iter(profile.relay.words.values()))) == 1:
        named = [Quantity.RELAY]
    return tuple(profile.registers[each] for each in named if profile.registers[each].mask)


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
                    words[at : at + len(data)] = put_in(register, bytes(words[at : at + len(data)]), data)

    def read(self, address: int, count: int) -> bytes | None:
        """Bytes of `count` registers, or None where an exception 02 is due."""
        for first, words in self._spans:
            at = (address - first) * 2
            if 0 <= at and at + count * 2 <= len(words):
                return bytes(words[at : at + count * 2])
        return None

    def values(self, address: int, data: bytes) -> dict[int, dict[Quantity, int]] | None:
        """A write of whole registers -> circuit -> values; None when it cuts a register or leaves the map.

        Of a word in parts those are written that change; None when a bit does that is part of nothing.
        """
        found: dict[int, dict[Quantity, int]] = {}
        at, end = address, address + len(data) // 2
        while at < end:
            hits = _starting_at(self.profile, at)
            if not hits or at + hits[0][1].words > end:
                return None
            words = hits[0][1].words
            part = data[(at - address) * 2 : (at - address + words) * 2]
            held = self.read(at, words) or bytes(words * 2)
            rest = (held, part)
            for index, each in hits:
                values = found.setdefault(index, {})
                rest = (without(each, rest[0]), without(each, rest[1]))
                if each.mask and _same(each, held, part):
                    continue
                value = decode_value(each, part)
                if value is None:
                    return None
                values[each.quantity] = value
            if rest[0] != rest[1]:
                return None
            at += words
        return found


def _starting_at(profile: Profile, address: int) -> list[tuple[int, Register]]:
    """Circuit and register whose first word stands at `address`; several where it is a word in parts."""
    return [
        (index, each)
        for each in profile.registers.values()
        for index in range(1, (1 if each.shared else profile.circuits) + 1)
        if each.address + profile.offset(index, shared=each.shared) == address
    ]
