"""TOML text -> Profile, refusing with a stable code whatever could make a meter be misread."""

import tomllib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from prewatt.core.meters.behaviour import behaviour_of
from prewatt.core.meters.bus_address import bus_address_of
from prewatt.core.meters.credit import check_credit, credit_of
from prewatt.core.meters.dataitems import data_map
from prewatt.core.meters.freezes import freezes_of
from prewatt.core.meters.maps import Map
from prewatt.core.meters.model import (
    Block,
    ClockSetting,
    ClockWay,
    Custody,
    Group,
    Kind,
    OrderBlock,
    Profile,
    Protocol,
    Register,
    RelayCommand,
    Switch,
    inside,
)
from prewatt.core.meters.prices import PriceTable, one_set, prices_of
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.rating import rating_of
from prewatt.core.meters.register_map import Span, check_overlap, modbus_map, spans_of
from prewatt.core.meters.scales import provenance, units_of
from prewatt.core.meters.schedule import schedule_of
from prewatt.core.meters.tables import Table
from prewatt.core.meters.token_face import token_face_of
from prewatt.core.meters.unlock import check_unlock, unlock_of
from prewatt.core.meters.wallet import wallet_of
from prewatt.core.refusals import Refused, Text, register

__all__ = [
    "Block",
    "Custody",
    "Group",
    "Kind",
    "OrderBlock",
    "Profile",
    "Protocol",
    "Register",
    "RelayCommand",
    "Switch",
    "load",
    "units_of",
]

MAX_TEXT: Final = 200_000  # characters; the largest real map is far below
BAUDS: Final = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
MAX_ROLLOVER_KWH: Final = 10**10  # ten digits; the widest display we know has eight

register(
    {
        "profile_malformed": Text("The profile is not valid TOML: {detail}", "表型档案不是有效的 TOML：{detail}"),
        "profile_unknown_quantity": Text("{value} is no known quantity.", "未知的量 {value}。"),
        "profile_unknown_type": Text("{quantity}: {value} is no known type.", "{quantity}：未知的数据类型 {value}。"),
        "profile_duplicate": Text("{quantity} is given twice.", "{quantity} 重复定义。"),
        "profile_overlap": Text(
            "{first} and {second} overlap at {address}.", "{first} 与 {second} 在 {address} 处重叠。"
        ),
        "profile_address": Text(
            "{quantity}: the address {address} is out of range.", "{quantity}：地址 {address} 超出范围。"
        ),
        "profile_block_too_long": Text(
            "The block of {group} is longer than {limit}.", "{group} 数据块超过 {limit} 个寄存器。"
        ),
        "profile_not_in_block": Text(
            "{quantity} lies in no block of its group.", "{quantity} 不在其分组的任何数据块中。"
        ),
        "profile_not_writable": Text(
            "{quantity} is not in the one settings block and cannot be written.",
            "{quantity} 不在唯一的参数数据块中，不能写入。",
        ),
        "profile_relay": Text(
            "The relay command must cover force_control and forced_state, with a relay that is readable or derived, or"
            " be the relay's own register; a model that switches nothing has none.",
            "继电器指令必须覆盖 force_control 与 forced_state 且继电器状态可读或可推导，"
            "或者就是继电器寄存器本身；不能切断供电的型号没有继电器指令。",
        ),
        "profile_token": Text(
            "[token.wire] needs a Modbus meter, and a model with a line needs blocks; one without takes tokens at its"
            " keypad alone.",
            "[token.wire] 仅用于 Modbus 电表；有通讯线路的型号须定义数据块，没有线路的型号只能在键盘上输入令牌。",
        ),
        "profile_no_witness": Text(
            "A meter-held purse needs purchase_count and a last order or a total in one block, and an order block.",
            "表内计费需要在同一数据块中有购电次数以及上次购电或累计购电量，并有购电指令块。",
        ),
    }
)

_WITNESS: Final = frozenset({Quantity.PURCHASE_COUNT, Quantity.BALANCE})


