"""A simulated STS meter: a keypad, credit that its load counts down, and a switch that opens at zero.

What twenty digits do is `core.sts.meter.judge`; the energy is a `Circuit`'s, as in every simulated meter. The two
are remembered as one text, so the effect of a token and its TID are kept together or not at all. Loaded only
where a site has such meters: the cipher is dear.
"""

import json
from bisect import insort
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import tzinfo
from typing import Any, Final

from prewatt.core.meters.jobs import OrderKind
from prewatt.core.refusals import Refused, Text
from prewatt.core.sts import (
    ALL_REGISTERS,
    TID_STORE,
    Answer,
    BaseDate,
    CreditKind,
    DecoderKey,
    Ea,
    KeyHigh,
    KeyLow,
    KeyMiddle,
    KeySupplyGroup,
    KeyType,
    Management,
    ManagementKind,
    MeterPan,
    MeterProfile,
    MeterState,
    UnitsCredit,
    Verdict,
    judge,
    new_meter,
)
from prewatt.core.sts.tokens import KeyToken
from prewatt.core.sts.words import ANSWERS, REASON_OF, REASONS
from prewatt.field.simulator.circuit import Accepted, Circuit, CircuitState, first_state
from prewatt.field.simulator.fields import SiteError
from prewatt.field.simulator.keypad_site import KeypadKey, KeypadSite
from prewatt.field.simulator.meter import MeterState as LineState
from prewatt.field.simulator.site import CircuitSite, Opening
from prewatt.field.simulator.town import LiveLoad, RateClock

TENTH_WH: Final = 100
TYPED_LIMIT: Final = 20  # the digits of a token
ENTRY_LIMIT: Final = 20  # answers the display can go back to
_PARTS: Final = {kind.__name__: kind for kind in (KeyHigh, KeyLow, KeyMiddle, KeySupplyGroup)}
_CIRCUIT_FIELDS: Final = tuple(each.name for each in fields(CircuitState))
_CRC: Final = Text(
    "A digit is wrong, or the token was made under another key or for another meter.",
    "有数字输错，或令牌由另一密钥生成、属于另一块表。",
)


@dataclass(frozen=True, kw_only=True)
class Entered:
    """What was typed and what the meter said. `credit_wh` is what it did to the credit, signed."""

    digits: str
    code: str  # an `Answer`
    at_ms: int
    credit_wh: int = 0

    @property
    def accepted(self) -> bool:
        """True when the token did something: accepted, or a part of a set kept."""
        return Answer(self.code).is_taken

    def text(self) -> Text:
        """What the display says, and why."""
        answer = Answer(self.code)
        why = _CRC if answer is Answer.CRC else REASONS.get(REASON_OF.get(answer, ""), Text("", ""))
        said, credit = ANSWERS[answer], _signed(self.credit_wh) if self.credit_wh else ""
        return Text(en=" ".join(filter(None, (said.en, why.en, credit))), zh="".join((said.zh, why.zh, credit)))


