"""One outgoing circuit of a prepaid meter: energy, purse, relay and its reasons. Pure, no clock, no IO.

Energy is power times time, integrated in integers: a circuit keeps the watt-milliseconds that do not yet
make a watt-hour, so nothing is rounded away. Power is constant between the edges a load names, therefore
the millisecond at which a balance meets a level is computed, not polled, and it does not matter when or
how often `settle` is called: the same inputs give the same history, also after a restart.

The books of a circuit: opening + sum of accepted orders = balance + consumed, always.

A purse may hold money: then every `_wh` of its credit counts the smallest coin, and energy drains it by the price of
the rate the meter's clock is in. What a coin does not cover is carried, so nothing is lost there either, and the books
are opening + sum of accepted orders = balance + drained.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from prewatt.core.meters.behaviour import Reverse
from prewatt.core.meters.jobs import Order, OrderKind
from prewatt.core.meters.quantities import StatusBit
from prewatt.core.meters.wallet import Wallet, affordable_wh, drained
from prewatt.field.simulator.fields import ENERGY_LIMIT_WH
from prewatt.field.simulator.site import CircuitSite, Force

WATT_MS_PER_WH = 3_600_000
OVERLOAD_DELAY_MS = 5_000  # a meter rides through the inrush of a motor
KEY_HOLD_MS = 3_000  # the key must be held that long; shorter presses only light the display
FREEZE_LIMIT = 62  # days kept; the months are kept apart
MONTH_FREEZE_LIMIT = 12
VOLTS_TOLERANCE = 200  # of a thousand: the meters' makers allow a fifth either way
NEVER = -1
UNKNOWN_W = -1
ENERGY = -1  # the purse counts Wh

SHARP, PEAK, FLAT, VALLEY = range(4)
RateAt = Callable[[int], int]
"""At a time in ms since 1970 UTC: the rate energy is counted in. It changes on whole minutes only."""

FrozenRow = tuple[str, int, int, int, int, int]
"""ISO date of the day that began; then energy, balance, sharp, peak, valley (old memories end with the balance)."""

PowerUntil = Callable[[int], tuple[int, int]]
"""At a time in ms since 1970 UTC: the power in W and the ms at which it may next change."""


class OrderRefused(Exception):
    """The circuit says no to an order; nothing has changed. `code` is the one profiles name in order.results."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """An order the circuit applied. `amount_wh` is what it did to the balance, signed."""

    count: int
    kind: OrderKind
    amount_wh: int
    at_ms: int


@dataclass(kw_only=True, slots=True)
class CircuitState:
    """Everything a circuit remembers without power. Plain values only: the store keeps it as it is."""

    as_of_ms: int
    energy_wh: int  # the register, with what lies before the first start
    watt_ms: int = 0  # energy below one Wh
    sharp_wh: int = 0  # the register's parts by rate; what is in none of the three is flat
    peak_wh: int = 0
    valley_wh: int = 0
    consumed_wh: int = 0  # since the first start
    purse: bool = True  # False: server-held, there is no credit here
    wallet_exponent: int = ENERGY  # else the purse holds money: decimals of its coin
    price_sharp: int = 0  # as `core.meters.quantities` counts prices; 0: energy costs nothing yet
    price_peak: int = 0
    price_flat: int = 0
    price_valley: int = 0
    ladder_wh: list[int] = field(default_factory=list)  # `core.meters.prices.Ladder`: what use of the month adds
    ladder_prices: list[int] = field(default_factory=list)
    month_began_wh: int = 0  # the register when the month began
    drained: int = 0  # coins, since the first start
    drain_rest: int = 0  # parts of a coin that were used and not yet taken
    opening_wh: int = 0
    balance_wh: int = 0
    purchase_count: int = 0
    purchased_total_wh: int = 0
    last_kind: str = ""
    last_asked_wh: int = 0  # the amount as the order said it: what an echo compares
    last_applied_wh: int = 0  # what it did, signed
    alarm_level_1_wh: int = 0
    alarm_level_2_wh: int = 0
    overdraft_limit_wh: int = 0
    hoarding_limit_wh: int = 0
    load_limit_w: int = 0
    malicious_step_w: int = 0
    malicious_off: bool = False  # told not to watch for forbidden loads
    warning_trip: bool = False
    warning_trip_1: bool = False
    postpaid: bool = False  # the purse counts and switches nothing
    force: str = Force.AUTOMATIC.value
    warned_1: bool = False  # the warning of this level has been given and not yet been bought away
    warned_2: bool = False
    warning_tripped: bool = False
    overload_tripped: bool = False
    malicious_tripped: bool = False
    hand_opened: bool = False
    tamper: bool = False
    overload_since_ms: int = NEVER  # since when the load has been above the limit
    last_load_w: int = UNKNOWN_W  # connected load of the stretch before, to see a forbidden step
    override_w: int | None = None  # a load set by hand, holds until changed
    resistive: bool = True  # and whether it takes no reactive power: what a forbidden step is known by
    reverse_w: int = 0  # energy comes back from the circuit
    export_wh: int = 0  # counted apart: credit is not touched
    export_watt_ms: int = 0
    volts_permille: int = 1_000  # of the mains' nominal voltage
    day_freezes: list[FrozenRow] = field(default_factory=list)
    month_freezes: list[FrozenRow] = field(default_factory=list)


def first_state(site: CircuitSite, *, purse: bool, at_ms: int, wallet: Wallet | None = None) -> CircuitState:
    """The state of a circuit that starts for the first time at `at_ms`.

    Levels already passed count as warned of, so a first start trips nobody. A server-held circuit that
    the site calls automatic starts held closed: that is how its platform holds it.
    """
    opening, settings, relay = site.opening, site.settings, site.relay
    force = relay.force
    if not purse and force is Force.AUTOMATIC:
        force = Force.KEEP_ON
    kind = opening.last_order_kind
    return CircuitState(
        as_of_ms=at_ms,
        energy_wh=opening.energy_wh,
        month_began_wh=opening.energy_wh,
        sharp_wh=opening.sharp_wh,
        peak_wh=opening.peak_wh,
        valley_wh=opening.valley_wh,
        purse=purse,
        wallet_exponent=wallet.exponent if wallet is not None else ENERGY,
        price_sharp=settings.price_sharp,
        price_peak=settings.price_peak,
        price_flat=settings.price_flat,
        price_valley=settings.price_valley,
        opening_wh=opening.balance_wh if purse else 0,
        balance_wh=opening.balance_wh if purse else 0,
        purchase_count=opening.purchase_count if purse else 0,
        purchased_total_wh=opening.purchased_total_wh if purse else 0,
        last_kind=kind.value if kind and purse else "",
        last_asked_wh=abs(opening.last_order_wh) if kind is not OrderKind.CLEAR and purse else 0,
        last_applied_wh=opening.last_order_wh if purse else 0,
        alarm_level_1_wh=settings.alarm_level_1_wh,
        alarm_level_2_wh=settings.alarm_level_2_wh,
        overdraft_limit_wh=settings.overdraft_limit_wh,
        hoarding_limit_wh=settings.hoarding_limit_wh,
        load_limit_w=settings.load_limit_w,
        malicious_step_w=settings.malicious_step_w,
        malicious_off=not settings.malicious_step_w,
        warning_trip=settings.warning_trip,
        warning_trip_1=settings.warning_trip_1,
        force=force.value,
        warned_1=opening.balance_wh <= settings.alarm_level_1_wh,
        warned_2=opening.balance_wh <= settings.alarm_level_2_wh,
        warning_tripped=relay.warning_tripped,
        hand_opened=relay.hand_opened,
        tamper=relay.tamper,
    )


class Circuit:
    """Rules around a `CircuitState`. Every act takes the time; time never runs backward here."""

    def __init__(self, state: CircuitState, power_until: PowerUntil, rate_at: RateAt = lambda at_ms: FLAT) -> None:
        self.state = state
        self._power_until = power_until
        self._rate_at = rate_at
        self.reverse = Reverse.SEPARATE  # as the profile says; a model of which nothing is known keeps a counter apart

    # what can be seen

    def relay_closed(self) -> bool:
        """Whether current can flow: safety first, then force, then credit."""
        s = self.state
        if s.hand_opened or s.overload_tripped or s.malicious_tripped or s.force == Force.TRIP:
            return False
        if s.force == Force.KEEP_ON:
            return True
        return not s.warning_tripped and not self.out_of_credit()

    def out_of_credit(self) -> bool:
        """Whether the purse would open the relay. A server-held circuit handed to its own purse has none."""
        if self.state.postpaid:
            return False
        return not self.state.purse or self.state.balance_wh <= -self.state.overdraft_limit_wh

    def load_w(self, at_ms: int) -> tuple[int, int]:
        """What the tenant wants to draw at `at_ms`, and until when that stays so."""
        watts, until_ms = self._power_until(at_ms)
        if self.state.reverse_w:
            return 0, until_ms
        if self.state.override_w is not None:
            return self.state.override_w, until_ms
        return watts, until_ms

    def flat_wh(self) -> int:
        """The part of the register that was counted at the flat rate."""
        return self.state.energy_wh - self.state.sharp_wh - self.state.peak_wh - self.state.valley_wh

    def power_w(self) -> int:
        """What flows now (after `settle`)."""
        return self.load_w(self.state.as_of_ms)[0] - self.state.reverse_w if self.relay_closed() else 0

    def price(self) -> int:
        """What a purse in money drains by now, as `core.meters.quantities` counts prices."""
        return self._price(self._rate_at(self.state.as_of_ms))

    def consumed(self) -> int:
        """What use took out of the purse since the first start, in what the purse counts; without one, energy."""
        s = self.state
        return s.consumed_wh if s.wallet_exponent == ENERGY else s.drained

    def use_past_zero_wh(self) -> int:
        """Energy used below the permitted overdraft (过零电量)."""
        return max(0, -self.state.balance_wh - self.state.overdraft_limit_wh) if self.state.purse else 0

    def status(self) -> frozenset[StatusBit]:
        """The facts of the status word."""
        s = self.state
        automatic = s.force == Force.AUTOMATIC
        facts = {
            StatusBit.CREDIT_TRIP: automatic and self.out_of_credit(),
            StatusBit.WARNING_TRIP: s.warning_tripped and s.force != Force.KEEP_ON,
            StatusBit.OVERLOAD_TRIP: s.overload_tripped,
            StatusBit.MALICIOUS_LOAD_TRIP: s.malicious_tripped,
            StatusBit.HAND_OPENED: s.hand_opened,
            StatusBit.COMMAND_TRIP: s.force == Force.TRIP,
            StatusBit.KEPT_ON: s.force == Force.KEEP_ON,
            StatusBit.ALARM_1: s.purse and 0 < s.alarm_level_1_wh >= s.balance_wh,
            StatusBit.ALARM_2: s.purse and 0 < s.alarm_level_2_wh >= s.balance_wh,
            StatusBit.TAMPER: s.tamper,
            StatusBit.REVERSE_POWER: s.reverse_w > 0 and self.relay_closed(),
            StatusBit.VOLTAGE_LIMITS: abs(s.volts_permille - 1_000) > VOLTS_TOLERANCE,
        }
        return frozenset(bit for bit, true in facts.items() if true)

    # time

    def settle(self, at_ms: int) -> None:
        """Let time pass to `at_ms`, with every trip at its own millisecond. Earlier times change nothing."""
        s = self.state
        self._judge()
        while s.as_of_ms < at_ms:
            load_w, until_ms = self.load_w(s.as_of_ms)
            assert until_ms > s.as_of_ms, "a load must name an edge that lies ahead"
            self._notice_load(load_w)
            if not self.relay_closed():  # only an act can close it again, and acts settle first
                s.last_load_w, s.overload_since_ms = UNKNOWN_W, NEVER
                s.as_of_ms = at_ms
                return
            counted_w = load_w + (s.reverse_w if self.reverse is Reverse.ADDS else 0)
            end_ms = min(until_ms, at_ms, self._next_event_ms(counted_w))
            self._count(counted_w * (end_ms - s.as_of_ms))
            apart_w = s.reverse_w if self.reverse is Reverse.SEPARATE else 0
            whole, s.export_watt_ms = divmod(s.export_watt_ms + apart_w * (end_ms - s.as_of_ms), WATT_MS_PER_WH)
            s.export_wh += whole
            s.as_of_ms = end_ms
            self._judge()

    def skip(self, at_ms: int) -> None:
        """Power was gone until `at_ms`: nothing is used, everything is remembered."""
        if at_ms > self.state.as_of_ms:
            self.state.as_of_ms = at_ms
            self.state.overload_since_ms = NEVER
            self.state.last_load_w = UNKNOWN_W

    def freeze(self, day: str) -> None:
        """The day `day` begins on the meter's clock: keep the register, and by month on the first."""
        s = self.state
        row = (day, s.energy_wh, s.balance_wh, s.sharp_wh, s.peak_wh, s.valley_wh)
        s.day_freezes = [*s.day_freezes, row][-FREEZE_LIMIT:]
        if day.endswith("-01"):
            s.month_freezes = [*s.month_freezes, row][-MONTH_FREEZE_LIMIT:]
            s.month_began_wh = s.energy_wh

    # acts

    def apply(self, order: Order) -> Accepted | None:
        """Apply one order at the time settled to. None: it was applied before (echo). Raises `OrderRefused`."""
        s = self.state
        if not s.purse:
            raise OrderRefused("meter_order_malformed")
        if order.count == s.purchase_count and order.kind == s.last_kind and order.amount == s.last_asked_wh:
            return None
        if order.count != s.purchase_count + 1:
            raise OrderRefused("meter_count_wrong")
        applied_wh = self._effect(order)
        s.balance_wh += applied_wh
        s.purchased_total_wh += applied_wh
        s.purchase_count = order.count
        s.last_kind, s.last_asked_wh, s.last_applied_wh = order.kind.value, order.amount, applied_wh
        if order.kind is OrderKind.PURCHASE:
            s.warning_tripped = False  # an order closes a warning trip, and is not answered with the next
            s.warned_1, s.warned_2 = s.balance_wh <= s.alarm_level_1_wh, s.balance_wh <= s.alarm_level_2_wh
        self._judge()
        return Accepted(count=order.count, kind=order.kind, amount_wh=applied_wh, at_ms=s.as_of_ms)

    def force(self, force: Force) -> None:
        """Who owns the relay from now on."""
        self.state.force = force.value
        self._judge()

    def press_key(self) -> None:
        """Somebody holds the key for three seconds: ends a warning, overload, malicious-load and hand opening.

        What credit or command opened stays open. An overload that is still there trips again after its delay.
        """
        s = self.state
        s.warning_tripped = s.overload_tripped = s.malicious_tripped = s.hand_opened = False
        s.overload_since_ms, s.last_load_w = NEVER, UNKNOWN_W
        self._judge()

    def connect_load(self, load_w: int | None, *, resistive: bool = True) -> None:
        """Set the load by hand, or give it back to the curve with None."""
        self.state.override_w, self.state.resistive = load_w, resistive

    # inside

    def _effect(self, order: Order) -> int:
        s = self.state
        if order.kind is OrderKind.CLEAR:
            return -s.balance_wh
        if not 0 < order.amount <= ENERGY_LIMIT_WH:
            raise OrderRefused("meter_order_malformed")
        if order.kind is OrderKind.RETURN:
            if order.amount > s.balance_wh:
                raise OrderRefused("meter_credit_too_low")
            return -order.amount
        if s.hoarding_limit_wh and s.balance_wh + order.amount > s.hoarding_limit_wh:
            raise OrderRefused("meter_hoarding_limit")
        return order.amount

    def _count(self, watt_ms: int) -> None:
        s = self.state
        whole, s.watt_ms = divmod(s.watt_ms + watt_ms, WATT_MS_PER_WH)
        rate = self._rate_at(s.as_of_ms)
        price = self._price(rate)  # of the step it was used in, which ends where a stretch does
        s.energy_wh += whole
        s.consumed_wh += whole
        s.sharp_wh += whole * (rate == SHARP)
        s.peak_wh += whole * (rate == PEAK)
        s.valley_wh += whole * (rate == VALLEY)
        if s.purse and s.wallet_exponent == ENERGY:
            s.balance_wh -= whole
        elif s.purse:
            coins, s.drain_rest = drained(whole, price, s.drain_rest, s.wallet_exponent)
            s.balance_wh -= coins
            s.drained += coins

    def _price(self, rate: int) -> int:
        s = self.state
        passed = sum(1 for each in s.ladder_wh if s.energy_wh - s.month_began_wh >= each)
        added = s.ladder_prices[passed] if s.ladder_prices else 0
        return (s.price_sharp, s.price_peak, s.price_flat, s.price_valley)[rate] + added

    def _lasts_wh(self, credit: int) -> int | None:
        """Energy after which so much credit is gone, at the rate of now; None: never."""
        s = self.state
        if s.wallet_exponent == ENERGY:
            return credit
        return affordable_wh(credit, self.price(), s.drain_rest, s.wallet_exponent)

    def _notice_load(self, load_w: int) -> None:
        """Before a stretch of constant load: a forbidden step trips at once, an overload starts its delay."""
        s = self.state
        known = s.last_load_w != UNKNOWN_W
        forbidden = s.resistive and not s.malicious_off and 0 < s.malicious_step_w <= load_w - s.last_load_w
        if known and forbidden and self.relay_closed():
            s.malicious_tripped = True
        s.last_load_w = load_w
        if not 0 < s.load_limit_w < load_w:
            s.overload_since_ms = NEVER
        elif s.overload_since_ms == NEVER:
            s.overload_since_ms = s.as_of_ms

    def _next_event_ms(self, load_w: int) -> int:
        """When something of this circuit's own happens if the load stays; far away when nothing does."""
        s = self.state
        times = []
        if s.overload_since_ms != NEVER:
            times.append(s.overload_since_ms + OVERLOAD_DELAY_MS)
        if s.purse and load_w > 0:
            for edge_wh in s.ladder_wh:
                if edge_wh > s.energy_wh - s.month_began_wh:
                    watt_ms = (edge_wh + s.month_began_wh - s.energy_wh) * WATT_MS_PER_WH - s.watt_ms
                    times.append(s.as_of_ms - (-watt_ms // load_w))
            for level_wh in (s.alarm_level_1_wh, s.alarm_level_2_wh, -s.overdraft_limit_wh):
                missing = s.balance_wh - level_wh
                if missing > 0 and (missing_wh := self._lasts_wh(missing)) is not None:
                    watt_ms = missing_wh * WATT_MS_PER_WH - s.watt_ms
                    times.append(s.as_of_ms - (-watt_ms // load_w))
        return max(min(times, default=2**62), s.as_of_ms)

    def _judge(self) -> None:
        """What the state now says about warnings and overload."""
        s = self.state
        if s.overload_since_ms != NEVER and s.as_of_ms >= s.overload_since_ms + OVERLOAD_DELAY_MS:
            s.overload_tripped, s.overload_since_ms = True, NEVER
        if not s.purse or s.postpaid:
            return
        below_1 = 0 < s.alarm_level_1_wh >= s.balance_wh
        below_2 = 0 < s.alarm_level_2_wh >= s.balance_wh
        fresh = (below_1 and s.warning_trip_1 and not s.warned_1) or (below_2 and s.warning_trip and not s.warned_2)
        if fresh and s.force == Force.AUTOMATIC:
            s.warning_tripped = True
        s.warned_1, s.warned_2 = below_1, below_2
