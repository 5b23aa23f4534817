"""Which child lives but does nothing any more. Asked apart from the supervisor's loop: a database that hangs must not
hang the one who looks after everybody.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import psycopg

from prewatt.wiring import database
from prewatt.wiring.refusals import StartRefused

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 5.0
HUNG_AFTER_S: Final = 45.0  # parts beat every second; a busy machine delays a beat, it does not swallow forty
FIRST_BEAT_S: Final = 180.0  # a start on a slow machine, with cold disks
LOOKS_IN_A_ROW: Final = 3  # a host that slept makes every beat old at once, for one look
_LOOK_OLD_S: Final = 3 * LOOK_EVERY_S  # what was seen before says nothing of now
# name of the child -> name under which it beats; the web answers on its port instead
BEATS_AS: Final[Mapping[str, str]] = {"headend": "headend:headend-1", "worker": "worker", "stream": "stream"}
WEB: Final = "web"


@dataclass(frozen=True, kw_only=True)
class Look:
    """Ages of the last signs of life in seconds, by child; a child that gave none yet is left out."""

    at: float  # monotonic
    ages: Mapping[str, float]


@dataclass(kw_only=True)
class Patience:
    """Judges looks one after the other; pure."""

    _bad: dict[str, int] = field(default_factory=dict)
    _last_at: float = -1.0

    def hung(self, look: Look, *, running_s: Mapping[str, float], now: float) -> list[str]:
        """The children to be killed: `running_s` says since when each runs. The same look counts once."""
        if look.at <= self._last_at or now - look.at > _LOOK_OLD_S:
            return []
        self._last_at = look.at
        found = []
        for name, since in running_s.items():
            if name not in BEATS_AS and name != WEB:
                continue
            age = look.ages.get(name)
            silent = since > FIRST_BEAT_S if age is None else min(age, since) > HUNG_AFTER_S
            self._bad[name] = self._bad.get(name, 0) + 1 if silent else 0
            if self._bad[name] >= LOOKS_IN_A_ROW:
                self._bad[name] = 0
                found.append(name)
        return found


class Watch:
    """Looks every few seconds in a thread of its own until `stop`; `last` is None while nothing could be seen."""

    def __init__(self, dsn: str, *, answers: Callable[[], bool]) -> None:
        self._dsn = dsn
        self._answers = answers
        self._over = threading.Event()
        self._answered_at: float | None = None
        self.last: Look | None = None

    def start(self) -> None:
        """Begin; the thread dies with the process."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self.last = self._look()

    def _look(self) -> Look | None:
        from prewatt.office.metering.heartbeats import beats  # only now: a start must not wait for it

        try:
            with database.connect(self._dsn, timeout_s=2) as connection:
                seen = {beat.part: beat.age_s for beat in beats(connection)}
        except (StartRefused, psycopg.Error):
            return None  # nobody can beat while the database is away
        ages = {name: seen[part] for name, part in BEATS_AS.items() if part in seen}
        if self._answers():
            self._answered_at = time.monotonic()
        if self._answered_at is not None:
            ages[WEB] = time.monotonic() - self._answered_at
        return Look(at=time.monotonic(), ages=ages)
