"""The texts of serial servers and DTUs that dial in: registration and heartbeat, between the bytes of the bus.

A registration packet of up to 40 bytes comes once after connecting, or in front of every packet; a heartbeat may come
at any time between two. Both are set by people in the box's menu, as characters or as hexadecimal; here they are one
text: the characters, or `hex:` and the digits. Sources: manuals of USR-TCP232-410s (p. 12) and USR-M100 (p. 67).
"""

from typing import Final

from prewatt.core.wire.errors import LocalProtocolError

MAX_TEXT: Final = 40  # bytes of a registration or a heartbeat
HEX: Final = "hex:"
_TRAILING: Final = b"\r\n\x00 "
_LINE_END: Final = b"\r\n"  # both: a lone one may be the unit of a reply


def shown(data: bytes) -> str:
    """What a box said, as people write it: what ends a line is no part of it."""
    text = data[:MAX_TEXT].strip(_TRAILING)
    if text and all(32 <= byte < 127 for byte in text) and not text.startswith(HEX.encode()):
        return text.decode("ascii")
    return HEX + data[:MAX_TEXT].hex()


def bytes_of(text: str) -> bytes:
    """The bytes a text stands for. Raises LocalProtocolError `text` (empty, too long, no ASCII, no hexadecimal)."""
    try:
        data = bytes.fromhex(text.removeprefix(HEX)) if text.startswith(HEX) else text.encode("ascii")
    except ValueError:
        raise LocalProtocolError("text", text[:MAX_TEXT]) from None
    if not 1 <= len(data) <= MAX_TEXT:
        raise LocalProtocolError("text", f"1 to {MAX_TEXT} bytes")
    return data


class Texts:
    """Takes the texts of a box out of what it sends; the rest is the bus's.

    A text counts only where a packet begins: at the start of what arrived, or behind another text. A reply that
    happens to hold the same bytes further on stays whole.
    """

    def __init__(self, *texts: str) -> None:
        self._texts = sorted({bytes_of(each) for each in texts if each}, key=len, reverse=True)
        self._open = b""  # the beginning of a text whose rest has not come yet
        self.taken = 0

    def receive(self, data: bytes) -> bytes:
        """What of these bytes is the bus's."""
        left = self._open + data
        self._open = b""
        while left:
            text = next((each for each in self._texts if left.startswith(each)), None)
            if text is not None:
                self.taken += 1
                left = left[len(text) :].removeprefix(_LINE_END)
                continue
            if any(each.startswith(left) for each in self._texts):
                self._open, left = left, b""
            break
        return left
