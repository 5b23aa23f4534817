"""The site file of the simulator: the same places, as meters behind serial servers."""

import json
import socket
from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from prewatt.core.meters.wallet import PRICES, price_steps
from prewatt.field.simulator import FORMAT
from prewatt.wiring.demo.past import OPENING_COUNT, Past, prices
from prewatt.wiring.demo.places import LINES, Aim, Place

# Below the range from which systems lend ports to outgoing connections, so that a restart finds them free again
PORTS_FROM, PORTS_TO = 15_000, 31_000
HOST: Final = "127.0.0.1"
BAUD: Final = 9600
_TRIES: Final = 200


class NoPorts(Exception):
    """No run of free ports was found for the simulated serial servers."""


def free_ports(home: Path, count: int, taken: Collection[int] = ()) -> list[int]:
    """A run of free ports without the `taken` ones, begun at a place of its own for each home. Raises NoPorts."""
    seed = int.from_bytes(blake2b(str(home.absolute()).encode(), digest_size=4).digest())
    blocks = (PORTS_TO - PORTS_FROM) // count
    for number in range(_TRIES):
        first = PORTS_FROM + (seed + number) % blocks * count
        run = list(range(first, first + count))
        if not set(run) & set(taken) and all(_is_free(port) for port in run):
            return run
    raise NoPorts(f"{count} ports between {PORTS_FROM} and {PORTS_TO}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def write_site(
    path: Path, places: Sequence[Place], pasts: Mapping[str, Past], ports: Mapping[str, int],
    keypads: Sequence[Mapping[str, Any]],
) -> None:  # fmt: skip
    """Write the file that `prewatt simulate` plays; `ports` by line key, `pasts` by meter number, `keypads` as they
    stand in it."""
    lines = [
        {
            "id": line.key, "name": f"{line.gateway_name} {line.code}", "gateway": line.gateway,
            "transport": line.transport, "host": HOST, "port": ports[line.key], "baud": BAUD,
            **({"dialing": {"caller": "acrel-4g", "identity": line.identity}} if line.identity else {}),
        }
        for line in LINES
    ]  # fmt: skip
    site = {
        "format": FORMAT,
        "name": "锦湖广场",
        "timezone": "Asia/Shanghai",
        "lines": lines,
        "meters": [_meter(place, pasts[place.number]) for place in places],
        "keypads": list(keypads),
    }
    work = path.with_suffix(".new")
    work.write_text(json.dumps(site, ensure_ascii=False, indent=1), encoding="utf-8")
    work.replace(path)


def _meter(place: Place, past: Past) -> dict[str, Any]:
    opening: dict[str, Any] = {"energy_wh": past.energy_wh[-1]}
    settings: dict[str, Any] = {}
    if place.aim is not Aim.COMMON and not place.held:
        before_wh = OPENING_COUNT * 100_000 if place.aim is not Aim.NOT_OPENED else 0
        opening |= {
            "balance_wh": past.balance_wh[-1], "purchase_count": past.counts[-1],
            "purchased_total_wh": before_wh + past.purchased_wh,
        }  # fmt: skip
        if past.purchases:
            opening["last_order"] = {"kind": "purchase", "amount_wh": past.purchases[-1].credit_wh}
        settings = {
            "alarm_level_1_wh": place.alarm_1, "alarm_level_2_wh": place.alarm_2,
            "overdraft_limit_wh": place.overdraft, "hoarding_limit_wh": place.hoarding,
            "load_limit_w": place.load_limit_w, "warning_trip": place.warning_trip,
        }  # fmt: skip
        if place.money:
            settings |= {each.value: price_steps(prices(place.plan)[1]) for each in PRICES}
        if place.aim is Aim.NOT_OPENED:
            settings = {}
    return {
        "number": place.number, "profile": place.profile, "unit": place.unit, "line": place.line,
        "ct_ratio": place.ct_ratio, "silent": place.aim is Aim.OFFLINE,
        "circuits": [
            {
                "index": 1,
                "opening": opening,
                "settings": settings,
                "load": {
                    "kind": "none" if place.aim is Aim.NOT_OPENED else place.load.value,
                    "annual_kwh": place.annual_kwh, "peak_w": place.peak_w, "seed": place.seed,
                },
                "relay": {
                    "force": "keep_on" if place.keep_on else "trip" if place.held and place.dark_h else "automatic",
                    "hand_opened": place.hand_opened, "warning_tripped": place.warning_tripped,
                },
            }
        ],
    }  # fmt: skip
