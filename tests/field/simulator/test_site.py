"""The site file is read strictly: every slip is refused with a code and a place."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters.jobs import OrderKind
from prewatt.field.simulator.fields import LoadKind, SiteError
from prewatt.field.simulator.site import Force, Transport, load_site, site_from
from tests.field.simulator.plant import line, meter, world

GOOD: dict[str, Any] = {
    "format": "prewatt-site-1",
    "name": "two meters",
    "timezone": "Asia/Shanghai",
    "lines": [
        {
            "id": "a-1", "name": "A-1", "gateway": "GW-A", "transport": "rtu-over-tcp",
            "host": "127.0.0.1", "port": 15021, "baud": 9600, "faults": {"seed": 3, "lose_reply": 0.2},
        }
    ],
    "meters": [
        {
            "number": "202500000001", "profile": "pilot-spm9511", "unit": 1, "line": "a-1",
            "circuits": [
                {
                    "index": 1,
                    "opening": {"balance_wh": -500, "purchase_count": 3, "purchased_total_wh": 300_000,
                                "energy_wh": 1_215_000, "last_order": {"kind": "purchase", "amount_wh": 100_000}},
                    "settings": {"alarm_level_1_wh": 20_000, "warning_trip": True},
                    "load": {"kind": "shop", "annual_kwh": 12_000, "peak_w": 9_000, "seed": 7},
                    "relay": {"force": "keep_on"},
                }
            ],
        },
        {"number": "202500000002", "profile": "acrel-ddsy1352", "unit": 2, "line": "a-1", "circuits": [{"index": 1}]},
    ],
}  # fmt: skip


def test_a_good_file_is_read_with_all_its_values(tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    site = load_site(path)
    assert site.timezone.key == "Asia/Shanghai"
    assert site.lines[0].transport is Transport.RTU_OVER_TCP
    assert (site.lines[0].faults.lose_reply, site.lines[0].turnaround_ms) == (0.2, 40)
    circuit = site.meters[0].circuits[0]
    assert circuit.opening.balance_wh == -500
    assert circuit.opening.last_order_kind is OrderKind.PURCHASE
    assert circuit.settings.warning_trip and not circuit.settings.warning_trip_1
    assert circuit.load.kind is LoadKind.SHOP
    assert circuit.relay.force is Force.KEEP_ON
    assert site.meters[1].circuits[0].load.kind is LoadKind.NONE


def change(*path: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def apply(site: dict[str, Any]) -> None:
        spot: Any = site
        for key in path[:-1]:
            spot = spot[key]
        spot[path[-1]] = to

    return apply


BAD = [
    (change("format", to="prewatt-site-9"), "unknown_format", "site.format"),
    (change("timezone", to="Mars/Olympus"), "unknown_timezone", "site.timezone"),
    (change("timezone", to="../etc/passwd"), "unknown_timezone", "site.timezone"),
    (change("colour", to="red"), "unknown_key", "site.colour"),
    (change("lines", to={}), "not_a_list", "site.lines"),
    (change("lines", 0, "transport", to="smoke"), "not_a_choice", "site.lines[0].transport"),
    (change("lines", 0, "port", to=True), "not_an_integer", "site.lines[0].port"),
    (change("lines", 0, "port", to=70_000), "not_an_integer", "site.lines[0].port"),
    (change("lines", 0, "faults", to={"lose_all": 1}), "unknown_key", "site.lines[0].faults.lose_all"),
    (change("lines", 0, "faults", to={"noise": 1.5}), "not_a_probability", "site.lines[0].faults.noise"),
    (change("meters", 0, "number", to="12345"), "not_a_name", "site.meters[0].number"),
    (change("meters", 0, "line", to="b-1"), "unknown_line", "site.meters[0].line"),
    (change("meters", 1, "number", to="202500000001"), "duplicate", "site.meters[1].number"),
    (change("meters", 1, "unit", to=1), "duplicate", "site.meters[1].unit"),
    (change("meters", 1, "unit", to=0), "not_an_integer", "site.meters[1].unit"),
    (change("meters", 1, "silent", to="yes"), "not_a_flag", "site.meters[1].silent"),
    (change("meters", 1, "circuits", to=[{"index": 2}]), "bad_circuits", "site.meters[1].circuits"),
    (change("meters", 0, "circuits", 0, "opening", "balance_wh", to=1.5), "not_an_integer",
     "site.meters[0].circuits[0].opening.balance_wh"),
    (change("meters", 0, "circuits", 0, "opening", "sharp_wh", to=2_000_000), "not_an_integer",
     "site.meters[0].circuits[0].opening.sharp_wh"),
    (change("meters", 0, "circuits", 0, "opening", to={"energy_wh": 9, "sharp_wh": 5, "peak_wh": 5}), "bad_rates",
     "site.meters[0].circuits[0].opening.energy_wh"),
    (change("meters", 0, "circuits", 0, "settings", "warning_trip", to=1), "not_a_flag",
     "site.meters[0].circuits[0].settings.warning_trip"),
    (change("meters", 0, "circuits", 0, "load", "kind", to="forge"), "not_a_choice",
     "site.meters[0].circuits[0].load.kind"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "code", "where"), BAD, ids=[f"{code} {where}" for _, code, where in BAD])
def test_a_slip_is_refused_with_its_place(spoil: Callable[[dict[str, Any]], None], code: str, where: str) -> None:
    site = copy.deepcopy(GOOD)
    spoil(site)
    with pytest.raises(SiteError) as refusal:
        site_from(site)
    assert (refusal.value.code, refusal.value.where) == (code, where)


@pytest.mark.parametrize(
    ("profile", "transport"), [("sts-keypad", "rtu-over-tcp"), ("ningju-ddzy1218", "modbus-tcp")]
)
def test_a_model_that_no_such_line_can_carry_is_refused(tmp_path: Path, profile: str, transport: str) -> None:
    with pytest.raises(SiteError) as refusal:
        world(tmp_path, meter(profile=profile), lines=[line(transport=transport)])
    assert (refusal.value.code, refusal.value.where) == ("bad_profile", "site.meters[0].profile")


def test_a_missing_key_is_named() -> None:
    site = copy.deepcopy(GOOD)
    del site["lines"][0]["transport"]
    with pytest.raises(SiteError) as refusal:
        site_from(site)
    assert (refusal.value.code, refusal.value.where) == ("missing", "site.lines[0].transport")


@pytest.mark.parametrize(("content", "code"), [(None, "unreadable"), ("{", "not_json"), ("[]", "not_an_object")])
def test_a_file_that_is_no_site_is_refused(tmp_path: Path, content: str | None, code: str) -> None:
    path = tmp_path / "site.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(SiteError) as refusal:
        load_site(path)
    assert refusal.value.code == code
