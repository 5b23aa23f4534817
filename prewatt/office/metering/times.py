"""Times of use of a meter (时段表): whoever may write settings may want them."""

from datetime import datetime
from typing import Final

from prewatt.core.meters.jobs import Intent
from prewatt.core.meters.schedule import Schedule, ScheduleRead, ScheduleTable, check_schedule
from prewatt.office.estate.models import Meter
from prewatt.office.metering.jobs import schedule_json, schedule_of, schedule_read_of
from prewatt.office.metering.models import WantedSchedule
from prewatt.office.metering.standby import Pair
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.roles import Act

TIMES: Final[Pair[Schedule, ScheduleTable, ScheduleRead, WantedSchedule]] = Pair(
    name="schedule", reads=Intent.READ_SCHEDULE, writes=Intent.WRITE_SCHEDULE, unknown="schedule_not_supported",
    single="schedule_no_standby", table=lambda profile: profile.schedule, check=check_schedule, to_json=schedule_json,
    of_json=schedule_of, read_of_json=schedule_read_of, said=schedule_json, action="metering.times",
    model=WantedSchedule,
)  # fmt: skip


def read(meter: Meter, *, request_key: str, at: datetime, actor: str) -> int:
    """Ask the meter what it counts by; the id of the job. Raises Refused as `Pair.read`."""
    return TIMES.read(meter, key=f"read:times:{request_key}:{meter.pk}", at=at, actor=actor)


def write(
    meter: Meter, schedule: Schedule, *, swap_at: datetime, reason: str, actor: Actor, request_key: str, at: datetime
) -> int:
    """Have times of use held in readiness, to come into force at `swap_at`; the id of the job. The same key asks once.

    Raises Refused `not_permitted`, `schedule_zones`, `schedule_tables`, `schedule_periods`, `schedule_rate`, and as
    `Pair.write`.
    """
    actor.require(Act.METER_SETTINGS)
    key = f"times:{request_key}:{meter.pk}"
    return TIMES.write(meter, schedule, swap_at=swap_at, reason=reason, actor=actor.key, key=key, at=at)
