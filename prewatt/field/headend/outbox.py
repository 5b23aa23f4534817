"""What was found and is not stored yet: bounded, batched, and the seam to the database's thread."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from prewatt.core.meters.mailbox import JobReport, LineHealth, MeterSilence, PollResult
from prewatt.field.headend.limits import FLUSH_ROWS, HEALTH_ROWS, MAX_POLLS_HELD, STORE_ROWS, STORE_SLOW_S, TICK_S


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One call of `Mailbox.store`."""

    polls: tuple[PollResult, ...]
    silences: tuple[MeterSilence, ...]
    lines: tuple[LineHealth, ...]


@dataclass
class Outbox:
    """Readings are kept up to `MAX_POLLS_HELD`, health as the newest per meter and line, and job reports all:
    they are bounded by the jobs in hand and must not be lost, because nobody would write twice to find out.
    """

    wake: Callable[[], None]
    polls: list[PollResult] = field(default_factory=list)
    silences: dict[int, MeterSilence] = field(default_factory=dict)
    lines: dict[int, LineHealth] = field(default_factory=dict)
    reports: list[JobReport] = field(default_factory=list)
    rows: int = STORE_ROWS  # readings of the next batch

    @property
    def full(self) -> bool:
        """True while the database is too far behind: lines stop polling, commands go on."""
        return len(self.polls) >= MAX_POLLS_HELD

    def poll(self, result: PollResult) -> None:
        self.polls.append(result)
        if len(self.polls) == FLUSH_ROWS:
            self.wake()

    def silence(self, silence: MeterSilence) -> None:
        self.silences[silence.meter_id] = silence

    def line(self, health: LineHealth) -> None:
        older = self.lines.get(health.line_id)
        if older is not None and older.epoch == health.epoch:
            health = LineHealth(
                gateway_id=health.gateway_id,
                epoch=health.epoch,
                line_id=health.line_id,
                at=health.at,
                up=health.up,
                replies=older.replies + health.replies,
                timeouts=older.timeouts + health.timeouts,
                error=health.error,
            )
        self.lines[health.line_id] = health

    def report(self, report: JobReport) -> None:
        self.reports.append(report)
        self.wake()

    def take(self) -> Batch | None:
        """The oldest readings and health, at most `rows` and `HEALTH_ROWS`; None when there is nothing."""
        if not (self.polls or self.silences or self.lines):
            return None
        batch = Batch(
            polls=tuple(self.polls[: self.rows]),
            silences=tuple(islice(self.silences.values(), HEALTH_ROWS)),
            lines=tuple(islice(self.lines.values(), HEALTH_ROWS)),
        )
        self.polls = self.polls[self.rows :]
        for silence in batch.silences:
            del self.silences[silence.meter_id]
        for health in batch.lines:
            del self.lines[health.line_id]
        return batch

    def stored(self, seconds: float) -> None:
        """The last batch took so long: one that put the lease at risk is followed by a smaller one. Most of a slow call
        is often not its rows, so they do not become few."""
        if seconds > STORE_SLOW_S:
            self.rows = max(FLUSH_ROWS, self.rows // 2)
        elif seconds < TICK_S:
            self.rows = min(STORE_ROWS, self.rows * 2)

    def put_back(self, batch: Batch) -> None:
        """The store failed: keep it, the newest health wins, the oldest readings go first when it is too much."""
        self.polls = [*batch.polls, *self.polls][-MAX_POLLS_HELD:]
        self.silences = {**{item.meter_id: item for item in batch.silences}, **self.silences}
        for item in batch.lines:
            newer = self.lines.pop(item.line_id, None)
            self.lines[item.line_id] = item
            if newer is not None:
                self.line(newer)
