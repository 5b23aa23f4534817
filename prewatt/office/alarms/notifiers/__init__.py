"""Notifiers (通道): how a message leaves the house. One file for each, one line in `NOTIFIERS`.

A notifier knows no rows and no Django: a `Message` goes in, an `Answer` comes out. Asked twice with the same key, it
must not deliver twice where its provider can tell. "none" is no notifier at all: nothing is written, people print.
"""

from collections.abc import Callable, Mapping
from typing import Final

from prewatt.office.alarms.notifiers.channel import Answer, Message, Notifier, Verdict, hidden
from prewatt.office.alarms.notifiers.log import LogNotifier

NONE: Final = "none"
NOTIFIERS: Final[Mapping[str, Callable[[], Notifier]]] = {"log": LogNotifier}

__all__ = ["NONE", "NOTIFIERS", "Answer", "Message", "Notifier", "Verdict", "configured", "hidden"]


def configured(code: str) -> Notifier | None:
    """The notifier of a setting; None for "none". Raises KeyError on a name that is not registered."""
    return None if code == NONE else NOTIFIERS[code]()
