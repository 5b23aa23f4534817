"""What happened, paired and told together: a dead station is one happening."""

from datetime import UTC, datetime, timedelta

import pytest

from prewatt.office.reports.happenings import Happening, StationLine, with_stations

EIGHT = datetime(2026, 11, 21, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Span = tuple[int, float, float | None]  # line, lost and back in minutes after eight


def lost(line: int, at: float, back: float | None) -> Happening:
    return Happening(
        kind="line_lost", cause="", at=EIGHT + at * MINUTE, ended_at=None if back is None else EIGHT + back * MINUTE,
        circuit_id=None, room="", room_name="", gateway=f"G{line}", gateway_name="", line_id=line, circuits=30,
        balance=None, credit_unit="Wh", power_w=None,
    )  # fmt: skip


def told(*spans: Span, down: tuple[int, ...] = (), lines: int = 3) -> list[tuple[str, float, float | None, int]]:
    """Lines 1 to `lines` stand at S1, line 9 alone; those in `down` have been down since yesterday."""
    standing = [
        StationLine(
            station_id=1, station="S1", station_name="Cabinet", line_id=line, circuits=30,
            up=line not in down and not any(each[0] == line and each[2] is None for each in spans),
            since=EIGHT - 1440 * MINUTE if line in down else EIGHT,
        )
        for line in range(1, lines + 1)
    ]  # fmt: skip
    found = with_stations([lost(*span) for span in sorted(spans, key=lambda span: span[1])], standing)
    return [
        (each.station or each.gateway, (each.at - EIGHT) / MINUTE,
         None if each.ended_at is None else (each.ended_at - EIGHT) / MINUTE, each.circuits)
        for each in found
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(1, 0, 30), (2, 1, 31), (3, 2, 32)], [("S1", 2, 30, 90)]),
        ([(1, 0, None), (2, 1, None), (3, 2, None)], [("S1", 2, None, 90)]),
        ([(1, 0, 30), (2, 1, 31)], [("G1", 0, 30, 30), ("G2", 1, 31, 30)]),  # the third answered
        ([(1, 0, 30), (2, 1, 31), (3, 2, None)], [("S1", 2, 30, 90), ("G3", 2, None, 30)]),  # one stays away
        ([(1, 0, 60), (2, 50, 61), (3, 51, 61)], [("G1", 0, 60, 30), ("S1", 51, 60, 90)]),  # gone before
        ([(1, 0, 5), (2, 10, 15), (3, 20, 25)], [("G1", 0, 5, 30), ("G2", 10, 15, 30), ("G3", 20, 25, 30)]),
        ([(1, 0, 9), (2, 0, 9), (3, 0, 9), (1, 40, 49), (2, 41, 50), (3, 41, 50)],
         [("S1", 0, 9, 90), ("S1", 41, 49, 90)]),
    ],
)  # fmt: skip
def test_a_station_is_told_once_while_all_its_lines_are_lost(
    spans: list[Span], expected: list[tuple[str, float, float | None, int]]
) -> None:
    assert told(*spans) == expected


def test_a_line_that_is_down_since_yesterday_counts_and_one_that_stands_alone_is_told_alone() -> None:
    assert told((1, 0, None), (2, 0, None), (9, 1, 3), down=(3,)) == [("S1", 0, None, 90), ("G9", 1, 3, 30)]
    assert told((9, 1, 3)) == [("G9", 1, 3, 30)]
