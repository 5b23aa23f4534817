"""DL/T 645-2007 meters: every intent as a script of frames.

Frames carry the meter's number, so a foreign reply never passes; a late reply to the same question does, and
shows the past. As over Modbus, nothing is sent twice and nothing is believed that was not read back.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from prewatt.core.meters.codes import BLOCKS_CLOSING
from prewatt.core.meters.dataitems import COMMAND_OPEN, KEPT_ON, RELAY_OPEN, WORD
from prewatt.core.meters.drivers.conversation import Bus, Conversation, MeterAddress
from prewatt.core.meters.drivers.dlt645_address import readdress, rebaud
from prewatt.core.meters.drivers.dlt645_credit import credit
from prewatt.core.meters.drivers.dlt645_freezes import read_freezes
from prewatt.core.meters.drivers.dlt645_schedule import talk_of_prices, talk_of_schedule
from prewatt.core.meters.drivers.dlt645_settings import set_clock, write_settings
from prewatt.core.meters.drivers.dlt645_talk import Part, Script, Talk, address_of, refusal_code
from prewatt.core.meters.drivers.exchange import Asking, Decoder, Pause, Talking
from prewatt.core.meters.drivers.looks import (
    LOOK_AGAIN_MS,
    READ_GROUPS,
    RELAY_READS,
    RELAY_SETTLE_MS,
    SUPPLY,
    TRY_MISSES,
)
from prewatt.core.meters.jobs import Frame as Shown
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict
from prewatt.core.meters.model import ClockWay, Custody, Group, Profile
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire.dlt645 import (
    ClientDecoder,
    Command,
    Frame,
    Function,
    broadcast_time,
    control,
    encode,
    expects_reply,
)

__all__ = ["address_of", "clock_broadcast", "dlt645"]

FRAME_BYTES: Final = 20  # wake-up, marks, address, control, length, sum, end, identifier
CACHED_FRAMES: Final = 65_536


def clock_broadcast(clock: datetime) -> bytes:
    """The frame that tells every meter of a line the time (function 08); nobody answers. `clock`: site's local time.

    Meters leave jumps above five minutes, and a second one a day, aside.
    """
    return encode(broadcast_time(clock))


def _refusing(talk: Talk, code: str) -> Script:
    """Say no before a byte leaves."""
    yield from ()
    return talk.end(Verdict.REFUSED, code)


def _reading(talk: Talk, job: Job) -> Script:
    for group in READ_GROUPS[job.intent]:
        ended = yield from talk.read(group)
        if ended is not None:
            return ended
    total = talk.profile.registers.get(Quantity.ENERGY_IMPORT_TOTAL)
    if job.with_energy and total is not None and total.quantity not in talk.values:
        block = next(each for each in talk.profile.blocks[total.group] if each.address == total.address)
        ended = yield from talk.block(block)
        if ended is not None:
            return ended
    if job.with_clock:
        yield from talk.note_clock()  # a meter that keeps its clock to itself is read all the same
    balance = talk.profile.registers.get(Quantity.BALANCE)
    if job.with_balance and balance is not None and balance.quantity not in talk.values:
        blocks = talk.profile.blocks[balance.group]
        yield from talk.block(next(each for each in blocks if each.address == balance.address))
    return talk.end(Verdict.DONE)


def _trying(talk: Talk) -> Script:
    """Ask every block once, also after one that was refused: each refusal says something about the profile."""
    missed, refused = 0, None
    for group in Group:
        for block in talk.profile.blocks.get(group, ()):
            ended = yield from talk.block(block)
            silent = ended is not None and ended.verdict is Verdict.SILENT
            if ended is not None and not silent:
                refused = refused or ended.code
            missed = missed + 1 if silent else 0
            if missed == TRY_MISSES:
                return talk.end(Verdict.SILENT, "no_reply")
    if missed:
        return talk.end(Verdict.SILENT, "no_reply")
    return talk.end(Verdict.REFUSED, refused) if refused else talk.end(Verdict.DONE)


# --- relay -----------------------------------------------------------------------------------

_CLOSES: Final = frozenset({Command.CLOSE, Command.PERMIT_CLOSE})
_MAY_CLOSE: Final = _CLOSES | {Command.KEEP_POWER_ON}  # a meter that is told to keep the power on may close by itself
LAST_YEAR: Final = 2099


def _taken(command: Command, word: int) -> bool:
    """Does status word 3 show that the meter has the command?"""
    match command:
        case Command.TRIP:
            return bool(word >> COMMAND_OPEN & 1)
        case Command.CLOSE | Command.PERMIT_CLOSE:
            return not word >> COMMAND_OPEN & 1
        case Command.KEEP_POWER_ON:
            return bool(word >> KEPT_ON & 1)
        case Command.KEEP_POWER_OFF:
            return not word >> KEPT_ON & 1
        case _:
            return False


def _moved(command: Command, word: int) -> bool:
    """Does the relay stand as commanded?"""
    if command is Command.TRIP:
        return bool(word >> RELAY_OPEN & 1)
    return command not in _CLOSES or not word >> RELAY_OPEN & 1


def _wanting(commands: Sequence[Command], word: int) -> list[Command]:
    """The commands whose effect is not to be seen.

    A close that waits for the key and a trip that waits for its delay are not given again: that could begin the
    wait anew. A trip that stood behind kept power does not wait, it was outdone.
    """
    waits = {Command.PERMIT_CLOSE} if word >> KEPT_ON & 1 else {Command.TRIP, Command.PERMIT_CLOSE}
    return [each for each in commands if not _taken(each, word) or not (_moved(each, word) or each in waits)]


def _blocked(talk: Talk, wanted: Sequence[Command]) -> str | None:
    """Closing again is allowed only while the cause of the opening was credit or our own command."""
    if not _MAY_CLOSE & set(wanted) or talk.values.get(Quantity.RELAY) == 1:
        return None
    bits = talk.profile.bits(talk.values.get(Quantity.STATUS, 0))
    return next((f"closing_blocked_{bit.value}" for bit in BLOCKS_CLOSING if bit in bits), None)


def _followed(talk: Talk, commands: Sequence[Command]) -> Script:
    """Every command is taken: does the relay stand so too? A trip may be delayed, a close may wait for the key."""
    for attempt in range(RELAY_READS):
        if all(_moved(each, talk.word) for each in commands):
            return talk.end(Verdict.DONE)
        if attempt + 1 < RELAY_READS:
            yield Pause(RELAY_SETTLE_MS)
            ended = yield from talk.read(Group.STATUS)
            if ended is not None:
                return talk.end(Verdict.UNKNOWN, "write_unanswered") if talk.sent else ended
    if _CLOSES & set(commands) and not talk.word >> COMMAND_OPEN & 1:
        # left to a purse that is empty it stays open, and no key closes it
        return talk.end(Verdict.DONE, None if talk.profile.has_purse else "await_key")
    return talk.end(Verdict.UNKNOWN if talk.sent else Verdict.SILENT, "relay_not_moved")


def _relay(talk: Talk, commands: Sequence[Command], valid: timedelta) -> Script:
    ended = yield from talk.read(Group.STATUS)
    if ended is not None:
        return ended
    if not _wanting(commands, talk.word) or _blocked(talk, _wanting(commands, talk.word)) is not None:
        # nothing would be sent: that is said of the meter only after a second look
        ended = yield from talk.look_again(Group.STATUS, SUPPLY, LOOK_AGAIN_MS)
        if ended is not None:
            return ended
    wanted = _wanting(commands, talk.word)
    if not wanted:
        return (yield from _followed(talk, commands))
    blocked = _blocked(talk, wanted)
    if blocked is not None:
        return talk.end(Verdict.REFUSED, blocked)
    clock = yield from talk.clock()
    if isinstance(clock, Outcome):
        return clock
    until = clock + valid
    if until.year > LAST_YEAR:
        return talk.end(Verdict.REFUSED, "meter_clock_unreadable")
    unkept: str | None = None
    for command in wanted:
        talk.sent = True
        reply = yield Asking(control(talk.address, command, until, talk.access), write=True)
        ended = yield from _witness(talk, command, reply)
        if ended is None:
            continue
        if command is not Command.KEEP_POWER_ON or ended.verdict is not Verdict.REFUSED:
            return ended
        unkept = ended.code  # a meter that cannot keep the power on must not stay dark for it: close it all the same
    followed = yield from _followed(talk, commands)
    return followed if unkept is None or followed.verdict is not Verdict.DONE else talk.end(Verdict.REFUSED, unkept)


def _witness(talk: Talk, command: Command, reply: Frame | None) -> Part:
    """After the one frame: what status word 3 shows decides, not what was answered. None when it was taken."""
    refused = refusal_code(reply) if reply is not None and reply.refused else None
    for attempt in range(2):  # a late reply to an earlier question would show the past too
        if attempt:
            yield Pause(LOOK_AGAIN_MS[0])
        ended = yield from talk.read(Group.STATUS)
        if ended is not None:
            return talk.end(Verdict.UNKNOWN, refused or "write_unanswered")
        if _taken(command, talk.word):
            return None
    if refused is not None:
        return talk.end(Verdict.REFUSED, refused)
    return talk.end(Verdict.UNKNOWN, "write_unanswered" if reply is None else "write_not_applied")


# --- the conversation ------------------------------------------------------------------------


@lru_cache(maxsize=CACHED_FRAMES)
def _encoded(frame: Frame) -> bytes:
    return encode(frame)


class _Deaf:
    """To a broadcast nobody answers: what the line brings is somebody else's."""

    def receive(self, data: bytes) -> Frame | None:
        return None


