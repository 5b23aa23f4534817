"""A small site for tests: how to say what a test needs in one line."""

import socket
from pathlib import Path
from typing import Any

from prewatt.core.meters.catalogue import catalogue
from prewatt.core.meters.jobs import Order, OrderKind
from prewatt.core.meters.registers import order_write
from prewatt.core.wire.modbus import Function, Reply, WriteMultiple, decode_rtu_reply, encode_rtu_request
from prewatt.field.simulator.site import Site, site_from
from prewatt.field.simulator.store import Store
from prewatt.field.simulator.world import World

NOON_MS = 1_772_424_000_000  # 2026-03-02 12:00 in Shanghai
HOUR_MS = 3_600_000
NUMBER = "202500000001"
SPM = catalogue()["pilot-spm9511"]
MONEY = catalogue()["acrel-dtsy1352-nk-purse"]
ACREL = catalogue()["acrel-ddsy1352"]


def meter(unit: int = 1, *, line: str = "a", profile: str = "pilot-spm9511", **circuit: Any) -> dict[str, Any]:
    """One meter with one circuit; its number ends in its unit."""
    parts = {"opening": {}, "settings": {}, "load": {}, "relay": {}, **circuit}
    number = f"20250000{unit:04d}"
    return {"number": number, "profile": profile, "unit": unit, "line": line, "circuits": [{"index": 1, **parts}]}


def line(line_id: str = "a", **changes: Any) -> dict[str, Any]:
    """A fast line on any free port."""
    return {
        "id": line_id, "name": line_id, "gateway": "GW", "transport": "rtu-over-tcp", "host": "127.0.0.1", "port": 0,
        "baud": 115_200, "turnaround_ms": 2, "gateway_ms": 1, **changes,
    }  # fmt: skip


def site_dict(
    *meters: dict[str, Any], lines: list[dict[str, Any]] | None = None, keypads: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A site file's content."""
    return {
        "format": "prewatt-site-1", "name": "test", "timezone": "Asia/Shanghai",
        "lines": lines or [line()], "meters": list(meters) or [meter()], **({"keypads": keypads} if keypads else {}),
    }  # fmt: skip


def site(*meters: dict[str, Any], **more: Any) -> Site:
    return site_from(site_dict(*meters, **more))


def world(directory: Path, *meters: dict[str, Any], at_ms: int = NOON_MS, **more: Any) -> World:
    """A world with its memory in `directory`; the same directory again is a restart."""
    return World(site(*meters, **more), Store(directory), now_ms=at_ms)


def stop(a_world: World) -> None:
    """Let go of the memory without writing anything more, as a kill does."""
    a_world._store.close()


def order_frame(count: int, amount_wh: int, kind: OrderKind = OrderKind.PURCHASE, *, unit: int = 1) -> bytes:
    """The RTU request that carries an order to an SPM9511."""
    address, data = order_write(SPM, Order(count=count, kind=kind, amount=amount_wh), 1)
    write = WriteMultiple(function=Function.WRITE_REGISTERS, address=address, count=len(data) // 2, data=data)
    return encode_rtu_request(unit, write)


def replies(found: list[tuple[int, bytes]]) -> list[Reply]:
    """The good replies among what a line answered."""
    return [decode_rtu_reply(data)[1] for _, data in found]


def circuit_of(a_world: World, at_ms: int, number: str = NUMBER) -> dict[str, Any]:
    """Circuit 1 of a meter as GET /meters shows it."""
    for each in a_world.describe(at_ms, {}):
        if each["number"] == number:
            circuits: Any = each["circuits"]
            found: dict[str, Any] = circuits[0]
            return found
    raise AssertionError(number)


def assert_books(circuit: dict[str, Any]) -> None:
    """The invariant of a circuit, and its counts distinct and without a gap."""
    accepted = circuit["accepted"]
    assert circuit["opening"] + sum(order["amount"] for order in accepted) == circuit["balance"] + circuit["consumed"]
    counts = [order["count"] for order in accepted]
    assert counts == list(range(circuit["purchase_count"] - len(counts) + 1, circuit["purchase_count"] + 1))


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
