"""DL/T 645-2007 meters: every intent as a script of frames.

Frames carry the meter's number, so a foreign reply never passes; a late reply to the same question does, and
shows the past. As over Modbus, nothing is sent twice and nothing is believed that was not read back.
"""

from collections.abc import Collection, Generator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from prewatt.core.meters.codes import BLOCKS_CLOSING
from prewatt.core.meters.dataitems import COMMAND_OPEN, KEPT_ON, RELAY_OPEN, WORD, decode_answer, is_told
from prewatt.core.meters.drivers.conversation import Bus, Conversation, MeterAddress
from prewatt.core.meters.drivers.exchange import Asking, Decoder, Pause, Talking
from prewatt.core.meters.drivers.looks import (
    CLOCK_JUMP_S,
    CLOCK_SETTLED_S,
    LOOK_AGAIN_MS,
    READ_GROUPS,
    RELAY_READS,
    RELAY_SETTLE_MS,
    SUPPLY,
    TRY_MISSES,
)
from prewatt.core.meters.jobs import Frame as Shown
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict, Wish
from prewatt.core.meters.model import Block, ClockWay, Group, Profile, RelayCommand
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Text, register
from prewatt.core.wire.dlt645 import (
    ANYONE,
    Access,
    ClientDecoder,
    Command,
    Frame,
    Function,
    LongRead,
    RemoteProtocolError,
    broadcast_time,
    control,
    encode,
    errors_of,
    expects_reply,
)
from prewatt.core.wire.dlt645.items import moment

DIGITS: Final = 12  # of an address: the last of a longer printed number
CLOCK_DATE, CLOCK_TIME = 0x04000101, 0x04000102  # WWDDMMYY, ssmmhh
FRAME_BYTES: Final = 20  # wake-up, marks, address, control, length, sum, end, identifier
CACHED_FRAMES: Final = 65_536
DAY_S: Final = 86_400

register(
    {
        f"dlt645_{name}": Text(f"The meter refused: {en}.", f"电表拒绝：{zh}。")
        for name, en, zh in (
            ("other_error", "other error", "其他错误"),
            ("no_requested_data", "it has no such value", "无请求数据"),
            ("password_or_unauthorised", "wrong password or no authority", "密码错误或未授权"),
            ("baud_rate_unchangeable", "the baud rate cannot change", "通信速率不能更改"),
            ("too_many_year_zones", "too many year zones", "年时区数超限"),
            ("too_many_day_periods", "too many day periods", "日时段数超限"),
            ("too_many_rates", "too many rates", "费率数超限"),
            ("reserved", "reserved error", "保留错误"),
        )
    }
)
register(
    {
        "dlt645_refused": Text("The meter refused without a reason.", "电表拒绝，未说明原因。"),
        "meter_number_missing": Text(
            "A meter is only commanded by its number, and this one has none yet.", "必须按表号下达指令，该表尚无表号。"
        ),
        "meter_clock_unreadable": Text(
            "The meter shows no clock, so no command can be given an end.", "无法读取电表时钟，不能确定指令有效期。"
        ),
        "transport_not_supported": Text(
            "This line speaks Modbus TCP only; the meter needs a transparent line.",
            "该线路仅支持 Modbus TCP，此表需要透明传输线路。",
        ),
    }
)

Values = dict[Quantity, int]
Script = Generator[Asking[Frame] | Pause, Frame | None, Outcome]
Part = Generator[Asking[Frame] | Pause, Frame | None, Outcome | None]


def address_of(number: str) -> str:
    """The 12 digits a meter with this printed number answers to; the wildcard where the number is not known yet."""
    return number[-DIGITS:].zfill(DIGITS) if number else ANYONE


def clock_broadcast(clock: datetime) -> bytes:
    """The frame that tells every meter of a line the time (function 08); nobody answers. `clock`: site's local time.

    Meters leave jumps above five minutes, and a second one a day, aside.
    """
    return encode(broadcast_time(clock))


def refusal_code(reply: Frame) -> str:
    """The stable code of a refusal; the lowest error bit speaks."""
    names = errors_of(reply)
    return f"dlt645_{names[0]}" if names and not names[0].startswith("vendor") else "dlt645_refused"


def seconds_of(wall: datetime) -> int:
    """The wall time that a meter shows, counted as if it were UTC."""
    return int(wall.replace(tzinfo=UTC).timestamp())


