"""Permitted close (允许合闸): the command opens the way, the tenant's key closes, and nobody gives it twice."""

from importlib.resources import files
from pathlib import Path

from prewatt.core.meters.drivers import MeterAddress
from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.profile import load
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.field.simulator.store import Store
from prewatt.field.simulator.world import World
from tests.field.simulator.plant import NOON_MS, line, meter, site
from tests.field.simulator.test_driver import Master

CODE, NUMBER = "ningju-ddzy1218", "202500000007"
TEXT = (files("prewatt.core.meters") / "profiles" / f"{CODE}.toml").read_text(encoding="utf-8")
DDZY = load(TEXT)


AT_THE_KEY = MeterAddress(unit=7, number=NUMBER, closes_by_key=True)  # what the site wants


def relay(wanted: Wish) -> Job:
    return Job(intent=Intent.RELAY, wish=wanted)


def test_the_relay_stays_open_until_the_tenant_holds_the_key(tmp_path: Path) -> None:
    parts = meter(7, profile=CODE, load={"kind": "constant", "peak_w": 1_000})
    a_site = site(parts, lines=[line(baud=9_600, turnaround_ms=40, gateway_ms=5)])
    a_world = World(a_site, Store(tmp_path), now_ms=NOON_MS, profiles={CODE: DDZY})
    one = a_world.meters[NUMBER]
    asking = Master(a_world.lines["a"], "rtu", profile=DDZY, address=AT_THE_KEY)
    assert asking.do(relay(Wish.TRIP)).values[Quantity.RELAY] == 0
    for _ in range(2):  # asked again it only looks: the wait for the key is not begun anew
        outcome = asking.do(relay(Wish.AUTOMATIC))
        assert (outcome.verdict, outcome.code, outcome.values[Quantity.RELAY]) == (Verdict.DONE, "await_key", 0)
        assert DDZY.bits(outcome.values[Quantity.STATUS]) == {StatusBit.AWAIT_KEY, StatusBit.KEPT_ON}
    assert not outcome.sent
    one.circuits[1].press_key()
    outcome = asking.do(relay(Wish.AUTOMATIC))
    assert (outcome.verdict, outcome.code, outcome.values[Quantity.RELAY]) == (Verdict.DONE, None, 1)
