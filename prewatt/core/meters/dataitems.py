"""DL/T 645 maps: identifiers instead of addresses, read from a profile, and values to answers and back."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from prewatt.core.meters.jobs import Wish
from prewatt.core.meters.maps import Map
from prewatt.core.meters.model import DATA_KINDS, Block, Flag, Group, Kind, Register, RelayCommand
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.meters.scales import provenance, scale_of
from prewatt.core.meters.tables import Table
from prewatt.core.refusals import Refused, Text, register
from prewatt.core.wire.dlt645 import Access, Command, Function, LocalProtocolError, RemoteProtocolError, bcd

MAX_ANSWER: Final = 200  # bytes of one answer by the standard; what is longer comes in parts and is not polled
MAX_DIGITS: Final = 8  # bytes of one number: twice what any identifier of the standard has
WORD: Final = 2
BITS: Final = 16
LONGEST_MINUTES: Final = 1440  # a relay command that outlives a day is a trap for whoever moves in tomorrow
RELAY_OPEN, COMMAND_OPEN, KEPT_ON = 4, 6, 12  # bits of status word 3
WORD_3, ALL_WORDS = 0x04000503, 0x040005FF  # it alone, and all seven in one answer
WORDS: Final = 7
CANONICAL: Final = MappingProxyType({bit: place for place, bit in enumerate(StatusBit)})

register(
    {
        "profile_identifier": Text(
            "{key} = {value} is no data identifier: 8 hex digits in quotes.",
            "{key} = {value} 不是数据标识：应为引号中的 8 位十六进制数。",
        ),
        "profile_control": Text(
            "The relay commands need status word 3 among the status blocks.", "继电器指令要求状态块中包含状态字 3。"
        ),
    }
)


def data_map(root: Table, model: Table, credit_unit: str) -> Map:
    """The map of a DL/T 645 model. Raises Refused with a `profile_...` code."""
    registers = tuple(_register(each, credit_unit) for each in root.tables("register"))
    blocks = tuple(_block(each) for each in root.tables("block"))
    flags = tuple(_flag(each) for each in root.tables("flag"))
    relay = _relay(root.table("relay")) if root.has("relay") else None
    _check(registers, blocks, flags, relay)
    return Map(
        circuits=model.integer("circuits", 1, 1),
        stride=0,
        read_function=int(Function.READ),
        max_block=model.integer("max_block", 1, MAX_ANSWER),
        registers=registers,
        blocks=blocks,
        order=None,
        relay=relay,
        status_bits=MappingProxyType({flag.fact: CANONICAL[flag.fact] for flag in flags}),
        flags=flags,
        access=_access(root.table("access")) if root.has("access") else None,
    )


def _identifier(table: Table, key: str) -> int:
    text = table.text(key)
    if len(text) != 8 or any(digit not in "0123456789ABCDEF" for digit in text):
        raise Refused("profile_identifier", key=key, value=text[:40])
    return int(text, 16)


def _register(table: Table, credit_unit: str) -> Register:
    name = table.text("quantity")
    if name not in {each.value for each in Quantity}:
        raise Refused("profile_unknown_quantity", value=name[:40])
    quantity = Quantity(name)
    kind = table.text("type")
    if kind not in {each.value for each in DATA_KINDS}:
        raise Refused("profile_unknown_type", quantity=name, value=kind[:40])
    is_bit = Kind(kind) in (Kind.BIT, Kind.NOT_BIT)
    scale, factor = scale_of(table, quantity, credit_unit)
    source, assumed = provenance(table, name)
    made = Register(
        quantity=quantity,
        group=table.word("group", Group),
        address=_identifier(table, "di"),
        kind=Kind(kind),
        scale=scale,
        factor=factor,
        shared=True,
        invalid=None,
        source=source,
        assumed=assumed,
        at=table.integer("at", 0, MAX_ANSWER, 0),
        size=WORD if is_bit else table.integer("size", 1, MAX_DIGITS),
        bit=table.integer("bit", 0, BITS - 1) if is_bit else 0,
    )
    table.done()
    return made


def _block(table: Table) -> Block:
    made = Block(
        group=table.word("group", Group),
        address=_identifier(table, "di"),
        count=table.integer("size", 1, MAX_ANSWER),
        spare=0,
        shared=True,
        function=int(Function.READ),
        optional=table.flag("optional"),
    )
    table.done()
    return made


def _bits(table: Table, key: str) -> frozenset[int]:
    listed = table.names(key, [])
    found = frozenset(each for each in listed if type(each) is int and 0 <= each < BITS)
    if len(found) != len(listed):
        raise table.refuse(key, listed)
    return found


def _flag(table: Table) -> Flag:
    name = table.text("fact")
    source, assumed = provenance(table, name)
    made = Flag(
        fact=table.named("fact", name, StatusBit),
        address=_identifier(table, "di"),
        at=table.integer("at", 0, MAX_ANSWER, 0),
        set=_bits(table, "set"),
        clear=_bits(table, "clear"),
        source=source,
        assumed=assumed,
    )
    table.done()
    if not made.set | made.clear or made.set & made.clear:
        raise table.refuse("set", sorted(made.set))
    return made


def _relay(table: Table) -> RelayCommand:
    listed = table.table("commands")
    known = {each.name.lower(): each for each in Command}
    commands: dict[Wish, tuple[Command, ...]] = {}
    for key, value in listed.items().items():
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(each, str) and each in known for each in value)
        ):
            raise listed.refuse(key, value)
        commands[listed.named(key, key, Wish)] = tuple(known[each] for each in value)
    source, assumed = provenance(table, "relay")
    made = RelayCommand(
        address=_identifier(table, "di"),
        words=MappingProxyType({}),
        commands=MappingProxyType(commands),
        valid_minutes=table.integer("valid_minutes", 1, LONGEST_MINUTES),
        derived=False,
        shared=True,
        source=source,
        assumed=assumed,
    )
    table.done()
    return made


def _access(table: Table) -> Access:
    made = Access(level=table.text("level"), password=table.text("password"), operator=table.text("operator"))
    try:
        made.wire()
    except LocalProtocolError:
        raise table.refuse("password", "***") from None
    table.done()
    return made


def word_3_at(di: int) -> int:
    """Where in the answer to an identifier of a relay's state status word 3 begins."""
    return (WORD_3 & 0xFF) * WORD - WORD if di == ALL_WORDS else 0