class _Exchange(Talking[Frame, Frame]):
    """A Conversation over DL/T 645."""

    def __init__(self, script: Script, profile: Profile, bus: Bus, *, keep_frames: bool = False) -> None:
        # an imported line says 9600 whatever its serial server is set to: wait as long as the model's own speed needs
        bus = replace(bus, baud=min(bus.baud, profile.baud_default))
        self._sizes = {block.address: block.count for blocks in profile.blocks.values() for block in blocks}
        super().__init__(script, profile, bus, keep_frames=keep_frames)

    def _open(self, request: Frame) -> tuple[bytes, Decoder[Frame], int]:
        if not expects_reply(request):
            return encode(request), _Deaf(), 0
        data = _encoded(request) if request.function == Function.READ else encode(request)
        return data, ClientDecoder(request), FRAME_BYTES + self._sizes.get(request.di or 0, WORD * 4)

    def _kept_of(self, request: Frame, data: bytes) -> Shown | None:
        if request.function != Function.READ or request.di is None:
            return None
        count = self._sizes.get(request.di, 0)
        return Shown(function=request.function, address=request.di, count=count, sent=data, received=b"")

    def _words_of(self, reply: Frame) -> bytes:
        return reply.data[4:] if reply.function == Function.READ and not reply.refused else b""


