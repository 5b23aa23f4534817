"""Address and speed of a DL/T 645 meter, for commissioning.

The address is written to whoever is there (the wildcard): the meter must be alone on its line, its programming key
pressed. It gets the address of its printed number, which is the one it is asked by from then on.
"""

from typing import Final

from prewatt.core.meters.drivers.dlt645_talk import Script, Talk, refusal_code
from prewatt.core.meters.drivers.exchange import Asking, Pause
from prewatt.core.meters.drivers.looks import LOOK_AGAIN_MS
from prewatt.core.meters.jobs import Job, Verdict
from prewatt.core.wire.dlt645 import BAUD_BITS, change_baud, read, read_address, write_address

ADDRESS: Final = 0x04000401  # communication address


def readdress(talk: Talk, job: Job) -> Script:
    """DONE only when the meter answers by its number."""
    if (yield Asking(read(talk.address, ADDRESS))) is not None:
        return talk.end(Verdict.DONE)
    there = yield Asking(read_address())
    if there is None or there.refused:
        # two that answer together garble each other: no frame comes of it
        return talk.end(Verdict.SILENT, "address_nobody_alone")
    talk.sent = True
    reply = yield Asking(write_address(talk.address), write=True)
    for quiet_ms in LOOK_AGAIN_MS[:2]:
        yield Pause(quiet_ms)
        if (yield Asking(read(talk.address, ADDRESS))) is not None:
            return talk.end(Verdict.DONE)
    if (yield Asking(read(there.address, ADDRESS))) is None:
        return talk.end(Verdict.UNKNOWN, "write_unanswered")
    if reply is None or reply.refused:  # without its key a meter says no, or nothing at all
        return talk.end(Verdict.REFUSED, "address_key_needed")
    return talk.end(Verdict.UNKNOWN, "write_not_applied")


def rebaud(talk: Talk, job: Job) -> Script:
    """Function 17, then a read at the new speed: for links whose speed is ours."""
    if job.baud not in BAUD_BITS:
        return talk.end(Verdict.REFUSED, "baud_not_changeable")
    if (yield Asking(read(talk.address, ADDRESS))) is None:
        if (yield Asking(read(talk.address, ADDRESS), baud=job.baud)) is not None:
            return talk.end(Verdict.DONE)
        return talk.end(Verdict.SILENT, "no_reply")
    talk.sent = True
    reply = yield Asking(change_baud(talk.address, job.baud), write=True)
    for quiet_ms in LOOK_AGAIN_MS[:2]:
        yield Pause(quiet_ms)
        if (yield Asking(read(talk.address, ADDRESS), baud=job.baud)) is not None:
            return talk.end(Verdict.DONE)
    if (yield Asking(read(talk.address, ADDRESS))) is None:
        return talk.end(Verdict.UNKNOWN, "write_unanswered")
    if reply is not None and reply.refused:
        return talk.end(Verdict.REFUSED, refusal_code(reply))
    return talk.end(Verdict.UNKNOWN, "write_not_applied" if reply is not None else "write_unanswered")