def _by_quantity(registers: Iterable[Register]) -> Mapping[Quantity, Register]:
    found: dict[Quantity, Register] = {}
    for each in registers:
        if each.quantity in found:
            raise Refused("profile_duplicate", quantity=each.quantity.value)
        found[each.quantity] = each
    return MappingProxyType(found)


def _by_group(blocks: Iterable[Block]) -> Mapping[Group, tuple[Block, ...]]:
    found: dict[Group, tuple[Block, ...]] = {}
    for each in blocks:
        found[each.group] = (*found.get(each.group, ()), each)
    return MappingProxyType(found)


def _check_blocks(profile: Profile) -> None:
    for each in profile.registers.values():
        if not any(inside(each, block) for block in profile.blocks.get(each.group, ())):
            raise Refused("profile_not_in_block", quantity=each.quantity.value)


_SHOWN: Final = frozenset({Quantity.LAST_ORDER_AMOUNT, Quantity.PURCHASED_TOTAL})  # beside the count, one by one


def _check_witness(profile: Profile) -> None:
    meter_held = Custody.METER in profile.custody
    if profile.protocol is Protocol.DLT645:
        witnessed = profile.registers.keys() >= _WITNESS | _SHOWN
        check_credit(profile.credit, meter_held=meter_held, money=profile.wallet is not None, witnessed=witnessed)
        return
    if not meter_held:
        return
    if profile.order is None and profile.token is not None:
        return  # credit comes by token alone: the meter itself knows which it has taken
    held = profile.registers
    last = {Quantity.LAST_ORDER_KIND, Quantity.LAST_ORDER_AMOUNT}
    together = _WITNESS | (last if last <= held.keys() else {Quantity.PURCHASED_TOTAL})
    blocks = profile.blocks.get(Group.STATUS, ())
    if (
        profile.order is None
        or not together <= held.keys()
        or not any(all(inside(held[quantity], block) for quantity in together) for block in blocks)
    ):
        raise Refused("profile_no_witness")


def _root(text: str) -> Table:
    if len(text) > MAX_TEXT:
        raise Refused("profile_malformed", detail="too long")
    try:
        return Table(tomllib.loads(text), "profile")
    except (ValueError, RecursionError) as error:  # also numbers and nestings that the reader has no room for
        raise Refused("profile_malformed", detail=str(error)[:120]) from None


