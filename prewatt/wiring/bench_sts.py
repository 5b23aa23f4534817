"""Measure the STS engine: scalar tokens, one vend with its key derivation, and key-change sets in bulk.

Rates are per second of processor time, the median of five runs, because wall time on a shared machine
says more about the neighbours.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import IO, Final

from prewatt.core.sts import (
    BaseDate,
    CreditKind,
    DecoderKey,
    Dkga,
    Ea,
    KeyType,
    MeterPan,
    UnitsCredit,
    VendingKey,
    decode,
    encode,
    luhn_digit,
)
from prewatt.core.sts.batch import CreditBatch, CreditRow, KeyChangeCampaign, KeyChangeRow
from prewatt.core.sts.compiled import kernels

RUNS: Final = 5
TOKENS: Final = 20_000  # a run of the scalar path: about a fifth of a second
VENDS: Final = 5_000
METERS: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number; `goal` None where nothing was asked. `met` compares the right way round."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    met: bool | None = None


def at_least(name: str, value: float, unit: str, goal: float | None) -> Figure:
    """A rate, with the least it should be."""
    return Figure(name=name, value=value, unit=unit, goal=goal, met=None if goal is None else value >= goal)


def per_cpu_second(work: Callable[[], None], count: int) -> float:
    """Median rate of RUNS runs that do `count` things each; one run before them fills the caches."""
    work()
    rates = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        rates.append(count / max(time.process_time() - start, 1e-9))
    return statistics.median(rates)


def vending_key(dkga: Dkga = Dkga.HMAC, *, krn: int = 1) -> VendingKey:
    """A key of the bench alone; never a real one."""
    value = bytes(range(krn, krn + dkga.key_bytes))
    return VendingKey(dkga=dkga, value=value, sgc="123456", krn=krn, kt=KeyType.DUTK, base_date=BaseDate.Y2014)


def meter_pans(count: int, *, first: int = 0) -> list[str]:
    """`count` different meters; those from `first` on."""
    serials = (f"11{number:08d}" for number in range(first, first + count))
    return [MeterPan.of_drn(serial + str(luhn_digit(serial))).digits for serial in serials]


def figures() -> Iterator[Figure]:
    """Every figure, as it is measured."""
    for ea in Ea:
        yield from _scalar(ea, 50_000 if ea is Ea.STA else None)
    yield from _vends()
    pans = meter_pans(METERS)
    for compiled in (False, True) if kernels() is not None else (False,):
        goal = 300_000.0 if compiled else 100_000.0
        way = "compiled" if compiled else "numpy"
        for dkga, ea in ((Dkga.HMAC, Ea.STA), (Dkga.DES, Ea.STA), (Dkga.HMAC, Ea.MISTY1)):
            rate = _campaign_rate(pans, dkga, ea, compiled)
            asked = goal if (dkga, ea) == (Dkga.HMAC, Ea.STA) else None
            yield at_least(f"sts_key_change_dkga{dkga}_ea{ea}_{way}", rate, "meters/cpu_s", asked)
        yield at_least(f"sts_credit_{way}", _credit_rate(pans, compiled), "tokens/cpu_s", None)


def _scalar(ea: Ea, goal: float | None) -> Iterator[Figure]:
    key = vending_key().decoder_key(meter_pan=meter_pans(1)[0], ti="01", ea=ea)
    yield at_least(f"sts_encode_ea{ea}", per_cpu_second(lambda: _encode(key), TOKENS), "tokens/cpu_s", goal)
    made = [encode(token(tid), key).digits for tid in range(TOKENS)]
    yield at_least(f"sts_decode_ea{ea}", per_cpu_second(lambda: _decode(made, key), TOKENS), "tokens/cpu_s", None)


def token(tid: int) -> UnitsCredit:
    """A credit token of the bench."""
    return UnitsCredit(kind=CreditKind.ELECTRICITY, tid=tid, rnd=tid & 15, amount_tenths=1234)


def _encode(key: DecoderKey) -> None:
    for tid in range(TOKENS):
        encode(token(tid), key)


def _decode(made: list[str], key: DecoderKey) -> None:
    for digits in made:
        decode(digits, key)


def _vends() -> Iterator[Figure]:
    """One vend each for many meters: check the PAN, derive the key, prepare the cipher, make the token.

    The goal holds for processor time; the wall time beside it also shows the neighbours' load.
    """
    for ea in Ea:
        key = vending_key()
        for clock, name, goal in ((time.process_time_ns, "cpu", 1.0), (time.perf_counter_ns, "wall", None)):
            waits = []
            for pan in meter_pans(VENDS):
                start = clock()
                encode(token(5_000_000), key.decoder_key(meter_pan=pan, ti="01", ea=ea))
                waits.append((clock() - start) / 1_000_000)
            p99 = statistics.quantiles(waits, n=100)[98]
            met = None if goal is None else p99 < goal
            yield Figure(name=f"sts_vend_p99_ea{ea}_{name}", value=p99, unit="ms", goal=goal, met=met)


def _campaign_rate(pans: list[str], dkga: Dkga, ea: Ea, compiled: bool) -> float:
    campaign = KeyChangeCampaign(
        old=vending_key(dkga), new=vending_key(dkga, krn=2), ea=ea, rollover=True, use_compiled=compiled
    )
    rows = [KeyChangeRow(pan, "01", "01") for pan in pans]
    return per_cpu_second(lambda: _drain(campaign.stream(rows)), len(rows))


def _credit_rate(pans: list[str], compiled: bool) -> float:
    batch = CreditBatch(key=vending_key(), ea=Ea.STA, use_compiled=compiled)
    rows = [CreditRow(pan, "01", at, 5, 1000) for at, pan in enumerate(pans)]
    return per_cpu_second(lambda: _drain(batch.stream(rows)), len(rows))


def _drain(chunks: Iterator[object]) -> None:
    for _ in chunks:
        pass


def run(out: IO[str]) -> int:
    """One JSON object per figure; 1 when a goal is missed."""
    missed = False
    for figure in figures():
        missed |= figure.met is False
        out.write(json.dumps({**asdict(figure), "value": float(f"{figure.value:.4g}")}) + "\n")
        out.flush()
    return int(missed)


if __name__ == "__main__":
    sys.exit(run(sys.stdout))