class _Talk:
    """What one conversation has read so far, and the reads every script needs."""

    def __init__(self, profile: Profile, meter: MeterAddress) -> None:
        self.profile = profile
        self.address = address_of(meter.number)
        self.access = profile.access or Access()
        self.values: Values = {}
        self.word = 0  # status word 3
        self.sent = False

    def end(self, verdict: Verdict, code: str | None = None) -> Outcome:
        return Outcome(verdict=verdict, code=code, values=self.values, sent=self.sent)

    def item(self, di: int) -> Generator[Asking[Frame] | Pause, Frame | None, bytes | Outcome]:
        """The value bytes behind an identifier, following frames included; an Outcome when the meter gave none."""
        long = LongRead(self.address, di)
        while True:
            reply = yield Asking(long.request)
            if reply is None:
                return self.end(Verdict.SILENT, "no_reply")
            if reply.refused:
                return self.end(Verdict.REFUSED, refusal_code(reply))
            try:
                data = long.take(reply)
            except RemoteProtocolError:
                return self.end(Verdict.SILENT, "no_reply")  # parts without end: no answer anybody could use
            if data is not None:
                return data

    def block(self, block: Block) -> Part:
        """Read one block into `values`; an Outcome when the meter did not give it."""
        data = yield from self.item(block.address)
        if isinstance(data, Outcome):
            return None if block.optional and data.verdict is Verdict.REFUSED else data
        relay = self.profile.relay
        if relay is not None and block.group is Group.STATUS and block.address == relay.address:
            if not is_told(data[:WORD]):
                return self.end(Verdict.SILENT, "no_reply")
            self.word = int.from_bytes(data[:WORD], "little")
        self.values.update(decode_answer(self.profile.registers.values(), self.profile.flags, block, data))
        return None

    def read(self, group: Group) -> Part:
        for block in self.profile.blocks.get(group, ()):
            ended = yield from self.block(block)
            if ended is not None:
                return ended
        return None

    def look_again(self, group: Group, quantities: Collection[Quantity], pauses_ms: Sequence[int]) -> Part:
        """Read until two reads in a row agree on `quantities`: a late reply to an earlier question shows the past."""
        for quiet_ms in pauses_ms:
            before = {quantity: self.values.pop(quantity, None) for quantity in quantities}, self.word
            yield Pause(quiet_ms)
            ended = yield from self.read(group)
            if ended is not None:
                return ended
            if before == ({quantity: self.values.get(quantity) for quantity in quantities}, self.word):
                return None
        return self.end(Verdict.SILENT, "reads_differ")

    def clock(self) -> Generator[Asking[Frame] | Pause, Frame | None, datetime | Outcome]:
        """The meter's own wall clock. The date is asked first: around midnight the end of a command is then early,
        never a day late."""
        parts = []
        for di in (CLOCK_DATE, CLOCK_TIME):
            data = yield from self.item(di)
            if isinstance(data, Outcome):
                return data
            parts.append(data)
        text = moment(parts[0] + parts[1], "WWDDMMYYssmmhh")
        if not text:
            return self.end(Verdict.REFUSED, "meter_clock_unreadable")
        return datetime.fromisoformat(text)

    def note_clock(self) -> Part:
        """The same into `values`; an Outcome when the meter did not say."""
        shown = yield from self.clock()
        if isinstance(shown, Outcome):
            return shown
        self.values[Quantity.CLOCK] = seconds_of(shown)
        return None


def _refusing(talk: _Talk, code: str) -> Script:
    """Say no before a byte leaves."""
    yield from ()
    return talk.end(Verdict.REFUSED, code)


def _reading(talk: _Talk, job: Job) -> Script:
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
    return talk.end(Verdict.DONE)


def _set_clock(talk: _Talk, job: Job) -> Script:
    """One broadcast of the time, which nobody answers; then a look whether the meter goes by it.

    The others of the line take it too. A meter takes one a day that moves it by no more than five minutes, and none
    around midnight, where it would end a day twice or never.
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
    if abs(ahead_s) > CLOCK_JUMP_S:
        return talk.end(Verdict.REFUSED, "clock_too_far_off")
    if any((each + CLOCK_JUMP_S) % DAY_S < 2 * CLOCK_JUMP_S for each in (target, shown)):
        return talk.end(Verdict.REFUSED, "clock_near_midnight")
    talk.sent = True
    wall = datetime.fromtimestamp(target, UTC).replace(tzinfo=None)
    yield Asking(broadcast_time(wall), write=True)
    if (yield from talk.note_clock()) is not None:
        return talk.end(Verdict.UNKNOWN, "write_unanswered")
    if 0 <= talk.values[Quantity.CLOCK] - target <= CLOCK_SETTLED_S:
        return talk.end(Verdict.DONE)
    return talk.end(Verdict.REFUSED, "clock_not_taken")


def _trying(talk: _Talk) -> Script:
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


def _blocked(talk: _Talk, wanted: Sequence[Command]) -> str | None:
    """Closing again is allowed only while the cause of the opening was credit or our own command."""
    if not _MAY_CLOSE & set(wanted) or talk.values.get(Quantity.RELAY) == 1:
        return None
    bits = talk.profile.bits(talk.values.get(Quantity.STATUS, 0))
    return next((f"closing_blocked_{bit.value}" for bit in BLOCKS_CLOSING if bit in bits), None)


def _followed(talk: _Talk, commands: Sequence[Command]) -> Script:
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
        return talk.end(Verdict.DONE, "await_key")
    return talk.end(Verdict.UNKNOWN if talk.sent else Verdict.SILENT, "relay_not_moved")


def _relay(talk: _Talk, relay: RelayCommand, wish: Wish) -> Script:
    commands = relay.commands[wish]
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
    until = clock + timedelta(minutes=relay.valid_minutes)
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


def _witness(talk: _Talk, command: Command, reply: Frame | None) -> Part:
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
    talk = _Talk(profile, meter)
    refused = _refused(profile, meter, job, bus)
    if refused is not None:
        script = _refusing(talk, refused)
    elif job.intent is Intent.RELAY:
        assert profile.relay is not None and job.wish is not None
        script = _relay(talk, profile.relay, job.wish)
    elif job.intent is Intent.SET_CLOCK:
        script = _set_clock(talk, job)
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
            return "order_missing" if job.order is None else "custody_not_supported"
        case Intent.WRITE_SETTINGS:
            return "setting_not_supported"
        case Intent.SET_CLOCK:
            way = profile.clock.way if profile.clock is not None else None
            return None if way is ClockWay.BROADCAST and job.clock is not None else "setting_not_supported"
        case Intent.RELAY:
            if profile.relay is None or job.wish is None or job.wish not in profile.relay.commands:
                return "wish_not_supported"
            return None if meter.number else "meter_number_missing"
        case _:
            return None
