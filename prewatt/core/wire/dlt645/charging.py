"""What credit travels in: the contents of function 03 of the two families that are public, both ends.

Order number (one maker, physically tested by the author of a public server): an amount, the number of the order and
the meter's number, no cryptography. State Grid: an amount, the purchase count, the customer's number, each part with a
check code that only a security module can make; before it an authentication. How the amount and the count lie in
their four bytes is not public for State Grid: here they lie as in the other family, lowest byte first.
"""

from dataclasses import dataclass
from typing import Final

from prewatt.core.wire.dlt645.frame import Frame
from prewatt.core.wire.dlt645.requests import cost_control
from prewatt.core.wire.errors import LocalProtocolError

AUTHENTICATE: Final = 0x070000FF
VALIDITY: Final = 0x070001FF
OPEN_ACCOUNT: Final = 0x070101FF
RECHARGE: Final = 0x070102FF
REFUND: Final = 0x070108FF  # order-number family alone
STATE: Final = 0x078102FF

HEAD: Final = 8  # bytes of identifier and operator in front of every content
MAC: Final = 4
WORD: Final = 4  # an amount, a count
NUMBER: Final = 6  # 12 digits
ORDER: Final = 8  # 16 digits
BLOCK: Final = 8  # cipher text, random number, diversifier, number of the security module
RANDOM: Final = 4  # what the meter answers to an authentication
KEY_INFO: Final = 4
MAX_WORD: Final = 2**32 - 1


def digits(text: str, size: int) -> bytes:
    """Printed digits in wire order; raises LocalProtocolError `digits`."""
    if len(text) != 2 * size or not (text.isascii() and text.isdecimal()):
        raise LocalProtocolError("digits", f"not {2 * size} digits")
    return bytes.fromhex(text)[::-1]


def word(value: int) -> bytes:
    """An amount or a count in wire order; raises LocalProtocolError `value`."""
    if not 0 <= value <= MAX_WORD:
        raise LocalProtocolError("value", str(value))
    return value.to_bytes(WORD, "little")


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberedOrder:
    """An order of the order-number family. `order`: 16 digits, `meter`: 12, as printed."""

    amount: int
    order: str
    meter: str

    def wire(self) -> bytes:
        return word(self.amount) + digits(self.order, ORDER) + bytes(MAC) + digits(self.meter, NUMBER) + bytes(MAC)


def numbered_order(content: bytes) -> NumberedOrder | None:
    """What a meter makes of a content behind the operator; None for another family's, or digits that are none."""
    if len(content) != WORD + ORDER + MAC + NUMBER + MAC:
        return None
    order, meter = content[4:12][::-1].hex(), content[16:22][::-1].hex()
    if not (order.isdecimal() and meter.isdecimal()):
        return None
    return NumberedOrder(amount=int.from_bytes(content[:4], "little"), order=order, meter=meter)


@dataclass(frozen=True, kw_only=True, slots=True)
class GridOrder:
    """An order of the State Grid family: `amount` and `count` under the first check code, `customer` (12 digits) under
    the second."""

    amount: int
    count: int
    customer: str
    mac_1: bytes
    mac_2: bytes

    def wire(self) -> bytes:
        return money_part(self.amount, self.count) + self.mac_1 + digits(self.customer, NUMBER) + self.mac_2


def money_part(amount: int, count: int) -> bytes:
    """What the first check code of an order is made over."""
    return word(amount) + word(count)


def grid_order(content: bytes) -> GridOrder | None:
    """As `numbered_order`."""
    if len(content) != 2 * WORD + MAC + NUMBER + MAC:
        return None
    customer = content[12:18][::-1].hex()
    if not customer.isdecimal():
        return None
    return GridOrder(
        amount=int.from_bytes(content[:4], "little"),
        count=int.from_bytes(content[4:8], "little"),
        customer=customer,
        mac_1=content[8:12],
        mac_2=content[18:],
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class PurseState:
    """The answer to a state query: what the security module holds. Its check codes are kept as they came."""

    balance: int
    count: int
    customer: str
    mac_1: bytes = bytes(MAC)
    mac_2: bytes = bytes(MAC)
    key_info: bytes = bytes(KEY_INFO)

    def wire(self) -> bytes:
        money = word(self.balance) + self.mac_1 + word(self.count) + self.mac_2
        return money + digits(self.customer, NUMBER) + self.key_info


def purse_state(reply: Frame) -> PurseState | None:
    """What a good answer to `STATE` says; None where it is cut or its customer's number is none."""
    content = reply.data[4:]
    if reply.di != STATE or len(content) != 2 * (WORD + MAC) + NUMBER + KEY_INFO:
        return None
    customer = content[16:22][::-1].hex()
    if not customer.isdecimal():
        return None
    return PurseState(
        balance=int.from_bytes(content[:4], "little"),
        count=int.from_bytes(content[8:12], "little"),
        customer=customer,
        mac_1=content[4:8],
        mac_2=content[12:16],
        key_info=content[22:],
    )


def session_of(reply: Frame) -> tuple[bytes, bytes] | None:
    """Random number and module number that a meter answers to an authentication; None where it is cut."""
    content = reply.data[4:]
    if reply.di != AUTHENTICATE or len(content) != RANDOM + BLOCK:
        return None
    return content[:RANDOM], content[RANDOM:]


def minutes_part(minutes: int) -> bytes:
    """How long a session shall hold, two BCD bytes, lowest pair first; what its check code is made over."""
    if not 1 <= minutes <= 9999:
        raise LocalProtocolError("value", str(minutes))
    return digits(f"{minutes:04d}", 2)


def charge(address: str, di: int, operator: str, content: bytes = b"") -> Frame:
    """A frame of function 03 with one of the contents above."""
    return cost_control(address, di, operator, content)
