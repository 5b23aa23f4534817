"""The server's end of a call from an Acrel gateway: bytes in; who it says it is, what it proves and reports out.

Nothing but a login is heard until the gateway has shown that it knows the secret, and frames are short until then.
"""

from dataclasses import dataclass
from typing import Final

from prewatt.core.wire.acrel_gateway.frame import MAX_BODY, Decoder, Frame, Type, encode
from prewatt.core.wire.acrel_gateway.messages import (
    LoginStep,
    Report,
    Seal,
    Tunnelled,
    Unsealed,
    heartbeat,
    login_frame,
    login_step,
    proves,
    report,
    tunnelled,
)
from prewatt.core.wire.call import Call
from prewatt.core.wire.errors import RemoteProtocolError

PASS: Final = "pass"
FAIL: Final = "fail"


@dataclass(frozen=True, slots=True)
class Asks:
    """It wants to log in. The answer is `challenge`."""

    gateway: str
    building: str


@dataclass(frozen=True, slots=True)
class Proved:
    """It knows the secret. The answer is `result`."""


@dataclass(frozen=True, slots=True)
class NotProved:
    """It does not, or answers what was not asked. The answer is `result`, and the end of the connection."""


@dataclass(frozen=True, slots=True)
class Beats:
    """A heartbeat. The answer is `heartbeat_frame` with the local time."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What it read of its meters by itself."""

    report: Report


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back from a meter through the tunnel."""

    answer: Tunnelled


Event = Asks | Proved | NotProved | Beats | Reported | Returned


class Session(Call[Frame, Event]):
    """One call."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        super().__init__(self._decoder, self._event)
        self._secret = self._sequence = self._building = ""
        self.gateway = ""
        self.seal: Seal = Unsealed()
        self.proved = False

    def challenge(self, secret: str, seal: Seal, sequence: str) -> bytes:
        """Ask for the proof; `sequence` never came before, `seal` is for what follows the login."""
        self._secret, self.seal, self._sequence = secret, seal, sequence
        return self._step("sequence", sequence)

    def result(self) -> bytes:
        """Say whether it is in."""
        return self._step("result", PASS if self.proved else FAIL)

    def _step(self, operation: str, detail: str) -> bytes:
        step = LoginStep(operation=operation, gateway=self.gateway, building=self._building, detail=detail)
        return encode(login_frame(step))

    def _event(self, frame: Frame) -> list[Event]:
        if frame.type is Type.LOGIN:
            return self._login(login_step(frame))
        if not self.proved:
            self.odd += 1
            return []
        match frame.type:
            case Type.HEARTBEAT:
                heartbeat(frame)
                return [Beats()]
            case Type.DATA | Type.ZIPPED_DATA:
                told = report(frame, self.seal)
                if told.gateway != self.gateway:
                    raise RemoteProtocolError("gateway", told.gateway)
                return [Reported(told)]
            case Type.ANSWER:
                return [Returned(tunnelled(frame, self.seal))]
            case _:
                self.odd += 1
                return []

    def _login(self, step: LoginStep) -> list[Event]:
        if self.gateway and step.gateway != self.gateway:
            self.proved = False
            return [NotProved()]
        if step.operation == "request":
            self.gateway, self._building = step.gateway, step.building
            return [Asks(step.gateway, step.building)]
        if step.operation != "md5":
            self.odd += 1
            return []
        sequence, self._sequence = self._sequence, ""  # a proof is good once
        self.proved = proves(self._secret, sequence, step.detail)
        if self.proved:
            self._decoder.limit = MAX_BODY
        return [Proved() if self.proved else NotProved()]
