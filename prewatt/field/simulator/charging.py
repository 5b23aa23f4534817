"""Function 03 of a simulated DL/T 645 meter: orders by number, or State Grid orders behind a SIMULATED security module.

What the meter remembers of it without power is in `ChargeState`; the purse itself is the circuit's. A State Grid meter
judges check codes by `core.meters.simulated_security`, whose key is printed there: no meter that is sold does.
"""

from dataclasses import dataclass
from typing import Final

from prewatt.core.meters.credit import GRID_REFUSALS, Credit, Family
from prewatt.core.meters.jobs import Order, OrderKind
from prewatt.core.meters.security import Part
from prewatt.core.meters.simulated_security import cipher_of, mac_of
from prewatt.core.wire.dlt645 import COST_ERRORS, Frame
from prewatt.core.wire.dlt645.charging import (
    AUTHENTICATE,
    BLOCK,
    HEAD,
    MAC,
    OPEN_ACCOUNT,
    RANDOM,
    RECHARGE,
    REFUND,
    STATE,
    VALIDITY,
    PurseState,
    digits,
    grid_order,
    money_part,
    numbered_order,
)
from prewatt.field.simulator.circuit import Accepted, Circuit, OrderRefused

DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
FIRST_MINUTES: Final = 5  # a session holds so long where nobody says otherwise
COUNT_LIMIT: Final = 0xFFFF
MODULE: Final = b"SIMULATE"  # the eight bytes in place of a security module's number


@dataclass(kw_only=True, slots=True)
class ChargeState:
    """Durable. Times in ms of the meter's own clock; a session does not outlive a loss of power in a real meter, and
    does no harm here."""

    last_order: str = ""  # order-number family: the number taken last
    customer: str = ""  # State Grid: whose account was opened; "" none
    session_random: str = ""  # hex; "" no session
    session_until_ms: int = 0
    sessions: int = 0  # begun so far: what makes the next random number another one
    bad_macs: int = 0  # in a row
    locked_day: int = -1  # the day of the meter's clock on which it locked


@dataclass(frozen=True, kw_only=True)
class Charged:
    """What came of a frame: `refusal` is a code of `core.meters`, None for a good answer with `data` behind its DI."""

    refusal: str | None = None
    data: bytes = b""
    kept: bool = False
    accepted: Accepted | None = None


