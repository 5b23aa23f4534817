"""Frames a master sends (DL/T 645-2007 section 7, 2013 filing), checked before they leave.

Clearing the whole meter (1A) is not offered. All raise LocalProtocolError for what must not be sent.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prewatt.core.wire.dlt645 import address as addresses
from prewatt.core.wire.dlt645.address import ANYONE, BROADCAST
from prewatt.core.wire.dlt645.frame import MAX_DATA, Frame, Function
from prewatt.core.wire.dlt645.words import BAUD_BITS, Command
from prewatt.core.wire.errors import LocalProtocolError

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2099
EVERY: Final = 99  # in a freeze pattern
ALL_EVENTS: Final = 0xFFFFFFFF
MAX_SEQUENCE: Final = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """Who asks. `level`: two digits of authority; `password`: 6 digits; `operator`: 8 hex digits, as printed."""

    level: str = "02"
    password: str = "000000"
    operator: str = "00000000"

    def wire(self) -> bytes:
        """PA P0 P1 P2 C0 C1 C2 C3; raises LocalProtocolError `access`."""
        return self.secret() + _reversed_hex(self.operator, 8, "access")

    def secret(self) -> bytes:
        """PA P0 P1 P2 alone."""
        return _reversed_hex(self.level, 2, "access") + _reversed_hex(self.password, 6, "access")


def _reversed_hex(text: str, digits: int, code: str) -> bytes:
    if len(text) != digits or any(digit not in "0123456789ABCDEF" for digit in text):
        raise LocalProtocolError(code, f"not {digits} digits")
    return bytes.fromhex(text)[::-1]


def _frame(address: str, function: Function, data: bytes = b"") -> Frame:
    if len(data) > MAX_DATA:
        raise LocalProtocolError("length", f"{len(data)} bytes, at most {MAX_DATA}")
    return Frame(address=addresses.check(address), control=int(function), data=data)


def di_bytes(di: int) -> bytes:
    """An identifier in wire order."""
    if not 0 <= di <= 0xFFFFFFFF:
        raise LocalProtocolError("di", f"{di:X}")
    return di.to_bytes(4, "little")


def clock_bytes(clock: datetime, form: str) -> bytes:
    """The meter's wall clock as BCD; `form` in wire order from ss mm hh DD MM YY and WW (0 = Sunday)."""
    if clock.tzinfo is not None or not FIRST_YEAR <= clock.year <= LAST_YEAR:
        raise LocalProtocolError("clock", f"the meter's local time in {FIRST_YEAR} to {LAST_YEAR}: {clock}")
    parts = {
        "ss": clock.second,
        "mm": clock.minute,
        "hh": clock.hour,
        "DD": clock.day,
        "MM": clock.month,
        "YY": clock.year - FIRST_YEAR,
        "WW": clock.isoweekday() % 7,
    }
    return bytes.fromhex("".join(f"{parts[form[at : at + 2]]:02d}" for at in range(0, len(form), 2)))


def read(address: str, di: int, *, selector: bytes = b"") -> Frame:
    """Function 11; `selector`: number of blocks, or that and a time (mmhhDDMMYY), for load records."""
    if len(selector) not in (0, 1, 6):
        raise LocalProtocolError("length", f"{len(selector)} bytes of selector")
    return _frame(address, Function.READ, di_bytes(di) + selector)


def read_following(address: str, di: int, sequence: int) -> Frame:
    """Function 12: the rest of an answer whose control byte said that more follows; `sequence` from 1."""
    if not 1 <= sequence <= MAX_SEQUENCE:
        raise LocalProtocolError("sequence", str(sequence))
    return _frame(address, Function.READ_FOLLOWING, di_bytes(di) + bytes((sequence,)))


def read_address() -> Frame:
    """Function 13, for a line with one meter."""
    return _frame(ANYONE, Function.READ_ADDRESS)


def write(address: str, di: int, value: bytes, access: Access) -> Frame:
    """Function 14; `value` in wire order."""
    return _frame(address, Function.WRITE, di_bytes(di) + access.wire() + value)


def write_address(new: str) -> Frame:
    """Function 15, for a line with one meter whose programming key is pressed."""
    if not new.isdecimal() or new == BROADCAST:
        raise LocalProtocolError("address", f"no meter can have {new!r}")
    return _frame(ANYONE, Function.WRITE_ADDRESS, bytes.fromhex(addresses.check(new))[::-1])


def broadcast_time(clock: datetime, address: str = BROADCAST) -> Frame:
    """Function 08, answered by nobody: second first, year last. `clock` is the meter's local time."""
    return _frame(address, Function.BROADCAST_TIME, clock_bytes(clock, "ssmmhhDDMMYY"))


def freeze(
    address: str = BROADCAST,
    *,
    month: int | None = None,
    day: int | None = None,
    hour: int | None = None,
    minute: int | None = None,
) -> Frame:
    """Function 16: freeze at this moment; None means every (monthly, daily, hourly), all None means now."""
    given = (month, day, hour, minute)
    limits = ((1, 12), (1, 28), (0, 23), (0, 59))  # a day that every month has
    for index, (value, (low, high)) in enumerate(zip(given, limits, strict=True)):
        if value is None and any(each is not None for each in given[:index]):
            raise LocalProtocolError("freeze", "only the higher parts can be every")
        if value is not None and not low <= value <= high:
            raise LocalProtocolError("freeze", f"{value} is not in {low} to {high}")
    shown = "".join(f"{EVERY if value is None else value:02d}" for value in given)
    return _frame(address, Function.FREEZE, bytes.fromhex(shown)[::-1])


def change_baud(address: str, rate: int) -> Frame:
    """Function 17; `rate` in bit/s."""
    if rate not in BAUD_BITS:
        raise LocalProtocolError("baud", str(rate))
    return _frame(address, Function.CHANGE_BAUD, bytes((BAUD_BITS[rate],)))


def change_password(address: str, di: int, old: Access, new: Access) -> Frame:
    """Function 18; `di` names the password (04000C01 and on). The operator codes do not travel."""
    return _frame(address, Function.CHANGE_PASSWORD, di_bytes(di) + old.secret() + new.secret())


def clear_demand(address: str, access: Access) -> Frame:
    """Function 19."""
    return _frame(address, Function.CLEAR_DEMAND, access.wire())


def clear_events(address: str, access: Access, di: int = ALL_EVENTS) -> Frame:
    """Function 1B; `di` of one kind of event ends in FF."""
    if di & 0xFF != 0xFF:
        raise LocalProtocolError("di", f"{di:08X} names no whole kind of event")
    return _frame(address, Function.CLEAR_EVENTS, access.wire() + di_bytes(di))


def control(address: str, command: Command, valid_until: datetime, access: Access) -> Frame:
    """Function 1C: trip, close, alarm, keep power. The meter's own clock judges `valid_until` (local time)."""
    data = access.wire() + bytes((command, 0)) + clock_bytes(valid_until, "ssmmhhDDMMYY")
    return _frame(address, Function.CONTROL, data)


def cost_control(address: str, di: int, operator: str, content: bytes) -> Frame:
    """Function 03: identifier, operator (8 hex digits as printed), and what its family asks for."""
    return _frame(address, Function.COST_CONTROL, di_bytes(di) + _reversed_hex(operator, 8, "access") + content)
