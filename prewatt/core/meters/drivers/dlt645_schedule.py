"""Sets of DL/T 645 meters that have a standby (times of use, prices): each identifier is written whole; and prices
that a model has but once, as parameters."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from prewatt.core.meters.drivers.dlt645_talk import Script, Talk, refusal_code
from prewatt.core.meters.drivers.exchange import Asking
from prewatt.core.meters.drivers.prices_talk import Prices, prices_refused
from prewatt.core.meters.drivers.schedule_talk import Times, schedule_refused
from prewatt.core.meters.drivers.standby_talk import talk_of_sets
from prewatt.core.meters.jobs import Job, Outcome, Verdict
from prewatt.core.meters.prices import PriceRead, registers_read
from prewatt.core.meters.wallet import PRICES
from prewatt.core.wire.dlt645 import write


class DataWire:
    """`standby_talk.Wire` over a conversation. A reply names its identifier, so one look is enough."""

    doubtful = False

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    def end(self, verdict: Verdict, code: str | None = None) -> Outcome:
        return self._talk.end(verdict, code)

    def fetch(self, address: int) -> Generator[Any, Any, bytes | Outcome]:
        return self._talk.item(address)

    def put(self, address: int, data: bytes) -> Generator[Any, Any, tuple[bool, str | None]]:
        self._talk.sent = True
        reply = yield Asking(write(self._talk.address, address, data, self._talk.access), write=True)
        return reply is not None, refusal_code(reply) if reply is not None and reply.refused else None


def talk_of_schedule(talk: Talk, job: Job) -> Script:
    """Times of use."""
    table, refused = talk.profile.schedule, schedule_refused(talk.profile.schedule, job)
    if table is None or refused is not None:
        return talk.end(Verdict.REFUSED, refused)
    return (yield from talk_of_sets(DataWire(talk), Times(table, job.schedule), job))


def talk_of_prices(talk: Talk, job: Job) -> Script:
    """Prices: two sets, or the one that the parameters hold, which is only read here."""
    table, refused = talk.profile.prices, prices_refused(talk.profile.prices, job)
    if table is None or refused is not None:
        return talk.end(Verdict.REFUSED, refused)
    if table.writable:
        return (yield from talk_of_sets(DataWire(talk), Prices(table, job.prices), job))
    ended = yield from talk.read(talk.profile.registers[PRICES[2]].group)
    if ended is not None:
        return ended
    shown = PriceRead(in_force=registers_read(talk.values), standby=None, swap_at=None)
    return replace(talk.end(Verdict.DONE), prices=shown)
