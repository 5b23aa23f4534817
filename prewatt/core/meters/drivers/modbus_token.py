"""Twenty digits over the line: look what the meter judged last, write once, read what it says.

A meter takes a token once, whoever brings it, so a second write could not add credit; it could hide what the first one
did (a key-change set that was taken answers "CRC error" afterwards). So none is written that the meter shows as judged,
and a refusal that would also come after an acceptance is not believed where an earlier try may have got through.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from prewatt.core.meters.codes import exception_code
from prewatt.core.meters.drivers.exchange import Ask, Pause, Script
from prewatt.core.meters.drivers.looks import LOOK_AGAIN_MS, LOOK_HARD_MS
from prewatt.core.meters.drivers.modbus_talk import Talk, rejection
from prewatt.core.meters.jobs import Job, Outcome, Verdict
from prewatt.core.meters.model import Group
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.token_face import CREDIT_WORDS, DIGIT_WORDS, TokenAnswer, TokenWire, bcd, digits_of
from prewatt.core.wire.modbus import Function, ReadReply, ReadRequest, Reply, WriteReply

# a meter that took this very token earlier would say the same now
_SAYS_NOTHING: Final = frozenset(
    [exception_code(code) for code in range(256)] + [each.code for each in TokenAnswer if each.blind]
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look: the token judged last, and the raw answer to it."""

    echo: str
    raw: int
    credit: int


Look = Generator[Ask | Pause, Reply | None, _Seen | Outcome]


def enter_token(talk: Talk, job: Job) -> Script:
    """The script of Intent.ENTER_TOKEN."""
    outcome = yield from _entering(talk, job)
    if job.again and outcome.verdict is Verdict.REFUSED and outcome.code in _SAYS_NOTHING:
        return replace(outcome, verdict=Verdict.DISPUTED)
    return outcome


def _entering(talk: Talk, job: Job) -> Script:
    wire = talk.profile.token.wire if talk.profile.token is not None else None
    if wire is None:
        return talk.end(Verdict.REFUSED, "token_not_supported")
    if not job.token:
        return talk.end(Verdict.REFUSED, "token_missing")
    ended = yield from talk.identify()
    if ended is not None:
        return ended
    seen = yield from _look(talk, wire, vary=False)
    if isinstance(seen, Outcome):
        return seen
    if job.again and not _taken(wire, seen, job):
        # a reply of before the earlier try would show this too
        pauses_ms = LOOK_HARD_MS if seen.echo == job.token else LOOK_AGAIN_MS
        seen = yield from _settled(talk, wire, seen, pauses_ms)
        if isinstance(seen, Outcome):
            return seen
    if _taken(wire, seen, job):  # also from a late reply: what was taken stays taken
        return (yield from _done(talk, wire, seen))
    if job.again and seen.echo == job.token and seen.raw:
        return _refused(talk, wire, seen)
    offset = talk.profile.offset(talk.circuit_index, shared=wire.shared)
    reply = yield from talk.write(wire.address + offset, bcd(job.token))
    return (yield from _witness(talk, wire, job, reply, seen))


def _witness(talk: Talk, wire: TokenWire, job: Job, reply: Reply | None, before: _Seen) -> Script:
    """After the one write: echo and result decide, not what was answered to it."""
    rejected, answered = rejection(reply), isinstance(reply, WriteReply)
    unsure = talk.end(Verdict.UNKNOWN, rejected or "write_unanswered")
    seen = yield from _look(talk, wire, vary=True)
    if isinstance(seen, Outcome):
        return unsure
    if not _taken(wire, seen, job):
        if reply is None and seen.echo != job.token:
            return unsure
        seen = yield from _settled(talk, wire, seen, LOOK_HARD_MS)
        if isinstance(seen, Outcome):
            return unsure
    if _taken(wire, seen, job):
        return (yield from _done(talk, wire, seen))
    if seen.echo == job.token and seen.raw and (answered or seen != before):
        return _refused(talk, wire, seen)
    if seen.echo != job.token and rejected is not None:
        return talk.end(Verdict.REFUSED, rejected)
    return talk.end(Verdict.UNKNOWN, "write_not_applied" if answered else rejected or "write_unanswered")


def _look(talk: Talk, wire: TokenWire, *, vary: bool) -> Look:
    """Echo and result, by one request."""
    address = wire.start + talk.profile.offset(talk.circuit_index, shared=wire.shared)
    reply = yield Ask(
        ReadRequest(
            function=Function(talk.profile.read_function), address=address, count=wire.count + wire.spare * vary
        )
    )
    if not isinstance(reply, ReadReply):
        return talk.unread(reply)

    def words(at: int, count: int) -> bytes:
        return reply.data[(at - wire.start) * 2 :][: count * 2]

    raw_credit = int.from_bytes(words(wire.credit, CREDIT_WORDS), "big", signed=True) if wire.credit is not None else 0
    return _Seen(
        echo=digits_of(words(wire.echo, DIGIT_WORDS)),
        raw=int.from_bytes(words(wire.result, 1), "big"),
        credit=raw_credit * wire.factor.numerator // wire.factor.denominator,
    )


def _settled(talk: Talk, wire: TokenWire, seen: _Seen, pauses_ms: Sequence[int]) -> Look:
    """Look until two looks in a row agree, as `Talk.look_again` does and for its reasons."""
    vary = False
    for quiet_ms in pauses_ms:
        before, vary = seen, not vary
        yield Pause(quiet_ms)
        found = yield from _look(talk, wire, vary=vary)
        if isinstance(found, Outcome) or found == before:
            return found
        seen = found
    return talk.end(Verdict.SILENT, "reads_differ")


def _taken(wire: TokenWire, seen: _Seen, job: Job) -> bool:
    """Does the meter show our digits as taken?"""
    answer = wire.results.get(seen.raw)
    return seen.echo == job.token and answer is not None and answer.taken


def _done(talk: Talk, wire: TokenWire, seen: _Seen) -> Script:
    """Taken; and what the purse shows now, so that nobody waits for the next poll to see it."""
    answer = wire.results[seen.raw]
    if Group.STATUS in talk.profile.blocks:
        yield from talk.read(Group.STATUS, vary=True)
    talk.values[Quantity.TOKEN_RESULT] = seen.raw
    if wire.credit is not None and answer is TokenAnswer.ACCEPTED:
        talk.values[Quantity.TOKEN_CREDIT] = seen.credit
    return talk.end(Verdict.DONE, answer.code)


def _refused(talk: Talk, wire: TokenWire, seen: _Seen) -> Outcome:
    """The meter said no to these very digits."""
    talk.values[Quantity.TOKEN_RESULT] = seen.raw
    answer = wire.results.get(seen.raw)
    if answer is None:
        return talk.end(Verdict.DISPUTED, "meter_token_answer_unknown")
    return talk.end(Verdict.REFUSED, answer.code)
