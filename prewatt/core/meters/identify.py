"""What may this meter be? From what was read of an unknown meter to a scored list of shipped profiles.

A proposal and never a certainty: many makers use the same addresses. Models whose public maps are the same are named
together, and a person holds the answer against the plate.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prewatt.core.meters.dataitems import decode_answer
from prewatt.core.meters.model import Block, Group, Profile, Protocol
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import layouts

MAX_PROPOSALS: Final = 6
LEAST_PERMILLE: Final = 450  # what fits worse is no help
MOST_PERMILLE: Final = 980  # nothing that was only read is certain
ASKED_GROUPS: Final = (Group.IDENTITY, Group.STATUS, Group.REGISTERS)
READ_DATA: Final = 0x11  # DL/T 645 function

VOLTS_MV: Final = range(80_000, 300_001)  # from 100 V (PT secondary) to 277 V, with room
HERTZ_MHZ: Final = range(45_000, 65_001)
ENERGY_WH: Final = range(10**11)
FACTOR_PERMILLE: Final = range(-1000, 1001)
AMPERES_MA: Final = range(10_000_001)
WATTS: Final = range(-5_000_000, 5_000_001)
RELAYS: Final = range(2)
NUMBERS: Final = range(1, 10**12)
CLOCKS: Final = range(1_420_070_400, 2_524_608_000)  # 2015 to 2050

# What each quantity is worth where its value makes sense, and the values that do. A voltage where a voltage should
# be says much; a zero energy says little.
_SENSE: Final[Mapping[Quantity, tuple[int, range]]] = {
    Quantity.VOLTAGE_A: (4, VOLTS_MV),
    Quantity.VOLTAGE_B: (2, VOLTS_MV),
    Quantity.VOLTAGE_C: (2, VOLTS_MV),
    Quantity.FREQUENCY: (4, HERTZ_MHZ),
    Quantity.CURRENT_A: (1, AMPERES_MA),
    Quantity.POWER_ACTIVE: (1, WATTS),
    Quantity.POWER_FACTOR: (1, FACTOR_PERMILLE),
    Quantity.ENERGY_IMPORT_TOTAL: (2, ENERGY_WH),
    Quantity.RELAY: (1, RELAYS),
    Quantity.METER_NUMBER: (2, NUMBERS),
    Quantity.CLOCK: (1, CLOCKS),
}
_MODEL: Final = 6  # the meter says its model itself
_BLOCK: Final = 2  # a block that must be there


class Why(StrEnum):
    """What spoke for a proposal, or against it."""

    MODEL_SAID = "model_said"  # the meter says the model's own code
    MODEL_DIFFERS = "model_differs"
    VOLTAGE = "voltage"
    FREQUENCY = "frequency"
    ENERGY = "energy"
    NUMBER = "number"
    NOT_ANSWERED = "not_answered"  # a block the model must have was refused or silent
    IMPLAUSIBLE = "implausible"  # a value that no meter shows


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One read. Modbus: function, first register and count; DL/T 645: function 11h and the identifier."""

    function: int
    address: int
    count: int


