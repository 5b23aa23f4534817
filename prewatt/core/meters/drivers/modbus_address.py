"""Another address for a Modbus meter: looked for at the new one first, written once at the old one, read at the new."""

from collections.abc import Generator
from typing import Final

from prewatt.core.meters.bus_address import FIRST_UNIT, LAST_UNIT, BusAddress
from prewatt.core.meters.drivers.exchange import Ask, Pause, Script
from prewatt.core.meters.drivers.looks import LOOK_AGAIN_MS
from prewatt.core.meters.drivers.modbus_talk import Talk, read_request, rejection
from prewatt.core.meters.jobs import Job, Outcome, Verdict
from prewatt.core.meters.model import Group
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import Layout, layouts
from prewatt.core.wire.modbus import ExceptionReply, Function, ReadReply, ReadRequest, Reply, WriteReply

_NOBODY: Final = frozenset({10, 11})  # a gateway's exceptions for an address where nobody answers


def _layout(talk: Talk) -> Layout | None:
    """What to know the meter again by: its number where it says one, else anything it says."""
    for group in (Group.IDENTITY, Group.STATUS, Group.REGISTERS):
        for layout in layouts(talk.profile, group, 1):
            if group is not Group.IDENTITY or layout.holds(Quantity.METER_NUMBER):
                return layout
    return None


def _who(talk: Talk, layout: Layout, unit: int) -> Generator[Ask | Pause, Reply | None, str]:
    """Who answers at an address: "" nobody, "ours", "other", or "somebody" who says no number."""
    reply = yield Ask(read_request(layout, 0), unit=unit)
    if reply is None or (isinstance(reply, ExceptionReply) and reply.code in _NOBODY):
        return ""
    if not isinstance(reply, ReadReply):
        return "somebody"
    number = layout.decode(reply.data).get(Quantity.METER_NUMBER)
    register = talk.profile.registers.get(Quantity.METER_NUMBER)
    if number is None or register is None or not talk.meter.number:
        return "somebody"
    if str(number) == (talk.meter.number.lstrip("0") or "0"):
        return "ours"
    return "somebody" if register.assumed else "other"


def readdress(talk: Talk, job: Job) -> Script:
    """DONE only when the meter answers at the new address. Whoever answered there before keeps it."""
    bus, layout, old, new = talk.profile.bus, _layout(talk), talk.meter.unit, job.unit
    if bus is None or layout is None or not FIRST_UNIT <= new <= LAST_UNIT or new == old:
        return talk.end(Verdict.REFUSED, "address_not_changeable")
    there = yield from _who(talk, layout, new)
    here = yield from _who(talk, layout, old)
    if there:
        # after a try that nobody knows the end of: it is there now, if it is here no more
        if not here and (there == "ours" or (there == "somebody" and job.again)):
            return talk.end(Verdict.DONE)
        return talk.end(Verdict.REFUSED, "address_taken")
    if not here:
        return talk.end(Verdict.SILENT, "no_reply")
    if here == "other":
        return talk.end(Verdict.DISPUTED, "meter_number_differs")
    held = yield Ask(ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=bus.address, count=bus.words))
    if not isinstance(held, ReadReply):
        return talk.unread(held)
    reply = yield from talk.write(bus.address, bus.encoded(new, held.data))
    return (yield from _moved(talk, layout, bus, new, reply))


def _moved(
    talk: Talk, layout: Layout, bus: BusAddress, new: int, reply: Reply | None
) -> Generator[Ask | Pause, Reply | None, Outcome]:
    """The meter is asked where it should be, then where it was."""
    for quiet_ms in LOOK_AGAIN_MS[:2]:
        yield Pause(quiet_ms)
        if (yield from _who(talk, layout, new)) in ("ours", "somebody"):
            return talk.end(Verdict.DONE)
    no = rejection(reply)
    if not (yield from _who(talk, layout, talk.meter.unit)):
        return talk.end(Verdict.UNKNOWN, "write_unanswered")
    if no is not None:
        return talk.end(Verdict.REFUSED, "address_key_needed" if bus.key_needed else no)
    return talk.end(Verdict.UNKNOWN, "write_not_applied" if isinstance(reply, WriteReply) else "write_unanswered")