def dlt645(profile: Profile, meter: MeterAddress, job: Job, bus: Bus) -> Conversation:
    """The driver of Protocol.DLT645."""
    talk = Talk(profile, meter)
    refused = _refused(profile, meter, job, bus)
    if refused is not None:
        script = _refusing(talk, refused)
    elif job.intent is Intent.RELAY:
        assert profile.relay is not None and job.wish is not None
        commands = profile.relay.commands_for(job.wish, by_key=meter.closes_by_key)
        script = _relay(talk, commands, timedelta(minutes=profile.relay.valid_minutes))
    elif job.intent is Intent.CREDIT:
        assert job.order is not None
        script = credit(talk, job.order)
    elif job.intent is Intent.WRITE_SETTINGS:
        script = write_settings(talk, job)
    elif job.intent is Intent.SET_CLOCK:
        script = set_clock(talk, job)
    elif job.intent is Intent.READDRESS:
        script = readdress(talk, job)
    elif job.intent is Intent.CHANGE_BAUD:
        script = rebaud(talk, job)
    elif job.intent is Intent.READ_FREEZES:
        script = read_freezes(talk, job)
    elif job.intent in (Intent.READ_SCHEDULE, Intent.WRITE_SCHEDULE):
        script = talk_of_schedule(talk, job)
    elif job.intent in (Intent.READ_PRICES, Intent.WRITE_PRICES):
        script = talk_of_prices(talk, job)
    elif job.intent is Intent.TRY:
        return _Exchange(_trying(talk), profile, bus, keep_frames=True)
    else:
        script = _reading(talk, job)
    return _Exchange(script, profile, bus)


def _refused(profile: Profile, meter: MeterAddress, job: Job, bus: Bus) -> str | None:
    """Why a job cannot be begun."""
    if bus.transport != "rtu":
        return "transport_not_supported"
    if not 1 <= job.circuit_index <= profile.circuits:
        return "circuit_not_in_profile"
    match job.intent:
        case Intent.CREDIT:
            if job.order is None:
                return "order_missing"
            if profile.credit is None or Custody.METER not in profile.custody:
                return "custody_not_supported"
            return None if meter.number else "meter_number_missing"
        case Intent.WRITE_SETTINGS:
            if not profile.settings:
                return "setting_not_supported"
            return None if meter.number else "meter_number_missing"
        case Intent.READDRESS | Intent.CHANGE_BAUD | Intent.WRITE_SCHEDULE | Intent.WRITE_PRICES:
            return None if meter.number else "meter_number_missing"
        case Intent.ENTER_TOKEN:
            return "token_not_supported"
        case Intent.SET_CLOCK:
            way = profile.clock.way if profile.clock is not None else None
            return None if way is ClockWay.BROADCAST and job.clock is not None else "setting_not_supported"
        case Intent.RELAY:
            if profile.relay is None or job.wish is None or job.wish not in profile.relay.commands:
                return "wish_not_supported"
            return None if meter.number else "meter_number_missing"
        case _:
            return None