Answers = Mapping[Question, bytes | None]
"""What was read: the words of a good answer, None for a refusal; a question that is not there had no answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """Models with one and the same map as far as it can be told apart, best known first."""

    codes: tuple[str, ...]
    permille: int  # how well it fits, at most MOST_PERMILLE
    why: tuple[Why, ...]
    number: str  # what the meter would say is its number, "" where the map has none
    assumed: bool  # a register of the map comes from no public document


def questions(protocol: Protocol, profiles: Iterable[Profile]) -> tuple[Question, ...]:
    """What to ask a meter of this protocol, most telling first: every block that some profile would read."""
    asked: dict[Question, int] = {}
    for profile in profiles:
        if profile.protocol is protocol:
            for block in _blocks(profile):
                one = _question(block)
                asked[one] = asked.get(one, 0) + 1
    # the longest of what begins at one place first: its answer holds the shorter ones'
    return tuple(sorted(asked, key=lambda each: (-asked[each], each.function, each.address, -each.count)))


def covered(question: Question, answers: Answers) -> bool:
    """Was this already answered by a longer read? DL/T 645 identifiers cover nothing but themselves."""
    return question in answers or (question.function != READ_DATA and _words(question, answers) is not None)


def propose(protocol: Protocol, answers: Answers, profiles: Iterable[Profile]) -> tuple[Proposal, ...]:
    """The profiles that fit, best first, at most MAX_PROPOSALS; those with the same map are one proposal."""
    groups: dict[tuple[object, ...], list[Profile]] = {}
    for profile in profiles:
        if profile.protocol is protocol:
            groups.setdefault(_face(profile), []).append(profile)
    rated = []
    for alike in groups.values():
        got, most, why, number = _rate(alike[0], answers)
        permille = min(MOST_PERMILLE, got * 1000 // most) if most else 0
        if permille >= LEAST_PERMILLE:
            proposal = Proposal(
                codes=tuple(each.code for each in alike), permille=permille, why=why, number=number,
                assumed=any(each.assumed for each in alike),
            )  # fmt: skip
            rated.append((got * 1000 // most, got, proposal))
    rated.sort(key=lambda each: (-each[0], -each[1], each[2].codes))
    return tuple(proposal for _, _, proposal in rated[:MAX_PROPOSALS])


def _blocks(profile: Profile) -> Iterator[Block]:
    for group in ASKED_GROUPS:
        yield from profile.blocks.get(group, ())


def _question(block: Block) -> Question:
    return Question(function=block.function, address=block.address, count=block.count)


def _face(profile: Profile) -> tuple[object, ...]:
    """What a read of circuit 1 could tell this profile apart by."""
    held = sorted(
        (each.quantity.value, each.address, each.how)
        for each in profile.registers.values()
        if each.group in ASKED_GROUPS
    )
    blocks = sorted((each.function, each.address, each.count, each.optional) for each in _blocks(profile))
    return (profile.model_code, tuple(held), tuple(blocks))


def _words(question: Question, answers: Answers) -> bytes | None:
    """The bytes of a read, cut out of a longer one where that was answered."""
    for asked, data in answers.items():
        inside = asked.address <= question.address and question.address + question.count <= asked.address + asked.count
        if data is not None and asked.function == question.function and inside:
            start = (question.address - asked.address) * 2
            return data[start : start + question.count * 2]
    return None


def _read(profile: Profile, answers: Answers) -> tuple[dict[Quantity, int], int, int]:
    """What the profile makes of the answers; how many blocks it must have, and how many of them came."""
    values: dict[Quantity, int] = {}
    wanted = came = 0
    if profile.protocol is Protocol.DLT645:
        for block in _blocks(profile):
            data = answers.get(_question(block))
            wanted, came = wanted + (not block.optional), came + (not block.optional and data is not None)
            if data is not None:
                values.update(decode_answer(profile.registers.values(), profile.flags, block, data))
        return values, wanted, came
    for group in ASKED_GROUPS:
        for layout in layouts(profile, group, 1):
            question = Question(function=layout.block.function, address=layout.address, count=layout.block.count)
            data = _words(question, answers)
            must = not layout.block.optional
            wanted, came = wanted + must, came + (must and data is not None)
            if data is not None:
                values.update(layout.decode(data))
    return values, wanted, came


def _rate(profile: Profile, answers: Answers) -> tuple[int, int, tuple[Why, ...], str]:
    """(points, points there are, what spoke, the number the meter would have)."""
    values, wanted, came = _read(profile, answers)
    got, most = came * _BLOCK, wanted * _BLOCK
    why: list[Why] = [] if came == wanted else [Why.NOT_ANSWERED]
    for quantity, (worth, sensible) in _SENSE.items():
        held = profile.registers.get(quantity)
        if held is None or held.group not in ASKED_GROUPS:
            continue
        value = values.get(quantity)
        if value is None and (quantity is Quantity.METER_NUMBER or came < wanted):
            continue  # not every meter says it, and a block that is missing was counted already
        most += worth
        if value is not None and value in sensible:
            got += worth
            why += [_SPEAKS[quantity]] if quantity in _SPEAKS else []
        elif Why.IMPLAUSIBLE not in why and quantity not in _OTHER_PHASES:
            why.append(Why.IMPLAUSIBLE)
    if profile.model_code is not None and Quantity.MODEL_CODE in profile.registers:
        most += _MODEL
        said = values.get(Quantity.MODEL_CODE)
        if said == profile.model_code:
            got += _MODEL
            why.insert(0, Why.MODEL_SAID)
        elif said is not None:
            return 0, most, (Why.MODEL_DIFFERS, *why), ""
    number = values.get(Quantity.METER_NUMBER, 0)
    return got, most, tuple(why), _printed(number) if number in NUMBERS else ""


def _printed(number: int) -> str:
    """As `estate` takes it: meters whose number lies in two words have eight digits or fewer."""
    return f"{number:012d}" if number >= 10**8 else f"{number:08d}"


_SPEAKS: Final[Mapping[Quantity, Why]] = {
    Quantity.VOLTAGE_A: Why.VOLTAGE,
    Quantity.FREQUENCY: Why.FREQUENCY,
    Quantity.ENERGY_IMPORT_TOTAL: Why.ENERGY,
    Quantity.METER_NUMBER: Why.NUMBER,
}
_OTHER_PHASES: Final[Sequence[Quantity]] = (Quantity.VOLTAGE_B, Quantity.VOLTAGE_C)
