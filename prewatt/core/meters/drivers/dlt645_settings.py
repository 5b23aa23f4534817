"""Parameters and the clock of DL/T 645 meters: each is written once, then the meter is read, and that decides: of what
was written by its value, of all other parameters by the bytes."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Final

from prewatt.core.meters.dataitems import encode_item
from prewatt.core.meters.drivers.dlt645_talk import Script, Talk, Values, refusal_code
from prewatt.core.meters.drivers.exchange import Asking
from prewatt.core.meters.drivers.looks import CLOCK_JUMP_S, CLOCK_SETTLED_S, LOOK_AGAIN_MS
from prewatt.core.meters.jobs import Job, Verdict
from prewatt.core.meters.model import Group
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused
from prewatt.core.wire.dlt645 import broadcast_time, clock_bytes, write

CLOCK_ITEMS: Final = ((0x04000101, "WWDDMMYY"), (0x04000102, "ssmmhh"))
DAY_S: Final = 86_400


def set_clock(talk: Talk, job: Job) -> Script:
    """One broadcast of the time, which nobody answers; then a look whether the meter goes by it.

    The others of the line take it too. A meter takes one a day that moves it by no more than five minutes, and none
    around midnight, where it would end a day twice or never. One that is further off is written to by itself.
    """
    assert job.clock is not None
    target = job.clock + job.zone_s
    ended = yield from talk.note_clock()
    if ended is not None:
        return ended
    shown = talk.values[Quantity.CLOCK]
    ahead_s = shown - target
    if abs(ahead_s) <= CLOCK_SETTLED_S:
        return talk.end(Verdict.DONE)
    if any((each + CLOCK_JUMP_S) % DAY_S < 2 * CLOCK_JUMP_S for each in (target, shown)):
        return talk.end(Verdict.REFUSED, "clock_near_midnight")
    wall = datetime.fromtimestamp(target, UTC).replace(tzinfo=None)
    if abs(ahead_s) > CLOCK_JUMP_S:
        return (yield from _write_clock(talk, wall, ahead_s, target))
    talk.sent = True
    yield Asking(broadcast_time(wall), write=True)
    if (yield from talk.note_clock()) is not None:
        return talk.end(Verdict.UNKNOWN, "write_unanswered")
    if 0 <= talk.values[Quantity.CLOCK] - target <= CLOCK_SETTLED_S:
        return talk.end(Verdict.DONE)
    return talk.end(Verdict.REFUSED, "clock_not_taken")


def _write_clock(talk: Talk, wall: datetime, ahead_s: int, target: int) -> Script:
    """Function 14 for the date, then for the time, each once; then a look at both. Not around midnight of either
    clock: between the two writes the day must not end."""
    answered, no = True, None
    for di, form in CLOCK_ITEMS:
        talk.sent = True
        reply = yield Asking(write(talk.address, di, clock_bytes(wall, form), talk.access), write=True)
        answered, no = reply is not None, refusal_code(reply) if reply is not None and reply.refused else None
        if not answered or no:
            break  # a time under the date that was would be a guess
    if (yield from talk.note_clock()) is not None:
        return talk.end(Verdict.UNKNOWN, no or "write_unanswered")
    off_s = talk.values[Quantity.CLOCK] - target
    if 0 <= off_s <= CLOCK_SETTLED_S:
        return talk.end(Verdict.DONE)
    if not 0 <= off_s - ahead_s <= CLOCK_JUMP_S:  # it goes neither as it did nor as it was told
        return talk.end(Verdict.DISPUTED, "settings_partly_written")
    if no:
        return talk.end(Verdict.REFUSED, no)
    return talk.end(Verdict.UNKNOWN, "write_not_applied" if answered else "write_unanswered")


def _settings_of(talk: Talk) -> Values:
    return {quantity: talk.values[quantity] for quantity in talk.profile.settings if quantity in talk.values}


def _beside(talk: Talk, written: Collection[Quantity]) -> dict[int, bytes]:
    """What the other identifiers of the group answered last: the write must leave it so."""
    told = {talk.profile.registers[each].address for each in written}
    blocks = talk.profile.blocks.get(Group.SETTINGS, ())
    return {each.address: talk.raw[each.address] for each in blocks if each.address in talk.raw.keys() - told}


def _settings_refused(talk: Talk, settings: Mapping[Quantity, int]) -> str | None:
    for quantity, value in settings.items():
        if quantity not in talk.profile.settings:
            return "setting_not_supported"
        try:
            encode_item(talk.profile.registers[quantity], value)
        except Refused as refused:
            return refused.code
    return None if settings else "setting_not_supported"


def write_settings(talk: Talk, job: Job) -> Script:
    """Function 14 for each identifier that differs, each once; then the meter is read, and that decides."""
    refused = _settings_refused(talk, job.settings)
    if refused is not None:
        return talk.end(Verdict.REFUSED, refused)
    ended = yield from talk.read(Group.SETTINGS)
    if ended is None and {**_settings_of(talk), **job.settings} == _settings_of(talk):
        ended = yield from talk.look_again(Group.SETTINGS, talk.profile.settings, LOOK_AGAIN_MS)
    if ended is not None:
        return ended
    old = _settings_of(talk)
    new, others = {**old, **job.settings}, _beside(talk, job.settings)
    answered, no = True, None

    def moved() -> bool:
        now = _beside(talk, job.settings)
        return any(now.get(address, data) != data for address, data in others.items())

    for quantity in sorted(each for each in job.settings if old.get(each) != new[each]):
        register = talk.profile.registers[quantity]
        talk.sent = True
        frame = write(talk.address, register.address, encode_item(register, new[quantity]), talk.access)
        reply = yield Asking(frame, write=True)
        answered, no = reply is not None, refusal_code(reply) if reply is not None and reply.refused else None
        if not answered or no:
            break  # the rest would be a guess
    if not talk.sent:
        return talk.end(Verdict.DONE)
    ended = yield from talk.read(Group.SETTINGS)
    if ended is None and (_settings_of(talk) != new or moved()):
        ended = yield from talk.look_again(Group.SETTINGS, talk.profile.settings, LOOK_AGAIN_MS)
    if ended is not None:
        return talk.end(Verdict.UNKNOWN, no or "write_unanswered")
    now = _settings_of(talk)
    if moved():
        return talk.end(Verdict.DISPUTED, "settings_moved_another")
    if now == new:
        return talk.end(Verdict.DONE)
    if now != old:
        return talk.end(Verdict.DISPUTED, "settings_partly_written")
    if no:
        return talk.end(Verdict.REFUSED, no)
    return talk.end(Verdict.UNKNOWN, "write_not_applied" if answered else "write_unanswered")