def _signed(energy_wh: int) -> str:
    tenths = abs(energy_wh) // TENTH_WH
    return f"{'-' if energy_wh < 0 else '+'}{tenths // 10:,}.{tenths % 10} kWh"


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Everything that outlives a power failure, as one value."""

    sts: MeterState
    circuit: CircuitState
    entries: tuple[Entered, ...] = ()
    line: LineState | None = None  # of a meter that is on a line too


class KeypadMeter:
    """One meter; times in ms since 1970 UTC. Whoever runs it keeps `encoded()` before an answer is shown."""

    def __init__(self, site: KeypadSite, zone: tzinfo, *, at_ms: int, memory: Memory | None = None) -> None:
        self.site, self.number = site, site.number
        self.typed = ""  # on the display, not in the memory
        self.applied: Accepted | None = None  # what the last token did to the credit
        memory = memory or _first(site, at_ms)
        self.sts, self.entries, self.line = memory.sts, memory.entries, memory.line
        self.circuit = Circuit(memory.circuit, LiveLoad(site.load, zone), RateClock(zone))
        self.circuits = {1: self.circuit}  # as every meter has them

    @property
    def drn(self) -> str:
        """The number within the PAN: what STS meters have on their label."""
        assert self.site.key.meter_pan, "judged at the start"
        return MeterPan.parse(self.site.key.meter_pan).drn

    # time

    def settle(self, at_ms: int) -> None:
        """Let time pass: the load counts the credit down, and the switch opens at zero."""
        self.circuit.settle(at_ms)

    def sleep(self, at_ms: int) -> None:
        """The supply was gone until `at_ms`."""
        self.circuit.skip(at_ms)
        self.typed = ""

    def set_back(self, at_ms: int) -> None:
        """The time counted in was ahead of true time: go on from `at_ms`."""
        self.circuit.state.as_of_ms = min(self.circuit.state.as_of_ms, at_ms)

    # the keypad

    def enter(self, digits: str, at_ms: int) -> Entered:
        """Judge a token at `at_ms` and take what it does. Nothing is kept yet (`encoded`)."""
        self.settle(at_ms)
        circuit = self.circuit.state
        before = self._with_credit()
        verdict = judge(before, MeterProfile(), digits, at_ms // 1_000)
        was_wh = circuit.balance_wh
        self.sts, self.applied = verdict.state, None
        if verdict.answer is Answer.ACCEPT:
            self._take(verdict, before)
        entered = Entered(
            digits=digits[:TYPED_LIMIT], code=verdict.answer.value, at_ms=at_ms, credit_wh=circuit.balance_wh - was_wh
        )
        self.entries = (*self.entries, entered)[-ENTRY_LIMIT:]
        self.typed = ""
        self.settle(at_ms)
        return entered

    def _with_credit(self) -> MeterState:
        """The state with its first register as the countdown left it, in whole tenths."""
        tenths = self.circuit.state.balance_wh // TENTH_WH
        return replace(self.sts, registers=(tenths, *self.sts.registers[1:]))

    def _take(self, verdict: Verdict, before: MeterState) -> None:
        circuit, after = self.circuit.state, verdict.state
        match verdict.token:
            case UnitsCredit(kind=CreditKind.ELECTRICITY):
                gained_wh = (after.registers[0] - before.registers[0]) * TENTH_WH
                self._change(OrderKind.PURCHASE, gained_wh)
            case Management(kind=ManagementKind.CLEAR_CREDIT) as clear if clear.value in (0, ALL_REGISTERS):
                self._change(OrderKind.CLEAR, -circuit.balance_wh)  # with what lies below a tenth
            case Management(kind=ManagementKind.POWER_LIMIT):
                circuit.load_limit_w = after.power_limit_w or 0

    def _change(self, kind: OrderKind, by_wh: int) -> None:
        """Credit given or taken, counted as an order over a bus would be: the books of the circuit stay whole."""
        circuit = self.circuit.state
        circuit.balance_wh += by_wh
        circuit.purchased_total_wh += by_wh
        circuit.purchase_count += 1
        circuit.last_kind, circuit.last_asked_wh, circuit.last_applied_wh = kind.value, abs(by_wh), by_wh
        self.applied = Accepted(
            count=circuit.purchase_count, kind=kind, amount_wh=by_wh, at_ms=circuit.as_of_ms
        )

    # memory

    def remember(self) -> Memory:
        """What to go back to when it could not be kept."""
        return Memory(sts=self.sts, circuit=replace(self.circuit.state), entries=self.entries)

    def go_back(self, memory: Memory) -> None:
        """Undo everything since `remember`."""
        self.sts, self.circuit.state, self.entries = memory.sts, memory.circuit, memory.entries

    def encoded(self) -> str:
        """Everything durable, as the store keeps it."""
        circuit = {name: getattr(self.circuit.state, name) for name in _CIRCUIT_FIELDS}
        entries = [asdict(each) for each in self.entries]
        line = {"line": asdict(self.line)} if self.line is not None else {}
        return json.dumps({"sts": _sts_value(self.sts), "circuit": circuit, "entries": entries, **line},
                          separators=(",", ":"))  # fmt: skip

    # what can be seen

    def describe(self) -> dict[str, object]:
        """The settled meter as GET /api/sts/<number> gives it; no key value."""
        key, circuit = self.sts.key, self.circuit
        return {
            "number": self.number,
            "place": self.site.place,
            "drn": self.drn,
            "meter_pan": key.meter_pan,
            "balance_wh": circuit.state.balance_wh,
            "relay": "closed" if circuit.relay_closed() else "open",
            "power_w": circuit.power_w(),
            "energy_wh": circuit.state.energy_wh,
            "opening_wh": circuit.state.opening_wh,
            "consumed_wh": circuit.state.consumed_wh,
            "key": {
                "ea": key.ea.value, "sgc": key.sgc, "ti": key.ti, "krn": key.krn, "kt": key.kt, "ken": key.ken,
                "base_date": key.base_date,
            },
            "key_parts": len(self.sts.pending),
            "power_limit_w": self.sts.power_limit_w,
            "entries": [
                {"digits": each.digits, "code": each.code, "accepted": each.accepted, "credit_wh": each.credit_wh,
                 "at_ms": each.at_ms}
                for each in self.entries
            ],
        }  # fmt: skip


def decoded(text: str) -> Memory:
    """What `encoded` wrote. Raises KeyError, TypeError or ValueError (also `Refused`) for anything else."""
    value = json.loads(text)
    return Memory(
        sts=_sts_state(value["sts"]),
        circuit=CircuitState(**value["circuit"]),
        entries=tuple(Entered(**each) for each in value["entries"]),
        line=LineState(**value["line"]) if "line" in value else None,
    )


def _first(site: KeypadSite, at_ms: int) -> Memory:
    """A first start: the store holds the date of manufacture and what the site says was taken."""
    state = new_meter(_decoder_key(site.key, f"site.keypads.{site.number}.key"), manufactured_tid=site.made_tid)
    store = list(state.tid_store)
    for tid in site.taken_tids:
        insort(store, tid)
    opening = Opening(balance_wh=site.balance_wh, energy_wh=site.energy_wh, purchase_count=site.purchase_count)
    circuit = first_state(CircuitSite(index=1, opening=opening, load=site.load), purse=True, at_ms=at_ms)
    return Memory(sts=replace(state, tid_store=tuple(store[-TID_STORE:])), circuit=circuit)


def _decoder_key(key: KeypadKey, where: str) -> DecoderKey:
    """The key of the site file, judged. Raises `SiteError`."""
    try:
        MeterPan.parse(key.meter_pan)
        return DecoderKey(
            ea=Ea(key.ea), value=key.value, ken=key.ken, base_date=BaseDate.of(key.base_date), meter_pan=key.meter_pan,
            sgc=key.sgc, ti=key.ti, krn=key.krn, kt=KeyType(key.kt),
        )  # fmt: skip
    except Refused as refused:
        raise SiteError(refused.code, where, "is no key of an STS meter") from refused
    except ValueError as error:
        raise SiteError("wrong_key", where, str(error)) from error


def _sts_value(state: MeterState) -> dict[str, Any]:
    value = {each.name: getattr(state, each.name) for each in fields(MeterState)}
    value["key"] = {**{each.name: getattr(state.key, each.name) for each in fields(DecoderKey)},
                    "value": state.key.value.hex()}  # fmt: skip
    value["controls"], value["flags"] = list(state.controls.items()), list(state.flags.items())
    value["pending"] = [{"part": type(each).__name__, **asdict(each)} for each in state.pending]
    return value


def _sts_state(value: Mapping[str, Any]) -> MeterState:
    key = value["key"]
    made = DecoderKey(**{
        **key, "ea": Ea(key["ea"]), "value": bytes.fromhex(key["value"]),
        "base_date": None if key["base_date"] is None else BaseDate(key["base_date"]),
        "kt": None if key["kt"] is None else KeyType(key["kt"]),
    })  # fmt: skip
    return MeterState(**{
        **value, "key": made, "tid_store": tuple(value["tid_store"]), "registers": tuple(value["registers"]),
        "controls": dict(value["controls"]), "flags": dict(value["flags"]),
        "pending": tuple(_part(each) for each in value["pending"]),
    })  # fmt: skip


def _part(value: Mapping[str, Any]) -> KeyToken:
    given = {name: each for name, each in value.items() if name != "part"}
    if "kt" in given:
        given["kt"] = KeyType(given["kt"])
    made: KeyToken = _PARTS[value["part"]](**given)
    return made
