"""The Modbus half of a profile: registers, blocks, orders and the relay command, read from its tables."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from prewatt.core.meters.jobs import OrderKind, Wish
from prewatt.core.meters.maps import Map
from prewatt.core.meters.model import (
    DATA_KINDS,
    Block,
    ByteOrder,
    Group,
    Kind,
    OrderBlock,
    Register,
    RelayCommand,
)
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.meters.scales import SMALLEST, provenance, scale_of
from prewatt.core.meters.tables import Table
from prewatt.core.refusals import Refused, Text, register, texts

MAX_CIRCUITS: Final = 36  # SPM2506
ORDER_WORDS: Final = 4
MAX_RELAY_WORDS: Final = 8  # no known model needs more than two
WORD_BITS: Final = 16
MAX_OFFSET: Final = 10**10  # of the unit: seconds between two epochs, and any meter's zero, lie far below

register(
    {
        "profile_offset": Text(
            "{quantity}: the offset {value} is not allowed. It is a number of the unit, whole in the smallest one, and"
            " neither status, relay nor prices have one.",
            "{quantity}：偏移 {value} 不允许。偏移以所写单位计，换算为最小单位后须为整数；状态、继电器和电价不能有偏移。",
        ),
        "profile_field": Text(
            "{quantity}: a part of a word is one of bit, not_bit and mask, of a register of type u16, and a mask has no"
            " holes unless it is the status word's, whose bits must lie in it.",
            "{quantity}：字中的一部分只能用 bit、not_bit、mask 之一，类型须为 u16；除状态字外掩码须连续，状态位须在掩码之内。",
        ),
        "profile_byte_order": Text(
            "[{table}] is written and read high byte first: where the words stand otherwise, say so of each register"
            " instead of the whole model.",
            "[{table}] 按高字节在前读写：若寄存器字节序不同，请逐个寄存器注明，而不是对整个表型设置。",
        ),
    }
)

_NO_OFFSET: Final = frozenset(  # bits, words of commands, and what is stepped through by its scale
    {
        Quantity.STATUS, Quantity.RELAY, Quantity.FORCE_CONTROL, Quantity.FORCED_STATE, Quantity.PRICE_SHARP,
        Quantity.PRICE_PEAK, Quantity.PRICE_FLAT, Quantity.PRICE_VALLEY,
    }
)  # fmt: skip
_HIGH_FIRST: Final = ("freezes", "schedule", "prices", "token", "bus")  # tables with a layout of their own


def _offset(table: Table, quantity: Quantity, multiple: Fraction) -> int:
    """What is added to raw times scale, in the quantity's own unit; `multiple`: of it, the unit that is written."""
    text = table.text("offset", "0")
    try:
        offset = Decimal(text)
    except InvalidOperation:
        raise Refused("profile_offset", quantity=quantity.value, value=text[:40]) from None
    sane = len(text) <= 40 and offset.is_finite() and (not offset or SMALLEST <= offset.copy_abs() <= MAX_OFFSET)
    exact = Fraction(offset) * multiple if sane else None
    if exact is None or exact.denominator != 1 or (exact and quantity in _NO_OFFSET):
        raise Refused("profile_offset", quantity=quantity.value, value=text[:40])
    return int(exact)


def _mask(table: Table, quantity: Quantity, kind: Kind) -> tuple[int, bool]:
    """Which bits of the word, 0 where it is the whole one; and whether they stand the other way round."""
    said = [key for key in ("bit", "not_bit", "mask") if table.has(key)]
    if not said:
        return 0, False
    (key,) = said if len(said) == 1 else ("",)
    if kind is not Kind.U16 or not key:
        raise Refused("profile_field", quantity=quantity.value)
    if key != "mask":
        return 1 << table.integer(key, 0, WORD_BITS - 1), key == "not_bit"
    mask = table.integer(key, 1, 2**WORD_BITS - 2)  # the whole word needs none
    lowest = mask & -mask
    if mask & (mask + lowest) and quantity is not Quantity.STATUS:
        raise Refused("profile_field", quantity=quantity.value)
    return mask, False


