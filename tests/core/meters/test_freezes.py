"""Freezes: where they lie on either wire, and what a ring that turns, misses days or is empty comes to."""

from datetime import UTC, datetime, timedelta

import pytest

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.drivers.dlt645_freezes import counters
from prewatt.core.meters.freezes import (
    COUNTERS,
    Freeze,
    FreezeKind,
    FreezeSpan,
    chosen,
    falling,
    read_entries,
    skipped,
    write_entry,
)
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.profile import load
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused
from tests.core.meters.bench645 import DataLine, DataMeter

DTZY = catalogue()["ningju-dtzy1218"]
SPM = catalogue()["pilot-spm9513"]
TOTAL = Quantity.ENERGY_IMPORT_TOTAL
DAY, MONTH = FreezeKind.DAY, FreezeKind.MONTH


def seconds(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


def asked(kind: FreezeKind, since: int, until: int) -> Job:
    return Job(intent=Intent.READ_FREEZES, freezes=FreezeSpan(kind=kind, since=since, until=until))


def bcd(value: int, size: int) -> bytes:
    return bytes.fromhex(str(value).zfill(size * 2))[::-1]


def frozen_days(first: datetime, days: int, *, without: frozenset[int] = frozenset()) -> dict[int, bytes]:
    """Identifiers of a ring: the youngest freeze is at midnight of `first`, 1 kWh less each day before."""
    extra, number = {}, 0
    for back in range(days):
        if back in without:
            continue
        number += 1
        at = first - timedelta(days=back)
        extra[0x05060000 | number] = bytes.fromhex(f"{at:%M%H%d%m%y}")
        total = (1_000 - back) * 100
        extra[0x05060100 | number] = b"".join(bcd(total // (1 if place == 0 else 4), 4) for place in range(5))
    return extra


MIDNIGHT = datetime(2026, 11, 21)


def test_the_days_of_a_span_come_oldest_first_with_total_and_rates() -> None:
    meter = DataMeter(DTZY, extra=frozen_days(MIDNIGHT, 62))
    outcome = DataLine(meter).run(asked(DAY, seconds(2026, 11, 17), seconds(2026, 11, 20)))
    assert outcome.verdict is Verdict.DONE and meter.writes == 0
    assert [each.shown for each in outcome.freezes] == [seconds(2026, 11, day) for day in (17, 18, 19, 20)]
    assert [each.values[TOTAL] for each in outcome.freezes] == [996_000, 997_000, 998_000, 999_000]
    assert set(outcome.freezes[0].values) == set(COUNTERS)


@pytest.mark.parametrize("without", [frozenset[int](), frozenset({1, 2, 3, 5}), frozenset(range(1, 30))])
def test_a_meter_that_had_no_power_on_some_days_is_still_asked_for_the_right_ones(without: frozenset[int]) -> None:
    meter = DataMeter(DTZY, extra=frozen_days(MIDNIGHT, 62, without=without))
    first, last = MIDNIGHT - timedelta(days=40), MIDNIGHT - timedelta(days=34)
    since, until = (seconds(each.year, each.month, each.day) for each in (first, last))
    outcome = DataLine(meter).run(asked(DAY, since, until))
    assert outcome.verdict is Verdict.DONE
    assert [each.values[TOTAL] for each in outcome.freezes] == [(1_000 - back) * 1_000 for back in range(40, 33, -1)]


def test_a_meter_that_never_froze_has_nothing_and_says_so() -> None:
    outcome = DataLine(DataMeter(DTZY)).run(asked(DAY, 0, seconds(2026, 11, 20)))
    assert (outcome.verdict, outcome.freezes) == (Verdict.DONE, ())


def test_months_are_dated_by_the_one_settlement_day() -> None:
    extra = {0x0001FF00 | number: b"".join(bcd((20 - number) * 10_000, 4) for _ in range(5)) for number in (1, 2, 3)}
    extra |= {0x04000B01: bytes.fromhex("0001"), 0x04000B02: bytes.fromhex("9999"), 0x04000B03: bytes.fromhex("9999")}
    meter = DataMeter(DTZY, extra=extra, clock=datetime(2026, 2, 10, 8, 0))
    outcome = DataLine(meter).run(asked(MONTH, 0, seconds(2026, 2, 10)))
    assert [(each.shown, each.values[TOTAL]) for each in outcome.freezes] == [
        (seconds(2025, 12, 1), 1_700_000), (seconds(2026, 1, 1), 1_800_000), (seconds(2026, 2, 1), 1_900_000),
    ]  # fmt: skip


@pytest.mark.parametrize("days", [("0000", "0000"), ("0001", "0016")])
def test_months_of_a_meter_that_settles_never_or_twice_are_not_guessed(days: tuple[str, str]) -> None:
    extra = {0x04000B01: bytes.fromhex(days[0]), 0x04000B02: bytes.fromhex(days[1])}
    outcome = DataLine(DataMeter(DTZY, extra=extra)).run(asked(MONTH, 0, seconds(2026, 11, 20)))
    assert (outcome.verdict, outcome.code) == (Verdict.REFUSED, "freeze_times_unclear")


def test_a_model_without_freezes_refuses_before_a_byte_leaves() -> None:
    bare = catalogue()["chint-ddsu666"]
    assert bare.freezes is None
    outcome = DataLine(DataMeter(DTZY)).run(Job(intent=Intent.READ_FREEZES))
    assert (outcome.verdict, outcome.code) == (Verdict.REFUSED, "freezes_not_supported")


def test_counters_without_a_total_are_none() -> None:
    assert counters(b"\xff" * 20) == {}
    assert counters(b"\x00\x01\x00\x00" + b"\xff" * 16) == {TOTAL: 1_000}
    assert counters(b"\x00\x0a\x00\x00") == {}


def test_an_entry_of_a_modbus_ring_reads_back_as_it_was_written() -> None:
    table = SPM.freezes
    assert table is not None and table.words == 12
    freeze = Freeze(kind=DAY, shown=seconds(2026, 11, 20, 16), values=dict.fromkeys(COUNTERS, 12340))
    data = write_entry(table, freeze) + write_entry(table, None)
    assert read_entries(table, DAY, data) == [freeze, None]


def test_what_is_skipped_and_what_falls() -> None:
    span = FreezeSpan(kind=DAY, since=0, until=seconds(2026, 11, 10))
    assert skipped(seconds(2026, 11, 21), span) == 11 and skipped(seconds(2026, 11, 9), span) == 0
    assert falling([3, 2, 1]) and falling([]) and not falling([3, 3]) and not falling([1, 2])
    many = [Freeze(kind=DAY, shown=shown, values={TOTAL: 1}) for shown in range(40, 0, -1)]
    assert [each.shown for each in chosen(many, FreezeSpan(kind=DAY, since=5, until=30))] == list(range(19, 31))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("address = 0x1000", "address = 0x0100"),  # over the registers
        ("address = 0x2000", "address = 0x1004"),  # over each other
        ("kept = 62\naddress = 0x1000", "kept = 62\naddress = 0xFFF0"),
        ('holds = ["energy_import_total", ', "holds = ["),
        ("\n[freezes.day]\nkept = 62\naddress = 0x1000\n\n[freezes.month]\nkept = 12\naddress = 0x2000\n", ""),
    ],
)
def test_a_table_that_cannot_be_is_refused(old: str, new: str) -> None:
    text = _text(SPM)
    assert old in text
    with pytest.raises(Refused) as refused:
        load(text.replace(old, new))
    assert refused.value.code == "profile_freezes"


def _text(profile: Profile) -> str:
    from importlib.resources import files

    return (files("prewatt.core.meters") / "profiles" / f"{profile.code}.toml").read_text(encoding="utf-8")
