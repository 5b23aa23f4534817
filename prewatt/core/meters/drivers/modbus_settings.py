"""Parameters and the clock of Modbus meters: read the old block, write once, read back, compare field by field, and
all else of the block word by word."""

from collections.abc import Collection, Mapping

from prewatt.core.meters.drivers.exchange import Script
from prewatt.core.meters.drivers.looks import CLOCK_SETTLED_S, LOOK_AGAIN_MS
from prewatt.core.meters.drivers.modbus_talk import Talk, Values, rejection
from prewatt.core.meters.jobs import Job, Verdict
from prewatt.core.meters.model import ClockWay, Group
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import encode_value, layouts, put_in, without
from prewatt.core.refusals import Refused
from prewatt.core.wire.modbus import WriteReply


def _patch(talk: Talk, settings: Mapping[Quantity, int]) -> tuple[int, bytes]:
    """One write from the first to the last register that changes; what lies between keeps its read value.

    Raises Refused `setting_not_supported`, `value_too_fine`, `value_out_of_range`.
    """
    (layout,) = layouts(talk.profile, Group.SETTINGS, talk.circuit_index)
    block = bytearray(talk.raw[layout.address])
    first, last = len(block), 0
    for quantity, value in settings.items():
        register = talk.profile.registers[quantity]
        at = (register.address - layout.block.address) * 2
        data = encode_value(register, value)
        block[at : at + len(data)] = put_in(register, bytes(block[at : at + len(data)]), data)
        first, last = min(first, at), max(last, at + len(data))
    return layout.address + first // 2, bytes(block[first:last])


def _beside(talk: Talk, written: Collection[Quantity]) -> bytes:
    """The block as it was last read, without what is written and what moves by itself: the write must leave it so."""
    (layout,) = layouts(talk.profile, Group.SETTINGS, talk.circuit_index)
    block = bytearray(talk.raw[layout.address])
    for each in (talk.profile.registers[quantity] for quantity in written):
        at = (each.address - layout.block.address) * 2
        block[at : at + each.words * 2] = without(each, bytes(block[at : at + each.words * 2]))
    for address in layout.block.live:
        at = (address - layout.block.address) * 2
        block[at : at + 2] = bytes(2)
    return bytes(block)


def _settings_of(talk: Talk) -> Values:
    return {quantity: talk.values[quantity] for quantity in talk.profile.settings if quantity in talk.values}


def _settings_refused(talk: Talk, settings: Mapping[Quantity, int]) -> str | None:
    for quantity, value in settings.items():
        if quantity not in talk.profile.settings:
            return "setting_not_supported"
        try:
            encode_value(talk.profile.registers[quantity], value)
        except Refused as refused:
            return refused.code
    return None


def write_settings(talk: Talk, job: Job) -> Script:
    refused = "setting_not_supported" if not job.settings else _settings_refused(talk, job.settings)
    if refused is not None:
        return talk.end(Verdict.REFUSED, refused)
    ended = (yield from talk.identify()) or (yield from talk.read(Group.SETTINGS))
    if ended is not None:
        return ended
    old = _settings_of(talk)
    if not job.settings.keys() <= old.keys():  # an optional block that this meter has not
        return talk.end(Verdict.REFUSED, "setting_not_supported")
    in_parts = any(talk.profile.registers[each].mask for each in job.settings)  # whose other bits are written too
    if in_parts or {**old, **job.settings} == old:
        beside = (lambda: _beside(talk, job.settings)) if in_parts else (lambda: b"")
        ended = yield from talk.look_again(Group.SETTINGS, talk.profile.settings, LOOK_AGAIN_MS, beside)
        if ended is not None:
            return ended
        old = _settings_of(talk)
    new, others = {**old, **job.settings}, _beside(talk, job.settings)
    if new == old:
        return talk.end(Verdict.DONE)
    address, data = _patch(talk, job.settings)
    locked, reply = yield from talk.told(address, data)
    if locked is not None:
        return locked
    ended = yield from talk.read(Group.SETTINGS, vary=True)
    rejected = rejection(reply)
    if ended is None and (_settings_of(talk) != new or _beside(talk, job.settings) != others):
        ended = yield from talk.look_again(
            Group.SETTINGS, talk.profile.settings, LOOK_AGAIN_MS, lambda: _beside(talk, job.settings)
        )
    if ended is not None:
        return talk.end(Verdict.UNKNOWN, rejected or "write_unanswered")
    now = _settings_of(talk)
    if _beside(talk, job.settings) != others:  # one that shifts words, or wrote another block than it was told
        return talk.end(Verdict.DISPUTED, "settings_moved_another")
    if now == new:
        return talk.end(Verdict.DONE)
    if now != old:
        return talk.end(Verdict.DISPUTED, "settings_partly_written")
    if rejected is not None:
        return talk.end(Verdict.REFUSED, rejected)
    return talk.end(Verdict.UNKNOWN, "write_not_applied" if isinstance(reply, WriteReply) else "write_unanswered")


def set_clock(talk: Talk, job: Job) -> Script:
    """Write the time into the clock's own register and look whether the meter goes by it. `job.clock` is the time at
    which the conversation began: what the reads before the write take, the meter is late afterwards.
    """
    setting, register = talk.profile.clock, talk.profile.registers.get(Quantity.CLOCK)
    if setting is None or setting.way is not ClockWay.REGISTER or register is None or job.clock is None:
        return talk.end(Verdict.REFUSED, "setting_not_supported")
    target = job.clock + (job.zone_s if setting.local else 0)
    ended = (yield from talk.identify()) or (yield from talk.read(register.group, holding=Quantity.CLOCK))
    if ended is not None:
        return ended
    if abs(talk.values.get(Quantity.CLOCK, 0) - target) <= CLOCK_SETTLED_S:
        return talk.end(Verdict.DONE)
    try:
        data = encode_value(register, target)
    except Refused as refused:
        return talk.end(Verdict.REFUSED, refused.code)
    address = register.address + talk.profile.offset(talk.circuit_index, shared=register.shared)
    locked, reply = yield from talk.told(address, data)
    if locked is not None:
        return locked
    talk.values.pop(Quantity.CLOCK, None)
    ended = yield from talk.read(register.group, holding=Quantity.CLOCK)
    if ended is not None:
        return talk.end(Verdict.UNKNOWN, rejection(reply) or "write_unanswered")
    if 0 <= talk.values.get(Quantity.CLOCK, 0) - target <= CLOCK_SETTLED_S:
        return talk.end(Verdict.DONE)
    no = rejection(reply)
    return talk.end(Verdict.REFUSED, no) if no else talk.end(Verdict.UNKNOWN, "write_not_applied")
