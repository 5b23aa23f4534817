"""Where the cipher text and the check codes of State Grid meters come from (费控安全模块). An interface, no cipher.

The keys are in the utility's security module, a device that may stand elsewhere and be slow or away. So a conversation
never calls it: it says what it needs to know (`Consult`), whoever runs the line asks the provider in a thread of its
own, and the conversation goes on with the answer, or without one.
"""

from dataclasses import dataclass
from typing import Protocol

from prewatt.core.refusals import Refused, Text, register

register(
    {
        "security_provider_missing": Text(
            "This model is only sold to through a security module, and none is connected.",
            "该型号须经安全模块（加密机）售电，本系统未接入安全模块。",
        ),
        "security_provider_away": Text("The security module did not answer.", "安全模块无应答。"),
        "security_provider_simulated": Text(
            "The simulated security provider holds no keys of any meter: it is refused in production.",
            "模拟安全模块不含任何电表的真实密钥，正式运行时禁止使用。",
        ),
        "security_provider_odd": Text(
            "The security module gave an answer of the wrong size.", "安全模块返回的数据长度不符。"
        ),
    }
)

CIPHER, RANDOM, DIVERSIFIER, MAC = 8, 8, 8, 4  # bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """What an authentication begins with, in wire order."""

    cipher: bytes
    random: bytes
    diversifier: bytes

    def wire(self) -> bytes:
        return self.cipher + self.random + self.diversifier

    @property
    def sound(self) -> bool:
        return (len(self.cipher), len(self.random), len(self.diversifier)) == (CIPHER, RANDOM, DIVERSIFIER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What the meter answered: its random number (4 bytes) and the number of its security module (8), in wire order."""

    random: bytes
    module: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Bytes that need a check code, in wire order, and the identifier they travel under."""

    di: int
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class AskChallenge:
    """How is the meter with this number (12 digits) authenticated?"""

    meter: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AskSeals:
    """What are the check codes of these parts, for this meter in this session?"""

    meter: str
    session: Session
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Seals:
    """One check code (4 bytes) for each part that was asked for."""

    macs: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Declined:
    """No answer, and why: a stable code."""

    code: str


Question = AskChallenge | AskSeals
Answer = Challenge | Seals | Declined


class SecurityProvider(Protocol):
    """A security module, or what stands for one. Blocking; called from one thread at a time, never the event loop's.

    Both raise Refused with a stable code for what it will not do, OSError or TimeoutError where it cannot be reached.
    """

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def simulated(self) -> bool:
        """It holds no real key."""

    def challenge(self, meter: str) -> Challenge: ...

    def seal(self, meter: str, session: Session, parts: tuple[Part, ...]) -> tuple[bytes, ...]: ...


def consult(provider: SecurityProvider | None, question: Question) -> Answer:
    """Ask, and judge the size of the answer. Blocking as the provider is; raises nothing that it refuses."""
    if provider is None:
        return Declined(code="security_provider_missing")
    try:
        if isinstance(question, AskChallenge):
            challenge = provider.challenge(question.meter)
            return challenge if challenge.sound else Declined(code="security_provider_odd")
        macs = provider.seal(question.meter, question.session, question.parts)
    except Refused as refused:
        return Declined(code=refused.code)
    if len(macs) != len(question.parts) or any(len(each) != MAC for each in macs):
        return Declined(code="security_provider_odd")
    return Seals(macs=macs)
