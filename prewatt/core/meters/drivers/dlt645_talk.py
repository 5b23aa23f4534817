"""What conversations over DL/T 645 share: identifiers read and looked at twice, the clock, what a refusal says."""

from collections.abc import Callable, Collection, Generator, Sequence
from datetime import UTC, datetime
from typing import Final

from prewatt.core.meters.dataitems import ALL_WORDS, WORD, WORD_3, WORDS, decode_answer, is_told, word_3_at
from prewatt.core.meters.drivers.conversation import MeterAddress
from prewatt.core.meters.drivers.exchange import Asked, Asking, Pause
from prewatt.core.meters.jobs import Outcome, Verdict
from prewatt.core.meters.model import Block, Group, Profile
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Text, register
from prewatt.core.wire.dlt645 import ANYONE, Access, Frame, LongRead, RemoteProtocolError, errors_of
from prewatt.core.wire.dlt645.charging import PurseState
from prewatt.core.wire.dlt645.items import moment

DIGITS: Final = 12  # of an address: the last of a longer printed number
CLOCK_DATE, CLOCK_TIME = 0x04000101, 0x04000102  # WWDDMMYY, ssmmhh

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
Step = Asking[Frame] | Pause | Asked
Script = Generator[Step, Frame | None, Outcome]
Part = Generator[Step, Frame | None, Outcome | None]


def address_of(number: str) -> str:
    """The 12 digits a meter with this printed number answers to; the wildcard where the number is not known yet."""
    return number[-DIGITS:].zfill(DIGITS) if number else ANYONE


def refusal_code(reply: Frame) -> str:
    """The stable code of a refusal; the lowest error bit speaks."""
    names = errors_of(reply)
    return f"dlt645_{names[0]}" if names and not names[0].startswith("vendor") else "dlt645_refused"


def seconds_of(wall: datetime) -> int:
    """The wall time that a meter shows, counted as if it were UTC."""
    return int(wall.replace(tzinfo=UTC).timestamp())


class Talk:
    """What one conversation has read so far, and the reads every script needs."""

    def __init__(self, profile: Profile, meter: MeterAddress) -> None:
        self.profile = profile
        self.address = address_of(meter.number)
        self.access = profile.access or Access()
        self.values: Values = {}
        self.raw: dict[int, bytes] = {}  # block address -> bytes of the last answer
        self.word = 0  # status word 3
        self.lacks = meter.lacks & {ALL_WORDS}
        self.state: PurseState | None = None  # what a State Grid meter answered to the last state query
        self.sent = False

    def end(self, verdict: Verdict, code: str | None = None) -> Outcome:
        values = self.values
        if Quantity.OVERDRAWN in values and Quantity.BALANCE in values:  # they stand apart in the meter, never both
            values = {**values, Quantity.BALANCE: values[Quantity.BALANCE] - values[Quantity.OVERDRAWN]}
        return Outcome(verdict=verdict, code=code, values=values, sent=self.sent, lacks=self.lacks)

    def item(self, di: int) -> Generator[Step, Frame | None, bytes | Outcome]:
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
        data = yield from self._answer(block)
        if isinstance(data, Outcome):
            return None if block.optional and data.verdict is Verdict.REFUSED else data
        relay = self.profile.relay
        if relay is not None and block.group is Group.STATUS and block.address == relay.address:
            at = word_3_at(block.address)
            if not is_told(data[at : at + WORD]):
                return self.end(Verdict.SILENT, "no_reply")
            self.word = int.from_bytes(data[at : at + WORD], "little")
        self.raw[block.address] = data
        self.values.update(decode_answer(self.profile.registers.values(), self.profile.flags, block, data))
        return None

    def _answer(self, block: Block) -> Generator[Step, Frame | None, bytes | Outcome]:
        """What stands behind a block. A meter that has not all status words in one answer is asked for word 3, which
        every relay needs; of the others nothing is known then."""
        if block.address not in self.lacks:
            data = yield from self.item(block.address)
            refused = isinstance(data, Outcome) and data.verdict is Verdict.REFUSED
            if not refused or block.address != ALL_WORDS:
                return data
            self.lacks |= {ALL_WORDS}
        word = yield from self.item(WORD_3)
        if isinstance(word, Outcome):
            return word
        at = word_3_at(ALL_WORDS)
        return bytes(at) + word[:WORD] + bytes((WORDS - 1) * WORD - at) if len(word) >= WORD else b""

    def read(self, group: Group) -> Part:
        for block in self.profile.blocks.get(group, ()):
            ended = yield from self.block(block)
            if ended is not None:
                return ended
        return None

    def look_again(self, group: Group, quantities: Collection[Quantity], pauses_ms: Sequence[int]) -> Part:
        """Read until two reads in a row agree on `quantities`: a late reply to an earlier question shows the past."""
        return (yield from self.agree(lambda: self.read(group), quantities, pauses_ms))

    def agree(self, read: Callable[[], Part], quantities: Collection[Quantity], pauses_ms: Sequence[int]) -> Part:
        """The same with any way of reading."""
        for quiet_ms in pauses_ms:
            before = {quantity: self.values.pop(quantity, None) for quantity in quantities}, self.word
            yield Pause(quiet_ms)
            ended = yield from read()
            if ended is not None:
                return ended
            if before == ({quantity: self.values.get(quantity) for quantity in quantities}, self.word):
                return None
        return self.end(Verdict.SILENT, "reads_differ")

    def clock(self) -> Generator[Step, Frame | None, datetime | Outcome]:
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
