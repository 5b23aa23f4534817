"""What a notifier is given and what it answers. No rows, no Django."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is sent. `key` names the notice towards the provider; the text may hold a token and is in no log and no
    `repr`."""

    key: str
    recipient: str  # a telephone number as it is written down
    language: str  # "zh-hans" | "en"
    text: str = field(repr=False)


class Verdict(StrEnum):
    """What came of one try."""

    ACCEPTED = "accepted"  # the provider has it; whether it arrives is another question
    REFUSED = "refused"  # for good: another try gives the same
    LATER = "later"  # nothing was sent: again after a while


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`reference` is the provider's name for what it accepted, `code` says why it did not."""

    verdict: Verdict
    reference: str = ""
    code: str = ""


class Notifier(Protocol):
    """`real` is False for one that sends nothing to anybody: pages say so."""

    code: str
    real: bool

    def send(self, message: Message) -> Answer:
        """One try, at most some seconds. A fault of the wire where it is not known whether the provider has it is
        raised as OSError: the notice is then unknown, and a person decides."""


def hidden(recipient: str) -> str:
    """A number as logs and the trail may hold it: 139****2286."""
    return f"{recipient[:3]}****{recipient[-4:]}" if len(recipient) >= 8 else "****"
