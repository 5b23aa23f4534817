"""A virtual meter: what a payment meter answers to twenty digits, and what it remembers.

`judge` is pure: state, profile, digits and the meter's own seconds in; answer and next state out. Order
of the checks (a workable default, which error wins is not proven): lock-out, digits and class, decrypt
and CRC, layout, function, TID old or used, expiry, key type, maker, range, effect. The effect and its
TID are one new state, so no power failure can part them (docs/algorithms/sts.md, section 7).
"""

from bisect import bisect_left, insort
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from prewatt.core.refusals import Refused
from prewatt.core.sts.codec import open_block
from prewatt.core.sts.ids import KEY_CHANGES, Ea, KeyType
from prewatt.core.sts.keys import DecoderKey
from prewatt.core.sts.layout import SGC_HIGH, unpack
from prewatt.core.sts.refusals import StsCode
from prewatt.core.sts.tid import BaseDate
from prewatt.core.sts.tokens import (
    ALL_REGISTERS,
    FLAG_INDEX,
    CurrencyCredit,
    Extended,
    KeyHigh,
    KeyLow,
    KeyMiddle,
    KeySupplyGroup,
    KeyToken,
    Management,
    ManagementKind,
    MeterTest,
    TimedToken,
    Token,
    UnitsCredit,
)

TID_STORE: Final = 50  # firmware constant and common statement; the text of the standard was not read
KEY_CHANGE_TIMEOUT_S: Final = 600  # one make; others 90 s and 2 minutes
LOCKOUT_TOP_S: Final = 1280  # one make: 10 s, doubled at each wrong entry up to this
_DOUBLINGS: Final = 16  # more doublings than any lock-out needs
NEXT_BASE: Final = {BaseDate.Y1993: BaseDate.Y2014, BaseDate.Y2014: BaseDate.Y2035}


class Answer(StrEnum):
    """What the meter says (sts.md, section 7)."""

    ACCEPT = "accept"
    KEY_PART_1 = "key_part_1"  # 1stKCT and so on: part of a key change taken, waiting for the rest
    KEY_PART_2 = "key_part_2"
    KEY_PART_3 = "key_part_3"
    KEY_PART_4 = "key_part_4"
    LOCKED_OUT = "locked_out"
    FORMAT = "format_error"
    CRC = "crc_error"
    FUNCTION = "function_error"
    OLD = "old"
    USED = "used"
    KEY_EXPIRED = "key_expired"
    DDTK = "ddtk_error"
    KEY_TYPE = "key_type_error"
    MAKER = "maker_code_error"
    RANGE = "range_error"
    OVERFLOW = "overflow"

    @property
    def is_taken(self) -> bool:
        """True when the token did something: accepted, or a part of a set kept."""
        return self is Answer.ACCEPT or self.value.startswith("key_part_")


# what an electricity meter in kWh can do; (class, subclass)
ENERGY_FUNCTIONS: Final = frozenset(
    [(0, 0), *((1, sub) for sub in (0, 1, 2)), *((2, sub) for sub in (0, 1, 3, 4, 5, 6, 8, 9, 10))]
)
CURRENCY_FUNCTIONS: Final = ENERGY_FUNCTIONS - {(0, 0)} | {(0, 4)}


@dataclass(frozen=True, kw_only=True)
class MeterProfile:
    """What a make of meter can do and where its limits lie.

    `register_tops` holds the largest content of the eight credit registers: four in tenths, four in
    10^-5 base units. `lockout_first_s` None: no lock-out.
    """

    functions: frozenset[tuple[int, int]] = ENERGY_FUNCTIONS
    maker_digits: int = 2
    maker_code: int = 0
    register_tops: tuple[int, ...] = (9_999_999,) * 4 + (10**12,) * 4
    power_limit_low_w: int = 0
    power_limit_high_w: int = 1_000_000
    key_change_timeout_s: int = KEY_CHANGE_TIMEOUT_S
    lockout_first_s: int | None = None
    credit_on_factory_key: bool = False  # not stated in what was read: treated like a default key

    def __post_init__(self) -> None:
        assert len(self.register_tops) == 8, "eight registers"
        assert self.maker_digits in (2, 4), self.maker_digits


