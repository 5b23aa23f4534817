"""How fast tokens are made: one key, one vend, key-change sets in bulk, and a campaign into the database."""

import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from prewatt.core.sts import DecoderKey, Ea, VendingKey, encode
from prewatt.core.sts.batch import KeyChangeCampaign, KeyChangeRow
from prewatt.core.sts.compiled import kernels
from prewatt.wiring.bench.figures import BenchFailed, Figure, Size
from prewatt.wiring.bench.ground import Ground, use
from prewatt.wiring.bench_sts import meter_pans, token, vending_key

GOALS: Final = {
    "sts_encode": 50_000, "sts_vend_p99": 1, "sts_key_change": 100_000, "sts_key_change_compiled": 300_000,
    "sts_campaign": 5000, "sts_campaign_mib": 512,
}  # fmt: skip
CAMPAIGN: Final = ("sts_campaign", "sts_campaign_mib")  # these need a database
COMPILED: Final = "sts_key_change_compiled"
_ISSUED: Final = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def measure(size: Size, names: Sequence[str]) -> Iterator[Figure]:
    """What needs no database, by processor time; one run before the others fills the caches."""
    if "sts_encode" in names:
        key = vending_key().decoder_key(meter_pan=meter_pans(1)[0], ti="01", ea=Ea.STA)
        runs = _rates(lambda: _encode(key, size.sts_tokens), size.sts_tokens, size.sts_runs)
        yield _figure("sts_encode", "credit tokens by one key, EA07, plain Python", "tokens/cpu_s", runs)
    if "sts_vend_p99" in names:
        pans = meter_pans(size.sts_vends)
        runs = [_p99(vending_key(), pans) for _ in range(size.sts_runs)]
        yield _figure("sts_vend_p99", "one vend with its key derivation, EA07, 99 of 100", "ms", runs, at_least=False)
    for name, way in (("sts_key_change", "numpy"), (COMPILED, "compiled")):
        if name == COMPILED and name in names and kernels() is None:
            sys.stderr.write(f"{name}: no figure, numba is not installed (requirements-compiled.lock)\n")
        elif name in names:
            runs = _key_change(size, use_compiled=name == COMPILED)
            yield _figure(name, f"key-change pairs, DKGA04 and EA07, {way}", "meters/cpu_s", runs)


def _figure(name: str, metric: str, unit: str, runs: Sequence[float], *, at_least: bool = True) -> Figure:
    return Figure(
        bench=name, metric=metric, unit=unit, runs=runs, goal=GOALS[name], at_least=at_least,
        digits=4 if unit == "ms" else 0,
    )  # fmt: skip


def _rates(work: Callable[[], None], count: int, runs: int) -> list[float]:
    work()
    found = []
    for _ in range(runs):
        began = time.process_time()
        work()
        found.append(count / max(time.process_time() - began, 1e-9))
    return found


def _key_change(size: Size, *, use_compiled: bool) -> list[float]:
    rows = [KeyChangeRow(pan, "01", "01") for pan in meter_pans(size.sts_meters)]
    campaign = KeyChangeCampaign(
        old=vending_key(), new=vending_key(krn=2), ea=Ea.STA, rollover=True, use_compiled=use_compiled
    )
    return _rates(lambda: _drain(campaign.stream(rows)), len(rows), size.sts_runs)


def _encode(key: DecoderKey, count: int) -> None:
    for tid in range(count):
        encode(token(tid), key)


def _p99(key: VendingKey, pans: Sequence[str]) -> float:
    waits = []
    for pan in pans:
        began = time.process_time_ns()
        encode(token(5_000_000), key.decoder_key(meter_pan=pan, ti="01", ea=Ea.STA))
        waits.append((time.process_time_ns() - began) / 1_000_000)
    return statistics.quantiles(waits, n=100)[98]


def _drain(chunks: Iterator[object]) -> None:
    for _ in chunks:
        pass


def campaign(ground: Ground, size: Size, names: Sequence[str]) -> Iterator[Figure]:
    """A campaign from the first request to the last stored digits, database included, by the clock on the wall.

    One run: it is long. Memory is this process at its largest; the database's is its own affair.
    """
    use(ground.database("bench_sts"))
    from prewatt.office.tokens import campaign_issue, campaigns
    from prewatt.wiring.bench.sts_estate import estate

    rack, planned = estate(size.campaign_meters, at=_ISSUED)
    began, cpu = time.perf_counter(), time.process_time()
    while campaign_issue.issue_batch(planned.pk, rack=rack, at=_ISSUED).claimed:
        pass
    took, took_cpu = time.perf_counter() - began, time.process_time() - cpu
    counts = campaigns.progress(planned).counts
    if counts != {"issued": size.campaign_meters}:
        raise BenchFailed(f"of {size.campaign_meters} meters: {counts}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stderr.write(f"sts_campaign: {took:.0f} s, {took_cpu:.0f} s of this process, {peak} MiB at most\n")
    what = f"key change for {size.campaign_meters} meters, database included"
    if "sts_campaign" in names:
        yield _figure("sts_campaign", what, "meters/s", [size.campaign_meters / took])
    if "sts_campaign_mib" in names:
        yield _figure("sts_campaign_mib", f"{what}: this process at its largest", "MiB", [peak], at_least=False)
