"""Sets that a meter keeps two of, one in force and one standby (两套参数): times of use, and prices. What it was read to
go by, what somebody wanted, and how the two stand.

They are the whole meter's. Only the standby set is written, then the time at which the two swap; each set that was
wanted stays as a version (`WantedSet`). What a write came to is said by what was read, never by what was answered.
Which sets there are: `times.TIMES`, `prices.PRICE_SETS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, Protocol, TypeVar
from zoneinfo import ZoneInfo

from django.db import transaction

from prewatt.core.meters import Profile
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit, Meter
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering.jobs import READ_NOW_LIFE, enqueue
from prewatt.office.metering.models import JobRow, JobState, WantedSet
from prewatt.office.metering.parameters import ParameterState, state_of, write_of
from prewatt.office.staff.audit import audit

LIFE: Final = timedelta(minutes=15)  # a write that waits longer surprises whoever changed his mind
AHEAD: Final = timedelta(minutes=30)  # a swap time lies at least so far ahead: also of the last moment of `LIFE`
SPARE: Final = timedelta(minutes=2)  # between asking and the head-end's own look at the time
SETTLED: Final = timedelta(minutes=10)  # after a swap: no clock that is kept is off by more
MOST_AHEAD: Final = timedelta(days=2 * 366)
MOST_VERSIONS: Final = 20  # that a page shows
TOLD: Final = (Verdict.DONE.value, Verdict.REFUSED.value, Verdict.DISPUTED.value)


class Table(Protocol):
    """What a model can be told."""

    @property
    def writable(self) -> bool:
        """Has it a standby set?"""


_Whole = TypeVar("_Whole")
_WholeShown = TypeVar("_WholeShown", covariant=True)
_Table = TypeVar("_Table", bound=Table)
_Version = TypeVar("_Version", bound=WantedSet)


class Shown(Protocol[_WholeShown]):
    """What a meter showed of its two sets: `ScheduleRead`, `PriceRead`."""

    @property
    def in_force(self) -> _WholeShown | None: ...
    @property
    def standby(self) -> _WholeShown | None: ...
    @property
    def swap_at(self) -> int | None: ...
    @property
    def swaps_differ(self) -> bool: ...


_Read = TypeVar("_Read", bound=Shown[Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Known(Generic[_Read, _Version]):
    """What is known of a meter's sets. `read` None: never read; `wanted` None: nobody wanted any."""

    read: _Read | None
    read_at: datetime | None
    wanted: _Version | None
    state: ParameterState


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair(Generic[_Whole, _Table, _Read, _Version]):
    """Two sets of one content. `name`: of the field of a job, and of the column of its row and of a version. `unknown`,
    `single`: the refusals of a model that shows none, and of one without a standby set. `said`: a set as the trail
    keeps it."""

    name: str
    reads: Intent
    writes: Intent
    unknown: str
    single: str
    table: Callable[[Profile], _Table | None]
    check: Callable[[_Whole, _Table], None]
    to_json: Callable[[_Whole], dict[str, Any]]
    of_json: Callable[[Mapping[str, Any]], _Whole]
    read_of_json: Callable[[Mapping[str, Any]], _Read]
    said: Callable[[_Whole], Any]
    action: str
    model: type[_Version]

    def table_of(self, meter: Meter) -> _Table | None:
        """What its model can be told; None where it knows none."""
        profile = all_profiles().get(meter.profile)
        return None if profile is None else self.table(profile)

    def held(self, version: _Version) -> _Whole:
        """The set of a version."""
        return self.of_json(getattr(version, self.name))

    def of_meter(self, meter: Meter) -> Known[_Read, _Version]:
        """What was read last, what is wanted, and how the two stand. Raises Refused as `read`."""
        rows = JobRow.objects.filter(
            circuit_id=self._circuit_of(meter).pk, intent__in=(self.reads.value, self.writes.value),
            state=JobState.DONE, verdict__in=TOLD, **{f"{self.name}__isnull": False},
        )  # fmt: skip
        newest, wanted = rows.order_by("-pk").first(), self.newest(meter)
        read = None if newest is None else self.read_of_json(getattr(newest, self.name))
        read_at = None if newest is None else newest.finished_at
        if wanted is None:
            state = ParameterState.UNREAD if read is None else ParameterState.READ_ONLY
            return Known(read=read, read_at=read_at, wanted=None, state=state)
        # as numbers: 1 is wanted, and what was read is that or is not
        agrees = None
        if read is not None and read_at is not None:
            agrees = int(self._agrees(wanted, read, read_at, ZoneInfo(meter.site.timezone)))
        state = state_of(wanted=1, read=agrees, read_at=read_at, write=write_of(wanted.job))
        return Known(read=read, read_at=read_at, wanted=wanted, state=state)

    def _agrees(self, wanted: _Version, read: _Read, read_at: datetime, zone: ZoneInfo) -> bool:
        """Until the swap the standby set must be the wanted one and its time set; afterwards the set in force."""
        whole = self.held(wanted)
        if read_at >= wanted.swap_at:
            return bool(read.in_force == whole)
        return bool(read.standby == whole) and not read.swaps_differ and read.swap_at == wall_of(wanted.swap_at, zone)

    def newest(self, meter: Meter) -> _Version | None:
        """What is wanted of this meter now, with the job that carried it."""
        return self.model._default_manager.filter(meter=meter).select_related("job").order_by("-pk").first()

    def versions(self, meter: Meter) -> Sequence[_Version]:
        """What was wanted of this meter, newest first, with the jobs that carried it."""
        found = self.model._default_manager.filter(meter=meter).select_related("job")
        return list(found.order_by("-pk")[:MOST_VERSIONS])

    def read(
        self, meter: Meter, *, key: str, at: datetime, actor: str, then_task: str = "",
        then_args: Mapping[str, Any] | None = None,
    ) -> int:  # fmt: skip
        """Ask the meter what it goes by: what resolves an unknown; the id of the job. The same key asks once.

        Raises Refused `unknown`, `meter_without_line`.
        """
        if self.table_of(meter) is None:
            raise Refused(self.unknown)
        circuit = self._circuit_of(meter)
        return enqueue(
            key=key, circuit_id=circuit.pk, at=at, actor=actor, expires_at=at + READ_NOW_LIFE, then_task=then_task,
            then_args=then_args, job=Job(intent=self.reads, circuit_index=circuit.index),
        )  # fmt: skip

    def write(
        self, meter: Meter, whole: _Whole, *, swap_at: datetime, reason: str, actor: str, key: str, at: datetime,
        then_task: str = "", then_args: Mapping[str, Any] | None = None,
    ) -> int:  # fmt: skip
        """Ask the head-end to write the standby set and then the swap time, a whole minute; the id of the job. The same
        key asks once. Who may, the caller has asked.

        Raises Refused `unknown`, `single`, those of `check`, `schedule_swap_past`, `schedule_swap_far`,
        `settings_running` (retry), `meter_without_line`.
        """
        table, zone = self.table_of(meter), ZoneInfo(meter.site.timezone)
        if table is None or meter.removed_at is not None:
            raise Refused(self.unknown)
        if not table.writable:
            raise Refused(self.single)
        self.check(whole, table)
        swap_at = swap_at.replace(second=0, microsecond=0)
        with transaction.atomic():
            Meter.objects.select_for_update(no_key=True).get(pk=meter.pk)
            circuit = self._circuit_of(meter)
            known = JobRow.objects.filter(key=key).first()
            if known is not None:
                return int(known.pk)
            if swap_at < at + AHEAD:
                raise Refused("schedule_swap_past", minutes=int(AHEAD.total_seconds()) // 60)
            if swap_at > at + MOST_AHEAD:
                raise Refused("schedule_swap_far")
            waiting = JobRow.objects.filter(circuit=circuit, state__in=(JobState.QUEUED, JobState.CLAIMED))
            if waiting.filter(intent=self.writes.value).exists():
                raise Refused("settings_running", retry=True)
            offset = at.astimezone(zone).utcoffset()
            assert offset is not None, zone
            told: dict[str, Any] = {self.name: whole}
            job = Job(
                intent=self.writes, circuit_index=circuit.index, swap_at=wall_of(swap_at, zone),
                zone_s=int(offset.total_seconds()), **told,
            )  # fmt: skip
            job_id = enqueue(
                key=key, circuit_id=circuit.pk, job=job, at=at, actor=actor, expires_at=at + LIFE, then_task=then_task,
                then_args=then_args,
            )  # fmt: skip
            self.model._default_manager.create(
                meter=meter, swap_at=swap_at, reason=reason, actor=actor, set_at=at, job_id=job_id,
                **{self.name: self.to_json(whole)},
            )  # fmt: skip
            audit(
                at=at, actor=actor, action=self.action, site_id=meter.site_id, object_type="meter",
                object_id=str(meter.pk), reason=reason,
                after={self.name: self.said(whole), "swap_at": swap_at.isoformat()},
            )  # fmt: skip
        return job_id

    def _circuit_of(self, meter: Meter) -> Circuit:
        """The circuit over whose mailbox the meter itself is asked."""
        circuit = Circuit.objects.filter(meter=meter).order_by("index").first()
        if circuit is None:
            raise Refused(self.unknown)
        return circuit


def earliest(at: datetime) -> datetime:
    """The nearest whole minute at which a swap can be asked for."""
    return (at + AHEAD + SPARE).replace(second=0, microsecond=0)


def wall_of(at: datetime, zone: ZoneInfo) -> int:
    """Local time counted as if it were UTC."""
    return int(at.astimezone(zone).replace(tzinfo=UTC).timestamp())