def _check(
    registers: tuple[Register, ...], blocks: tuple[Block, ...], flags: tuple[Flag, ...], relay: RelayCommand | None
) -> None:
    """No byte is two numbers, no bit two facts, and what a command does can be read."""
    taken: dict[tuple[int, int, int], str] = {}
    for each in registers:
        is_bit = each.kind in (Kind.BIT, Kind.NOT_BIT)
        first = each.at + each.bit // 8  # a word stands with its low byte first
        for place in (each.bit % 8,) if is_bit else range(8):
            for byte in range(first, first + (1 if is_bit else each.size)):
                key = (each.address, byte, place)
                if key in taken:
                    where = f"{each.address:08X}"
                    raise Refused("profile_overlap", first=taken[key], second=each.quantity.value, address=where)
                taken[key] = each.quantity.value
    status = {block.address: block.count for block in blocks if block.group is Group.STATUS}
    for flag in flags:
        if flag.at + WORD > status.get(flag.address, 0):
            raise Refused("profile_not_in_block", quantity=flag.fact.value)
    if relay is not None and status.get(relay.address, 0) < word_3_at(relay.address) + WORD:
        raise Refused("profile_control")


# --- values ----------------------------------------------------------------------------------


def decode_answer(
    registers: Iterable[Register], flags: Iterable[Flag], block: Block, data: bytes
) -> dict[Quantity, int]:
    """The value bytes of an answer -> values; what the meter has not, and what are no digits, is left out."""
    values: dict[Quantity, int] = {}
    for each in registers:
        if each.group is block.group and each.address == block.address:
            value = decode_item(each, data[each.at : each.at + each.size])
            if value is not None:
                values[each.quantity] = value
    here = [flag for flag in flags if flag.address == block.address and block.group is Group.STATUS]
    told = [flag for flag in here if is_told(data[flag.at : flag.at + WORD])]  # of a phase that is not there: ones
    if told:
        facts = {flag.fact for flag in told if _holds(flag, data)}
        values[Quantity.STATUS] = sum(1 << CANONICAL[fact] for fact in facts)
    return values


def decode_item(register: Register, data: bytes) -> int | None:
    """The bytes of one item -> value; None when they are not there, no digits, or "no such value"."""
    if len(data) != register.size or bcd.is_nothing(data):
        return None
    if register.kind in (Kind.BIT, Kind.NOT_BIT):
        raw = int.from_bytes(data, "little") >> register.bit & 1
        return raw ^ (register.kind is Kind.NOT_BIT)
    try:
        number = bcd.read(data, signed=register.kind is Kind.SIGNED_DIGITS)
    except RemoteProtocolError:
        return None
    return None if number is None else number * register.factor.numerator // register.factor.denominator


def is_told(word: bytes) -> bool:
    """A cut word and one full of FF ("no such value") say nothing about any of their bits."""
    return len(word) == WORD and not bcd.is_nothing(word)


def encode_item(register: Register, value: int) -> bytes:
    """Value in the quantity's unit -> the bytes of one item, as they are written (function 14).

    Raises Refused `value_out_of_range`, `value_too_fine`: a setting must be stored as it was asked for.
    """
    raw, rest = divmod(value * register.factor.denominator, register.factor.numerator)
    if rest:
        raise Refused("value_too_fine", quantity=register.quantity.value, value=value)
    try:
        return bcd.write(raw, register.size, signed=register.kind is Kind.SIGNED_DIGITS)
    except LocalProtocolError:
        raise Refused("value_out_of_range", quantity=register.quantity.value, value=value) from None


def _holds(flag: Flag, data: bytes) -> bool:
    word = int.from_bytes(data[flag.at : flag.at + WORD], "little")
    return all(word >> bit & 1 for bit in flag.set) and not any(word >> bit & 1 for bit in flag.clear)


def encode_answer(
    registers: Iterable[Register], block: Block, values: Mapping[Quantity, int], words: Mapping[int, int]
) -> bytes:
    """Values -> the value bytes of an answer, finer parts cut; `words`: byte offset -> status word of this block.

    For the meter's side. A quantity without a value is shown as "no such value". Raises Refused
    `value_out_of_range`.
    """
    data = bytearray(block.count)
    for at, word in words.items():
        data[at : at + WORD] = word.to_bytes(WORD, "little")
    for each in registers:
        if each.group is not block.group or each.address != block.address:
            continue
        value = values.get(each.quantity)
        if each.kind in (Kind.BIT, Kind.NOT_BIT):
            bit = (value or 0) ^ (each.kind is Kind.NOT_BIT)
            word = int.from_bytes(data[each.at : each.at + WORD], "little") & ~(1 << each.bit) | bit << each.bit
            data[each.at : each.at + WORD] = word.to_bytes(WORD, "little")
            continue
        raw = None if value is None else value * each.factor.denominator // each.factor.numerator
        try:
            data[each.at : each.at + each.size] = bcd.write(raw, each.size, signed=each.kind is Kind.SIGNED_DIGITS)
        except LocalProtocolError:
            raise Refused("value_out_of_range", quantity=each.quantity.value, value=value) from None
    return bytes(data)