@dataclass(frozen=True, kw_only=True)
class MeterState:
    """Everything the meter remembers through a power failure; one value, so that it changes at once."""

    key: DecoderKey
    tid_store: tuple[int, ...] = ()  # ascending, at most TID_STORE
    registers: tuple[int, ...] = (0,) * 8
    power_limit_w: int | None = None
    phase_unbalance_w: int | None = None
    tariff_rate: int | None = None
    water_factor: int | None = None
    tampered: bool = False
    controls: dict[int, int] = field(default_factory=dict)
    flags: dict[int, int] = field(default_factory=dict)
    pending: tuple[KeyToken, ...] = ()
    pending_since_s: int = 0
    wrong_entries: int = 0
    locked_until_s: int = 0

    def __post_init__(self) -> None:
        assert len(self.tid_store) <= TID_STORE, "the TID store is bounded"
        assert list(self.tid_store) == sorted(self.tid_store), "the TID store ascends"
        assert len(self.registers) == 8, "eight registers"


def new_meter(key: DecoderKey, *, manufactured_tid: int | None = None) -> MeterState:
    """A meter fresh from the factory: the store is filled with its date of manufacture, if given."""
    return MeterState(key=key, tid_store=() if manufactured_tid is None else (manufactured_tid,) * TID_STORE)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The meter's answer, the token when it could be read, and the state after it."""

    answer: Answer
    token: Token | None
    state: MeterState