def load(text: str) -> Profile:
    """A checked profile; raises Refused with a `profile_...` code."""
    root = _root(text)
    model = root.table("model")
    credit_unit = model.text("credit_unit", "Wh")
    if credit_unit not in ("Wh", "minor"):
        raise model.refuse("credit_unit", credit_unit)
    protocol = model.word("protocol", Protocol)
    read_map = data_map if protocol is Protocol.DLT645 else modbus_map
    held = read_map(root, model, credit_unit)
    by_quantity = _by_quantity(held.registers)
    settings = _settings(root, by_quantity)
    prices = _prices(root, held, by_quantity, protocol, settings)
    profile = Profile(
        code=_code(model),
        maker=model.text("maker"),
        name=model.text("name"),
        note=model.text("note", ""),
        phases=model.choice("phases", (1, 3)),
        circuits=held.circuits,
        protocol=protocol,
        baud_default=(baud := model.choice("baud_default", BAUDS)),
        custody=frozenset(model.named("custody", each, Custody) for each in model.names("custody")),
        switch=model.word("switch", Switch),
        credit_unit=credit_unit,
        resolution=model.integer("resolution", 1, 10**6),
        model_code=model.integer("model_code", 0, 0xFFFF) if model.has("model_code") else None,
        ct=model.flag("ct"),
        ratio_applied=model.flag("ratio_applied"),
        rollover_kwh=model.integer("rollover_kwh", 0, MAX_ROLLOVER_KWH, 0) or None,
        stride=held.stride,
        read_function=held.read_function,
        max_block=held.max_block,
        quiet_ms=model.integer("quiet_ms", 0, 10_000),
        turnaround_ms=model.integer("turnaround_ms", 1, 60_000),
        registers=by_quantity,
        blocks=_by_group(held.blocks),
        order=held.order,
        relay=held.relay,
        settings=settings,
        status_bits=held.status_bits,
        flags=held.flags,
        access=held.access,
        address_base=held.address_base,
        unlock=unlock_of(root) if protocol is Protocol.MODBUS else None,
        token=token_face_of(root, credit_unit, max_block=held.max_block),
        behaviour=behaviour_of(root),
        rating=rating_of(root, baud_default=baud, bauds=BAUDS),
        freezes=freezes_of(
            root, modbus=protocol is Protocol.MODBUS, credit_unit=credit_unit, circuits=held.circuits,
            max_block=held.max_block, taken=_taken(held, protocol),
        ),
        schedule=schedule_of(
            root, modbus=protocol is Protocol.MODBUS, max_block=held.max_block, taken=_taken(held, protocol)
        ),
        prices=prices,
        wallet=wallet_of(
            root, credit_unit, priced=Quantity.PRICE_FLAT in settings or (prices is not None and prices.writable)
        ),
        credit=credit_of(root) if protocol is Protocol.DLT645 else None,
        bus=bus_address_of(root) if protocol is Protocol.MODBUS else None,
        clock=_clock(root.table("clock"), protocol, by_quantity) if root.has("clock") else None,
    )
    model.done()
    root.done()
    if not profile.custody:
        raise model.refuse("custody", "[]")
    for check in (_check_blocks, _check_witness, _check_settings, _check_relay, _check_token, _check_unlock):
        check(profile)
    return profile


def _prices(
    root: Table, held: Map, registers: Mapping[Quantity, Register], protocol: Protocol, settings: frozenset[Quantity]
) -> PriceTable | None:
    """What it can be told to drain by: `[prices]`, or the one set that its registers hold."""
    shown, modbus = registers.get(Quantity.PRICE_FLAT), protocol is Protocol.MODBUS
    one = None
    if shown is not None:
        step = max(1, int(shown.factor))
        one = one_set(data=not modbus, step=step, source=shown.source, assumed=shown.assumed)
    return prices_of(
        root, modbus=modbus, max_block=held.max_block, taken=_taken(held, protocol), settings=settings, one=one,
        circuits=held.circuits,
    )  # fmt: skip


def _taken(held: Map, protocol: Protocol) -> Iterable[Span]:
    """The register spans of a Modbus map."""
    if protocol is not Protocol.MODBUS:
        return ()
    return spans_of(held.registers, held.order, held.circuits, held.stride)


def _code(model: Table) -> str:
    code = model.text("code")
    if not 1 <= len(code) <= 40 or not code.replace("-", "").isalnum() or code != code.lower() or not code.isascii():
        raise model.refuse("code", code)
    return code


def _settings(root: Table, registers: Mapping[Quantity, Register]) -> frozenset[Quantity]:
    table = root.table("settings") if root.has("settings") else None
    if table is None:
        return frozenset()
    writable = frozenset(table.named("writable", each, Quantity) for each in table.names("writable"))
    for quantity in writable:
        if quantity not in registers:
            raise Refused("profile_missing", key=f"register {quantity.value}")
    table.done()
    return writable


def _clock(table: Table, protocol: Protocol, registers: Mapping[Quantity, Register]) -> ClockSetting:
    way = table.word("way", ClockWay)
    source, assumed = provenance(table, "clock")
    made = ClockSetting(way=way, local=table.flag("local"), source=source, assumed=assumed)
    table.done()
    by_register = protocol is Protocol.MODBUS
    if by_register and (shown := registers.get(Quantity.CLOCK)) is not None and shown.mask:
        raise Refused("profile_field", quantity=Quantity.CLOCK.value)
    if (way is ClockWay.REGISTER) is not by_register or (by_register and Quantity.CLOCK not in registers):
        raise table.refuse("way", way.value)
    return made


