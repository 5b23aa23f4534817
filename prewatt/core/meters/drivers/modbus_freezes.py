"""Freezes of Modbus meters: a ring of entries that each carry their own time, the youngest first."""

from collections.abc import Generator
from dataclasses import replace

from prewatt.core.meters.drivers.exchange import Ask, Pause, Script
from prewatt.core.meters.drivers.modbus_talk import Talk, rejection
from prewatt.core.meters.freezes import MOST_OF_JOB, Freeze, Freezes, FreezeSpan, chosen, falling, read_entries, skipped
from prewatt.core.meters.jobs import Job, Outcome, Verdict
from prewatt.core.wire.modbus import Function, ReadReply, ReadRequest, Reply

Entries = Generator[Ask | Pause, Reply | None, "list[Freeze | None] | Outcome"]


def read_freezes(talk: Talk, job: Job) -> Script:
    """The freezes a job asks for, the oldest first, at most `MOST_OF_JOB` of them.

    An entry says itself of what time it is, so a late reply shows the past as what it is, and a ring that turns between
    two reads is seen: its times do not fall.
    """
    table, span = talk.profile.freezes, job.freezes
    if table is None or span is None or span.kind not in table.kept:
        return talk.end(Verdict.REFUSED, "freezes_not_supported")
    ended = yield from talk.identify(mute=True)
    if ended is not None:
        return ended
    number = yield from _first(talk, table, span)
    if isinstance(number, Outcome):
        return number
    found: list[Freeze] = []
    at_once, kept = talk.profile.max_block // table.words, table.kept[span.kind]
    while number <= kept and len(found) <= MOST_OF_JOB:
        entries = yield from _read(talk, table, span, number, min(at_once, kept - number + 1))
        if isinstance(entries, Outcome):
            return entries
        frozen = [each for each in entries if each is not None]
        found.extend(each for each in frozen if each.shown <= span.until or found)
        if len(frozen) < len(entries) or frozen[-1].shown < span.since:
            break
        number += len(entries)
    if not falling([each.shown for each in found]):
        return talk.end(Verdict.SILENT, "reads_differ")
    return replace(talk.end(Verdict.DONE), freezes=chosen(found, span))


def _first(
    talk: Talk, table: Freezes, span: FreezeSpan
) -> Generator[Ask | Pause, Reply | None, "int | Outcome"]:
    """The entry to begin with: all before it are younger than the span."""
    youngest = yield from _read(talk, table, span, 1, 1)
    if isinstance(youngest, Outcome):
        return youngest
    jump = 0 if youngest[0] is None else min(skipped(youngest[0].shown, span), table.kept[span.kind])
    if jump < 2:
        return 1
    there = yield from _read(talk, table, span, jump, 1)
    if isinstance(there, Outcome):
        return there
    return jump if there[0] is not None and there[0].shown > span.until else 1


def _read(talk: Talk, table: Freezes, span: FreezeSpan, number: int, count: int) -> Entries:
    request = ReadRequest(
        function=Function(talk.profile.read_function), address=table.place(span.kind, number, talk.circuit_index),
        count=count * table.words,
    )  # fmt: skip
    reply = yield Ask(request)
    if isinstance(reply, ReadReply):
        return read_entries(table, span.kind, reply.data[: count * table.words * 2])
    no = rejection(reply)
    return talk.end(Verdict.REFUSED, no) if no is not None else talk.end(Verdict.SILENT, "no_reply")
