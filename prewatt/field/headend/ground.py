"""What all lines of a head-end stand on."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from prewatt.core.meters import Profile
from prewatt.core.meters.mailbox import ClaimedJob, PollSettings, ScanReport
from prewatt.field.headend.advice import Adviser
from prewatt.field.headend.outbox import Outbox
from prewatt.field.headend.transports import Transport


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What all lines of a head-end stand on."""

    outbox: Outbox
    catalogue: Mapping[str, Profile]
    transports: Mapping[str, Transport]
    settings: PollSettings
    clock: Callable[[], datetime]  # wall time, for what is stored
    chance: Callable[[], float]  # [0, 1), for jitter
    holds: Callable[[float], bool]  # is the lease ours until this loop time?
    connecting: asyncio.Semaphore
    adviser: Adviser  # asks the security provider
    settled: Callable[[ClaimedJob], None]  # a claimed job left the hand
    scanned: Callable[[ScanReport], None]  # how far a scan is