def _register(table: Table, credit_unit: str, byte_order: ByteOrder) -> Register:
    name = table.text("quantity")
    if name not in {each.value for each in Quantity}:
        raise Refused("profile_unknown_quantity", value=name[:40])
    quantity = Quantity(name)
    kind = table.text("type")
    if kind not in {each.value for each in Kind if each not in DATA_KINDS}:
        raise Refused("profile_unknown_type", quantity=name, value=kind[:40])
    scale, factor = scale_of(table, quantity, credit_unit)
    source, assumed = provenance(table, name)
    mask, inverted = _mask(table, quantity, Kind(kind))
    made = Register(
        quantity=quantity,
        group=table.word("group", Group),
        address=table.address("address"),
        kind=Kind(kind),
        scale=scale,
        factor=factor,
        shared=table.flag("shared"),
        invalid=table.integer("invalid", 0, 2**64) if table.has("invalid") else None,
        source=source,
        assumed=assumed,
        byte_order=table.word("byte_order", ByteOrder, byte_order),
        offset=_offset(table, quantity, factor / Fraction(scale)),
        mask=mask,
        inverted=inverted,
    )
    table.done()
    return made


def _block(table: Table, max_block: int, read_function: int) -> Block:
    group = table.word("group", Group)
    address, count, base = table.address("address"), table.integer("count", 1, 0xFFFF), table.base
    made = Block(
        group=group, address=address, count=count, spare=table.integer("spare", 0, 1, 0), shared=table.flag("shared"),
        function=table.integer("function", 3, 4, read_function), optional=table.flag("optional"),
        live=tuple(each - base for each in table.integers("live", address + base, address + base + count - 1)),
    )  # fmt: skip
    table.done()
    if made.count + made.spare > max_block:
        raise Refused("profile_block_too_long", group=group.value, limit=max_block)
    return made


def _order(table: Table, credit_unit: str, byte_order: ByteOrder) -> OrderBlock:
    scale, factor = scale_of(table, Quantity.BALANCE, credit_unit)
    kinds_table, results_table = table.table("kinds"), table.table("results")
    kinds = {kind: kinds_table.integer(kind.value, 1, 0xFFFF) for kind in OrderKind}
    kinds_table.done()
    if len(set(kinds.values())) != len(kinds):
        raise kinds_table.refuse("kinds", sorted(kinds.values()))
    results: dict[int, str] = {}
    for key, code in results_table.items().items():
        known = isinstance(code, str) and code.startswith("meter_") and code in texts
        if not (key.isascii() and key.isdecimal() and len(key) <= 5 and 0 < int(key) <= 0xFFFF) or not known:
            raise results_table.refuse(key, code)
        results[int(key)] = str(code)
    source, assumed = provenance(table, "order")
    made = OrderBlock(
        address=table.address("address", 0x10000 - ORDER_WORDS),
        scale=scale,
        factor=factor,
        kinds=MappingProxyType(kinds),
        results=MappingProxyType(results),
        source=source,
        assumed=assumed,
        byte_order=table.word("byte_order", ByteOrder, byte_order),
    )
    table.done()
    return made


def _relay(table: Table, byte_order: ByteOrder) -> RelayCommand:
    words_table = table.table("words")
    words: dict[Wish, tuple[int, ...]] = {}
    for key, value in words_table.items().items():
        wish = words_table.named(key, key, Wish)
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_RELAY_WORDS:
            raise words_table.refuse(key, value)
        if not all(type(word) is int and 0 <= word <= 0xFFFF for word in value):
            raise words_table.refuse(key, value)
        words[wish] = tuple(value)
    if len({len(each) for each in words.values()}) != 1:
        raise words_table.refuse("words", "lengths differ")
    source, assumed = provenance(table, "relay")
    made = RelayCommand(
        address=table.address("address"),
        words=MappingProxyType(words),
        derived=table.flag("derived"),
        shared=table.flag("shared"),
        source=source,
        assumed=assumed,
        byte_order=table.word("byte_order", ByteOrder, byte_order),
    )
    table.done()
    return made