def _check_settings(profile: Profile) -> None:
    """One block, so that a settings write is one request and is read back by one. Over DL/T 645 an identifier is
    written whole, so it is one number and nothing else."""
    blocks = profile.blocks.get(Group.SETTINGS, ())
    for quantity in sorted(profile.settings):
        if profile.protocol is Protocol.DLT645:
            held = profile.registers[quantity]
            whole = any((block.address, block.count) == (held.address, held.size) for block in blocks)
            if held.kind not in (Kind.DIGITS, Kind.SIGNED_DIGITS) or held.group is not Group.SETTINGS or not whole:
                raise Refused("profile_not_writable", quantity=quantity.value)
            continue
        if len(blocks) != 1 or not inside(profile.registers[quantity], blocks[0]):
            raise Refused("profile_not_writable", quantity=quantity.value)


def _check_unlock(profile: Profile) -> None:
    """Whatever else stands there would be written with it, or move by it."""
    if profile.unlock is None:
        return
    spans = [each[:2] for each in spans_of(profile.registers.values(), profile.order, profile.circuits, profile.stride)]
    for block in (block for blocks in profile.blocks.values() for block in blocks):
        for index in range(1, profile.circuits + 1):
            first = block.address + profile.offset(index, shared=block.shared)
            spans.append((first, first + block.count + block.spare))
    tables = [each is not None and each.writable for each in (profile.schedule, profile.prices)]
    if profile.bus is not None:
        spans.append((profile.bus.address, profile.bus.address + profile.bus.words))
    opens = bool(profile.settings) or profile.relay is not None or profile.clock is not None
    wire = profile.token is not None and profile.token.wire is not None
    check_unlock(profile.unlock, spans, opens=opens, tables=any(tables) or wire)


def _check_token(profile: Profile) -> None:
    """What carries tokens lies apart from all else; a model without a line has nothing that one could read."""
    face = profile.token
    told = profile.registers or profile.relay is not None or profile.order is not None
    if not profile.wired and (face is None or face.wire is not None or told):
        raise Refused("profile_token")
    if face is None or face.wire is None:
        return
    if profile.protocol is not Protocol.MODBUS:
        raise Refused("profile_token")
    spans = list(spans_of(profile.registers.values(), profile.order, profile.circuits, profile.stride))
    for index in range(1, (1 if face.wire.shared else profile.circuits) + 1):
        offset = profile.offset(index, shared=face.wire.shared)
        for start, end, name in face.wire.spans():
            if end + offset > 0x10000:
                raise Refused("profile_address", quantity=name, address=f"{start + offset:X}h")
            spans.append((start + offset, end + offset, name))
    check_overlap(spans)


def _check_relay(profile: Profile) -> None:
    """What is written must be readable afterwards, word by word."""
    command, held = profile.relay, profile.registers
    if command is None:
        return
    if profile.switch is Switch.NONE:
        raise Refused("profile_relay")
    if profile.protocol is Protocol.DLT645:
        return
    forces: list[Register | None] = [held.get(Quantity.FORCE_CONTROL), held.get(Quantity.FORCED_STATE)]
    words = len(next(iter(command.words.values())))
    good = words == len(forces) and (command.derived or Quantity.RELAY in held)
    if words == 1 and not command.derived:
        forces, good = [held.get(Quantity.RELAY)], {each[0] for each in command.words.values()} <= {0, 1}
    in_one = all(each is not None and each.mask for each in forces)  # bits of one word
    for place, each in enumerate(forces):
        good = good and each is not None and each.address == command.address + (0 if in_one else place)
        good = good and each is not None and (each.kind, each.group) == (Kind.U16, Group.STATUS)
        good = good and each is not None and each.shared == command.shared
        good = good and each is not None and each.byte_order is command.byte_order
        good = good and each is not None and each.mask.bit_count() == int(in_one)
    if in_one:
        good = good and all(word in (0, 1) for each in command.words.values() for word in each)
    if not good:
        raise Refused("profile_relay")
