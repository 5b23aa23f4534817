"""One request in flight: which frame answers it, and answers that come in parts.

Replies to writes and all refusals carry no identifier. They are matched by address and function and by
being the answer to what is in flight, so only one request may be out on a line at a time.
"""

from collections import deque
from typing import Final

from prewatt.core.wire.dlt645.address import BROADCAST, meant
from prewatt.core.wire.dlt645.frame import Decoder, Frame, Function, encode
from prewatt.core.wire.dlt645.requests import MAX_SEQUENCE, read, read_following
from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError

MAX_OTHERS: Final = 16  # frames of others kept for a look, the latest
MAX_LONG: Final = 16 * 1024  # bytes of one answer in parts


def expects_reply(request: Frame) -> bool:
    """Does anybody answer this? Nobody answers a broadcast."""
    return not request.reply and request.address != BROADCAST and request.function != Function.BROADCAST_TIME


def answers(request: Frame, reply: Frame) -> bool:
    """Can `reply` be the answer to `request`?"""
    if not reply.reply or not expects_reply(request) or reply.function != request.function:
        return False
    if not meant(request.address, reply.address) and not _moved(request, reply):
        return False
    if reply.refused:
        return True
    match request.function:
        case Function.READ:
            return reply.di is not None and reply.di == request.di
        case Function.READ_FOLLOWING:
            return reply.di is not None and reply.di == request.di and reply.data[-1:] == request.data[4:5]
        case Function.COST_CONTROL:
            return reply.di in (request.di, None)
    return True


def _moved(request: Frame, reply: Frame) -> bool:
    """A meter that was given a new address answers with it."""
    return request.function == Function.WRITE_ADDRESS and bytes.fromhex(reply.address)[::-1] == request.data


class ClientDecoder:
    """Finds the one answer to the one request in flight.

    Frames of meters that do not answer it (heartbeats, late replies, other meters) are kept in `others`,
    the latest few; noise and the echo of requests are counted in `discarded` (bytes).
    """

    def __init__(self, request: Frame) -> None:
        if not expects_reply(request):
            raise LocalProtocolError("no_reply", "nobody answers this request")
        self._request = request
        self._decoder = Decoder()
        self._echoed = 0
        self.others: deque[Frame] = deque(maxlen=MAX_OTHERS)

    @property
    def discarded(self) -> int:
        return self._decoder.discarded + self._echoed

    def receive(self, data: bytes) -> Frame | None:
        """More bytes from the line; the answer once it is complete."""
        answer: Frame | None = None
        for frame in self._decoder.receive(data):
            if answer is None and answers(self._request, frame):
                answer = frame
            elif frame.reply:
                self.others.append(frame)
            else:
                self._echoed += len(encode(frame, wake_up=0))
        return answer


class LongRead:
    """A read whose answer may come in parts: send `request`, hand each answer to `take`, until it says done."""

    def __init__(self, address: str, di: int) -> None:
        self._address, self._di = address, di
        self._data = bytearray()
        self._sequence = 0
        self.request = read(address, di)

    def take(self, reply: Frame) -> bytes | None:
        """The whole value after the last part, None while more follows.

        Raises RemoteProtocolError: `refused`, `not_the_answer`, `too_long` (bytes or parts without end).
        """
        if not answers(self.request, reply):
            raise RemoteProtocolError("not_the_answer", reply.data[:16].hex())
        if reply.refused:
            raise RemoteProtocolError("refused", reply.data[:16].hex())
        self._data += reply.data[4:-1] if self._sequence else reply.data[4:]
        if not reply.following:
            return bytes(self._data)
        if self._sequence == MAX_SEQUENCE or len(self._data) > MAX_LONG:
            raise RemoteProtocolError("too_long", f"{len(self._data)} bytes in {self._sequence + 1} parts")
        self._sequence += 1
        self.request = read_following(self._address, self._di, self._sequence)
        return None