class Charging:
    """The purse of one meter as function 03 reaches it."""

    def __init__(self, credit: Credit, number: str) -> None:
        self._credit, self._number = credit, number

    def handle(self, frame: Frame, state: ChargeState, circuit: Circuit, clock_ms: int) -> Charged:
        content = frame.data[HEAD:]
        if self._credit.family is Family.ORDER_NUMBER:
            return self._by_number(frame.di, content, state, circuit)
        match frame.di:
            case _ if frame.di == STATE:
                return self._state(state, circuit)
            case _ if state.locked_day == clock_ms // DAY_MS:
                return Charged(refusal="meter_suspended")
            case _ if frame.di == AUTHENTICATE:
                return self._authenticate(content, state, clock_ms)
            case _ if frame.di == VALIDITY:
                return self._hold(content, state, clock_ms)
            case _ if frame.di in (OPEN_ACCOUNT, RECHARGE):
                return self._by_session(frame.di or 0, content, state, circuit, clock_ms)
            case _:
                return Charged(refusal="meter_refused")

    # order numbers

    def _by_number(self, di: int | None, content: bytes, state: ChargeState, circuit: Circuit) -> Charged:
        order = numbered_order(content)
        if order is None or di not in (RECHARGE, REFUND) or not order.amount:
            return Charged(refusal="meter_order_malformed")
        if order.meter != self._number:
            return Charged(refusal="meter_address_abnormal")
        if order.order == state.last_order:
            return Charged(refusal="meter_recharge_repeated")
        kind = OrderKind.RETURN if di == REFUND else OrderKind.PURCHASE
        done = self._apply(circuit, kind, circuit.state.purchase_count + 1, order.amount)
        if done.accepted is not None:
            state.last_order = order.order
        return done

    @staticmethod
    def _apply(circuit: Circuit, kind: OrderKind, count: int, amount: int) -> Charged:
        if not 1 <= count <= COUNT_LIMIT or not amount:
            return Charged(refusal="meter_count_wrong")
        try:
            return Charged(accepted=circuit.apply(Order(count=count, kind=kind, amount=amount)), kept=True)
        except OrderRefused as refused:
            return Charged(refusal=refused.code)

    # State Grid

    def _state(self, state: ChargeState, circuit: Circuit) -> Charged:
        """Asked at any time. The check codes are those of the session, or nothing."""
        held = circuit.state
        balance, random = max(0, held.balance_wh), bytes.fromhex(state.session_random)
        macs = [
            mac_of(self._number, random, Part(di=STATE, data=value.to_bytes(4, "little"))) if random else bytes(MAC)
            for value in (balance, held.purchase_count)
        ]
        shown = PurseState(
            balance=balance,
            count=held.purchase_count,
            customer=state.customer or "0" * 12,
            mac_1=macs[0],
            mac_2=macs[1],
        )
        return Charged(data=shown.wire())

    def _authenticate(self, content: bytes, state: ChargeState, clock_ms: int) -> Charged:
        cipher, random, diversifier = content[:BLOCK], content[BLOCK : 2 * BLOCK], content[2 * BLOCK :]
        if len(content) != 3 * BLOCK or cipher != cipher_of(self._number, random, diversifier):
            return self._bad(state, clock_ms, "meter_authentication_failed")
        state.sessions += 1
        answer = mac_of(self._number, random, Part(di=AUTHENTICATE, data=state.sessions.to_bytes(8, "little")))[:RANDOM]
        state.session_random = answer.hex()
        state.session_until_ms = clock_ms + FIRST_MINUTES * MINUTE_MS
        return Charged(data=answer + MODULE, kept=True)

    def _hold(self, content: bytes, state: ChargeState, clock_ms: int) -> Charged:
        minutes, mac = content[:2], content[2:]
        shown = minutes[::-1].hex()
        if not shown.isdecimal() or not self._genuine(VALIDITY, minutes, mac, state, clock_ms):
            return self._bad(state, clock_ms, "meter_mac_wrong")
        state.session_until_ms, state.bad_macs = clock_ms + int(shown) * MINUTE_MS, 0
        return Charged(kept=True)

    def _by_session(self, di: int, content: bytes, state: ChargeState, circuit: Circuit, clock_ms: int) -> Charged:
        order = grid_order(content)
        if order is None or state.session_until_ms <= clock_ms or not state.session_random:
            return Charged(refusal="meter_authentication_failed")
        money, customer = money_part(order.amount, order.count), digits(order.customer, 6)
        genuine = self._genuine(di, money, order.mac_1, state, clock_ms)
        if not genuine or not self._genuine(di, customer, order.mac_2, state, clock_ms):
            return self._bad(state, clock_ms, "meter_mac_wrong")
        state.bad_macs = 0
        if (di == OPEN_ACCOUNT) is bool(state.customer):
            return Charged(refusal="meter_refused", kept=True)
        if state.customer not in ("", order.customer):
            return Charged(refusal="meter_customer_differs", kept=True)
        if order.count == circuit.state.purchase_count:
            return Charged(refusal="meter_recharge_repeated", kept=True)
        done = self._apply(circuit, OrderKind.PURCHASE, order.count, order.amount)
        if done.accepted is not None:
            state.customer = order.customer
        return done

    def _genuine(self, di: int, data: bytes, mac: bytes, state: ChargeState, clock_ms: int) -> bool:
        if not state.session_random or state.session_until_ms <= clock_ms:
            return False
        return mac == mac_of(self._number, bytes.fromhex(state.session_random), Part(di=di, data=data))

    def _bad(self, state: ChargeState, clock_ms: int, code: str) -> Charged:
        """One more wrong code; at the limit the meter locks until its next day."""
        state.bad_macs += 1
        if self._credit.locks_after and state.bad_macs >= self._credit.locks_after:
            state.bad_macs, state.locked_day = 0, clock_ms // DAY_MS
        return Charged(refusal=code, kept=True)


def error_word(credit: Credit, code: str) -> tuple[int, int]:
    """How the meter says a refusal: the word and its size in bytes."""
    if credit.family is Family.ORDER_NUMBER:
        return next((raw for raw, name in credit.results.items() if name == code), 0x01), 1
    name = next((name for name, said in GRID_REFUSALS.items() if said == code), "other_error")
    return 1 << COST_ERRORS.index(name), 2
