"""Sets of Modbus meters that have a standby (times of use, prices): blocks of registers, of which two may have the same
length; and prices that a model has but once, in its registers."""

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from prewatt.core.meters.drivers.exchange import Ask, Script
from prewatt.core.meters.drivers.looks import LOOK_AGAIN_MS
from prewatt.core.meters.drivers.modbus_talk import Talk, rejection
from prewatt.core.meters.drivers.prices_talk import Prices, prices_refused
from prewatt.core.meters.drivers.schedule_talk import Times, schedule_refused
from prewatt.core.meters.drivers.standby_talk import WRITES, talk_of_sets
from prewatt.core.meters.jobs import Job, Outcome, Verdict
from prewatt.core.meters.prices import PriceRead, registers_read
from prewatt.core.meters.schedule import block_words
from prewatt.core.meters.wallet import PRICES
from prewatt.core.wire.modbus import Function, ReadReply, ReadRequest


class RegisterWire:
    """`standby_talk.Wire` over a conversation. `words`: registers behind an address."""

    doubtful = True

    def __init__(self, talk: Talk, words: Callable[[int], int]) -> None:
        self._talk, self._words = talk, words

    def end(self, verdict: Verdict, code: str | None = None) -> Outcome:
        return self._talk.end(verdict, code)

    def fetch(self, address: int) -> Generator[Any, Any, bytes | Outcome]:
        words = self._words(address)
        function = Function(self._talk.profile.read_function)
        reply = yield Ask(ReadRequest(function=function, address=address, count=words))
        return reply.data[: words * 2] if isinstance(reply, ReadReply) else self._talk.unread(reply)

    def put(self, address: int, data: bytes) -> Generator[Any, Any, tuple[bool, str | None]]:
        reply = yield from self._talk.write(address, data)
        return reply is not None or self._talk.taken, rejection(reply)


def talk_of_schedule(talk: Talk, job: Job) -> Script:
    """Times of use. They are the whole meter's: whose they are is asked before, written to or not."""
    table, refused = talk.profile.schedule, schedule_refused(talk.profile.schedule, job)
    if table is None or refused is not None:
        return talk.end(Verdict.REFUSED, refused)
    ended = yield from talk.identify(mute=job.intent not in WRITES)
    if ended is not None:
        return ended
    wire = RegisterWire(talk, lambda address: block_words(table, address))
    return (yield from talk_of_sets(wire, Times(table, job.schedule), job))


def talk_of_prices(talk: Talk, job: Job) -> Script:
    """Prices: two sets like the times of use, or the one that the registers hold, which is only read here."""
    table, refused = talk.profile.prices, prices_refused(talk.profile.prices, job)
    if table is None or refused is not None:
        return talk.end(Verdict.REFUSED, refused)
    ended = yield from talk.identify(mute=job.intent not in WRITES)
    if ended is not None:
        return ended
    if table.writable:
        return (yield from talk_of_sets(RegisterWire(talk, table.words), Prices(table, job.prices), job))
    group = talk.profile.registers[PRICES[2]].group
    ended = (yield from talk.read(group)) or (yield from talk.look_again(group, PRICES, LOOK_AGAIN_MS))
    if ended is not None:
        return ended
    shown = PriceRead(in_force=registers_read(talk.values), standby=None, swap_at=None)
    return replace(talk.end(Verdict.DONE), prices=shown)