class _No(Exception):
    """The meter refuses; carries the answer to the door."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


def judge(state: MeterState, profile: MeterProfile, digits: str, at_s: int) -> Verdict:
    """What the meter answers to `digits` at second `at_s` of its own clock. A refusal changes nothing
    but the count of wrong entries."""
    if at_s < state.locked_until_s:
        return Verdict(answer=Answer.LOCKED_OUT, token=None, state=state)
    try:
        token_class, bits48, ea = open_block(digits, state.key)
        token = unpack(token_class, bits48, ea)
    except Refused as refusal:
        answer = Answer.CRC if refusal.code == StsCode.TOKEN_CRC else Answer.FORMAT
        return Verdict(answer=answer, token=None, state=_wrong_entry(state, profile, at_s))
    try:
        if (token_class.value, bits48 >> 44) not in profile.functions:
            raise _No(Answer.FUNCTION)
        answer, after = _take(state, profile, token, at_s)
    except _No as no:
        return Verdict(answer=no.answer, token=token, state=state)
    return Verdict(answer=answer, token=token, state=replace(after, wrong_entries=0))


def _wrong_entry(state: MeterState, profile: MeterProfile, at_s: int) -> MeterState:
    if profile.lockout_first_s is None:
        return state
    wait_s = min(profile.lockout_first_s << min(state.wrong_entries, _DOUBLINGS), LOCKOUT_TOP_S)
    return replace(state, wrong_entries=state.wrong_entries + 1, locked_until_s=at_s + wait_s)


def _take(state: MeterState, profile: MeterProfile, token: Token, at_s: int) -> tuple[Answer, MeterState]:
    match token:
        case MeterTest():
            if token.maker_code not in (0, profile.maker_code) or (
                token.maker_code and token.maker_digits != profile.maker_digits
            ):
                raise _No(Answer.MAKER)
            return Answer.ACCEPT, state
        case UnitsCredit() | CurrencyCredit() | Management() | Extended():
            return Answer.ACCEPT, _take_timed(state, profile, token)
        case KeyHigh() | KeyLow() | KeyMiddle() | KeySupplyGroup():
            return _take_key_part(state, profile, token, at_s)


def _take_timed(state: MeterState, profile: MeterProfile, token: TimedToken) -> MeterState:
    at = bisect_left(state.tid_store, token.tid)
    if at == 0 and len(state.tid_store) == TID_STORE and token.tid < state.tid_store[0]:
        raise _No(Answer.OLD)
    if at < len(state.tid_store) and state.tid_store[at] == token.tid:
        raise _No(Answer.USED)
    if token.tid >> 16 > state.key.ken:
        raise _No(Answer.KEY_EXPIRED)
    match token:
        case UnitsCredit():
            after = _credit(state, profile, token.kind, token.amount_tenths)
        case CurrencyCredit():
            after = _credit(state, profile, token.kind, token.amount_e5)
        case Management():
            after = _manage(state, profile, token)
        case Extended():
            if token.index == FLAG_INDEX:
                after = replace(state, flags={**state.flags, token.flag_index: token.flag_value})
            else:
                after = replace(state, controls={**state.controls, token.index: token.control_value})
    store = list(after.tid_store)
    insort(store, token.tid)
    return replace(after, tid_store=tuple(store[-TID_STORE:]))


def _credit(state: MeterState, profile: MeterProfile, register: int, amount: int) -> MeterState:
    barred = {KeyType.DDTK} if profile.credit_on_factory_key else {KeyType.DDTK, KeyType.DITK}
    if state.key.kt in barred:
        raise _No(Answer.DDTK)
    content = state.registers[register] + amount
    if content < 0:
        raise _No(Answer.RANGE)
    if content > profile.register_tops[register]:
        raise _No(Answer.OVERFLOW)
    return _with_register(state, register, content)


def _with_register(state: MeterState, register: int, content: int) -> MeterState:
    registers = (*state.registers[:register], content, *state.registers[register + 1 :])
    return replace(state, registers=registers)


def _manage(state: MeterState, profile: MeterProfile, token: Management) -> MeterState:
    match token.kind:
        case ManagementKind.POWER_LIMIT:
            _check_power(profile, token.value)
            return replace(state, power_limit_w=token.value)
        case ManagementKind.PHASE_UNBALANCE:
            _check_power(profile, token.value)
            return replace(state, phase_unbalance_w=token.value)
        case ManagementKind.CLEAR_CREDIT:
            if token.value == ALL_REGISTERS:
                return replace(state, registers=(0,) * 8)
            if (0, token.value) not in profile.functions:
                raise _No(Answer.RANGE)
            return _with_register(state, token.value, 0)
        case ManagementKind.CLEAR_TAMPER:
            return replace(state, tampered=False)
        case ManagementKind.TARIFF_RATE:
            return replace(state, tariff_rate=token.value)
        case ManagementKind.WATER_FACTOR:
            return replace(state, water_factor=token.value)


def _check_power(profile: MeterProfile, power_w: int) -> None:
    if not profile.power_limit_low_w <= power_w <= profile.power_limit_high_w:
        raise _No(Answer.RANGE)


def _place(part: KeyToken) -> int:
    """1..4: which token of the set this is."""
    match part:
        case KeyHigh():
            return 1
        case KeyLow():
            return 2
        case KeyMiddle(subclass=9):
            return 4
        case _:
            return 3


def _take_key_part(state: MeterState, profile: MeterProfile, part: KeyToken, at_s: int) -> tuple[Answer, MeterState]:
    """Parts come in any order. After the time-out the set starts again; so it does when a part comes
    with other content than the one already held, for two sets must never mix into one key."""
    old_kt = state.key.kt
    if isinstance(part, KeyHigh) and old_kt is not None and part.kt not in KEY_CHANGES[old_kt]:
        raise _No(Answer.KEY_TYPE)
    held = {_place(each): each for each in state.pending}
    since_s = state.pending_since_s
    if not held or at_s - since_s > profile.key_change_timeout_s or held.get(_place(part), part) != part:
        held, since_s = {}, at_s
    held[_place(part)] = part
    key = _assembled(state.key, held)
    if key is None:
        waiting = replace(state, pending=tuple(held[place] for place in sorted(held)), pending_since_s=since_s)
        return Answer(f"key_part_{_place(part)}"), waiting
    first = held[1]
    assert isinstance(first, KeyHigh), "place 1 is the high part"
    store = () if first.rollover else state.tid_store  # the credit stays
    return Answer.ACCEPT, replace(state, key=key, tid_store=store, pending=(), pending_since_s=0)


def _assembled(old: DecoderKey, held: dict[int, KeyToken]) -> DecoderKey | None:
    """The new key once the set is whole, else None; the old key stays in force until then."""
    first, second, third, fourth = (held.get(place) for place in (1, 2, 3, 4))
    if not isinstance(first, KeyHigh) or not isinstance(second, KeyLow):
        return None
    words, sgc = [first.key_part, second.key_part], None
    if old.ea is Ea.MISTY1:
        if not isinstance(third, KeyMiddle) or not isinstance(fourth, KeyMiddle):
            return None
        words[1:1] = [third.key_part, fourth.key_part]
        number = fourth.sgc_part << 12 | third.sgc_part
        sgc = f"{number:06d}" if number <= SGC_HIGH else None
    elif first.three_tokens:
        if not isinstance(third, KeySupplyGroup):
            return None
        sgc = third.sgc
    base_date = old.base_date
    if first.rollover and base_date is not None:
        base_date = NEXT_BASE.get(base_date)  # the tokens do not say which: the next one is assumed
    return DecoderKey(
        ea=old.ea,
        value=b"".join(word.to_bytes(4, "big") for word in words),
        ken=first.ken_high << 4 | second.ken_low,
        base_date=base_date,
        meter_pan=old.meter_pan,
        sgc=sgc,
        ti=second.ti,
        krn=first.krn,
        kt=first.kt,
    )