Span = tuple[int, int, str]  # first address, address behind the last, name


def check_overlap(spans: Iterable[Span]) -> None:
    last: Span | None = None
    for span in sorted(spans):
        if last is not None and span[0] < last[1]:
            raise Refused("profile_overlap", first=last[2], second=span[2], address=f"{span[0]:04X}h")
        last = span


def _words_of(registers: Iterable[Register]) -> Iterable[Register]:
    """The registers, and of those that are parts of one word the first."""
    parts: dict[tuple[int, bool, ByteOrder], list[Register]] = {}
    for each in registers:
        others = parts.setdefault((each.address, each.shared, each.byte_order), []) if each.mask else []
        for other in others:
            if each.mask & other.mask:
                first, second = other.quantity.value, each.quantity.value
                raise Refused("profile_overlap", first=first, second=second, address=f"{each.address:04X}h")
        if not others:
            yield each
        others.append(each)


def spans_of(registers: Iterable[Register], order: OrderBlock | None, circuits: int, stride: int) -> Iterable[Span]:
    """Every register of every circuit: a stride that is too short shows as an overlap. Parts of one word are one
    span, which they may share where no bit is two of them."""
    for each in _words_of(registers):
        for index in range(1 if each.shared else circuits):
            start = each.address + index * stride
            if start + each.words > 0x10000:
                raise Refused("profile_address", quantity=each.quantity.value, address=f"{start:X}h")
            yield start, start + each.words, each.quantity.value
    if order is not None:
        for index in range(circuits):
            start = order.address + index * stride
            if start + ORDER_WORDS > 0x10000:
                raise Refused("profile_address", quantity="order", address=f"{start:X}h")
            yield start, start + ORDER_WORDS, "order"


def _status_bits(table: Table) -> Mapping[StatusBit, int]:
    bits = {table.named(key, key, StatusBit): value for key, value in table.items().items()}
    checked: dict[StatusBit, int] = {}
    for bit, value in bits.items():
        if not isinstance(value, int) or not 0 <= value <= 31 or value in checked.values():
            raise table.refuse(bit.value, value)
        checked[bit] = value
    return MappingProxyType(checked)


def modbus_map(root: Table, model: Table, credit_unit: str) -> Map:
    """The map of a Modbus model. Raises Refused with a `profile_...` code."""
    root.base = model.integer("address_base", 0, 1, 0)
    byte_order = model.word("byte_order", ByteOrder, ByteOrder.HIGH_FIRST)
    if byte_order is not ByteOrder.HIGH_FIRST and (fixed := [name for name in _HIGH_FIRST if root.has(name)]):
        raise Refused("profile_byte_order", table=fixed[0])
    circuits = model.integer("circuits", 1, MAX_CIRCUITS)
    stride = model.integer("stride", 0, 0xFFFF, 0)
    max_block = model.integer("max_block", 1, 125)
    read_function = model.choice("read_function", (3, 4))
    registers = tuple(_register(each, credit_unit, byte_order) for each in root.tables("register"))
    order = _order(root.table("order"), credit_unit, byte_order) if root.has("order") else None
    relay = _relay(root.table("relay"), byte_order) if root.has("relay") else None
    check_overlap(spans_of(registers, order, circuits, stride))
    return Map(
        circuits=circuits,
        stride=stride,
        read_function=read_function,
        max_block=max_block,
        address_base=root.base,
        registers=registers,
        blocks=tuple(_block(each, max_block, read_function) for each in root.tables("block")),
        order=order,
        relay=relay,
        status_bits=_facts(root.table("status_bits"), registers) if root.has("status_bits") else MappingProxyType({}),
    )


def _facts(table: Table, registers: Iterable[Register]) -> Mapping[StatusBit, int]:
    """The bits of the status word, which all lie in it."""
    bits = _status_bits(table)
    for each in registers:
        part = each.mask >> each.shift if each.quantity is Quantity.STATUS else 0
        if part and not all(part >> at & 1 for at in bits.values()):
            raise Refused("profile_field", quantity=each.quantity.value)
    return bits
