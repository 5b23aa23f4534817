"""A file goes into a site whole, once, and never by half."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from prewatt.core.refusals import CHINESE, ENGLISH, Refused
from prewatt.office.estate import places
from prewatt.office.estate.models import Circuit, Contract, Customer, Meter, PlanVersion, Room, Site, SupplyPoint
from prewatt.office.sheets import reading, taking_over
from prewatt.office.sheets.shape import SHEETS, Content, Effect, Result
from prewatt.office.sheets.template import EXAMPLES, template_xlsx
from prewatt.office.staff.models import AuditRow
from prewatt.office.vending import shifts
from prewatt.office.vending.models import Opening

AT = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
WHO = "system:import"
Sheet = Sequence[Mapping[str, object]]


@pytest.fixture
def site(db: None) -> Site:
    company = places.add_company(name="Lakeside", currency="CNY", actor=WHO, at=AT)
    made = places.add_site(company, code="L", name="Lakeside", timezone="Asia/Shanghai", actor=WHO, at=AT)
    shifts.add_till(site_id=made.pk, code="K1", name="API", actor=None, at=AT, needs_shift=False)
    return made


def estate() -> dict[str, list[dict[str, Any]]]:
    """Two buildings with a room 101 each; a server-held circuit and a meter-held one under two contracts."""
    return {
        "buildings": [{"code": "A", "name": "East"}, {"code": "B", "name": "West"}],
        "rooms": [{"building": "A", "floor": 1, "code": "101", "name": "Bakery"},
                  {"building": "B", "floor": "B1", "code": "101", "name": ""}],
        "gateways": [{"code": "G1", "name": "", "transport": "rtu-over-tcp", "host": "10.0.0.9", "port": 4001}],
        "meters": [{"number": "000000000011", "profile": "acrel-ddsy1352", "gateway": "G1", "unit": 1, "ratio": 20},
                   {"number": "000000000012", "profile": "pilot-spm9511", "gateway": "G1", "unit": 2, "ratio": 1}],
        "circuits": [{"meter": "000000000011", "index": 1, "room": "A/101", "never_cut": 0},
                     {"meter": "000000000012", "index": 1, "room": "B/101", "never_cut": 1}],
        "plans": [{"code": "P", "name": "Shops", "price": "0.812500", "valid_from": "2026-01-01"},
                  {"code": "P", "name": "Shops", "price": "0.9", "valid_from": "2026-06-01"}],
        "customers": [{"id": "K1", "name": "李星野", "class": "", "phone": "139"},
                      {"id": "K2", "name": "Wang", "class": "shop", "phone": ""}],
        "contracts": [{"number": "C-1", "customer": "K1", "opened_on": "2026-01-01"},
                      {"number": "C-2", "customer": "K2", "opened_on": "2026-02-01"}],
        "supply_points": [
            {"contract": "C-1", "meter": "000000000011", "circuit": 1, "plan": "P", "custody": "server",
             "overdraft_minor": 500, "alarm_1_minor": 1000, "alarm_2_minor": -100, "from": "2026-11-23"},
            {"contract": "C-2", "meter": "000000000012", "circuit": 1, "plan": "P", "custody": "meter",
             "overdraft_minor": 0, "alarm_1_minor": 900, "alarm_2_minor": 90, "from": "2026-11-23"},
        ],
    }  # fmt: skip


def workbook(content: Mapping[str, Sheet]) -> Content:
    out = io.BytesIO()
    book: Any = xlsxwriter.Workbook(out, {"in_memory": True})
    for name, rows in content.items():
        sheet = book.add_worksheet(name)
        for number, row in enumerate([dict(zip(rows[0], rows[0], strict=True)), *rows]):
            for place, value in enumerate(row.values()):
                sheet.write(number, place, value)
    book.close()
    return reading.read_workbook(out.getvalue(), name="estate.xlsx")


def folder(directory: Path, content: Mapping[str, Sheet], *, encoding: str = "utf-8") -> Content:
    for name, rows in content.items():
        with (directory / f"{name}.csv").open("w", encoding=encoding, newline="") as out:
            to = csv.DictWriter(out, fieldnames=list(rows[0]))
            to.writeheader()
            to.writerows(rows)
    return reading.read_path(directory)


def taken(site: Site, content: Content) -> Result:
    return taking_over.run(content, site=site, actor=WHO, at=AT)


def counts(content: Mapping[str, Sheet]) -> dict[str, int]:
    return {name: len(rows) for name, rows in content.items()}


def test_everything_is_there_afterwards_as_it_was_written(site: Site, tmp_path: Path) -> None:
    found = taken(site, folder(tmp_path, estate()))

    assert found.refusals == () and found.created == counts(estate())
    assert set(Room.objects.values_list("building__code", "floor", "code")) == {("A", 1, "101"), ("B", -1, "101")}
    meter = Meter.objects.select_related("line__gateway").get(number="000000000011")
    assert (meter.profile, meter.unit, meter.ct_ratio) == ("acrel-ddsy1352", 1, 20)
    line = meter.line
    assert (line.transport, line.port, line.gateway.host) == ("rtu-over-tcp", 4001, "10.0.0.9")
    assert line.gateway.revision > 1, "the head-end is told"
    circuit = Circuit.objects.select_related("room__building").get(meter__number="000000000012")
    assert circuit.room is not None and circuit.room.building.code == "B" and circuit.never_cut
    midnight = datetime(2025, 12, 31, 16, tzinfo=UTC)  # of 1 January in Shanghai
    first = PlanVersion.objects.get(valid_from=midnight)
    assert (first.price, first.plan.versions.count()) == (Decimal("0.8125"), 2)
    contract = Contract.objects.get(number="C-1")
    assert (contract.customer.reference, contract.customer.initials, contract.opened_at) == ("K1", "lxy", midnight)


def test_the_custodies_wait_for_their_meters(site: Site) -> None:
    taken(site, workbook(estate()))

    held = SupplyPoint.objects.get(custody="server")
    assert (held.state, held.overdraft, held.alarm_1, held.alarm_2) == ("opening", 500, 1000, -100)
    assert held.valid_from == datetime(2026, 11, 22, 16, tzinfo=UTC)
    in_meter = SupplyPoint.objects.get(custody="meter")
    assert (in_meter.state, in_meter.credit_unit, in_meter.alarm_1, in_meter.alarm_2) == ("opening", "Wh", 10_000, 1000)
    assert Opening.objects.get(supply_point=in_meter).state == "reading", "the meter is asked who it is"


def test_the_same_file_again_changes_nothing(site: Site, tmp_path: Path) -> None:
    taken(site, folder(tmp_path, estate()))
    before, trail = list(Circuit.objects.values()), AuditRow.objects.count()

    again = taken(site, workbook(estate()))

    assert (again.refusals, again.unchanged) == ((), counts(estate())) and not any(again.created.values())
    assert (list(Circuit.objects.values()), AuditRow.objects.count()) == (before, trail)


def test_a_dry_run_says_what_would_be_and_writes_nothing(site: Site) -> None:
    would = taking_over.check(workbook(estate()), site=site, at=AT)

    assert would.created == counts(estate()) and not Room.objects.exists() and not Customer.objects.exists()
    assert would.effects["rooms"] == ((2, Effect.CREATED), (3, Effect.CREATED))


WRONG: list[tuple[str, int, dict[str, object], str]] = [
    ("buildings", 0, {"code": "A 1"}, "code_malformed"),
    ("buildings", 1, {"code": "A"}, "row_twice"),
    ("buildings", 0, {"name": ""}, "cell_needed"),
    ("buildings", 0, {"name": "x" * 65}, "cell_too_long"),
    ("buildings", 0, {"name": "a\x07b"}, "cell_unreadable"),
    ("rooms", 0, {"building": "Z"}, "building_not_found"),
    ("rooms", 0, {"floor": "ground"}, "whole_number_needed"),
    ("gateways", 0, {"transport": "serial"}, "transport_unknown"),
    ("gateways", 0, {"host": "10.0.0.256"}, "host_malformed"),
    ("gateways", 0, {"host": "a b"}, "host_malformed"),
    ("gateways", 0, {"port": 70000}, "whole_number_needed"),
    ("meters", 0, {"number": "12ab"}, "meter_number_malformed"),
    ("meters", 0, {"profile": "no-such"}, "meter_profile_unknown"),
    ("meters", 0, {"gateway": "G9"}, "gateway_not_found"),
    ("meters", 0, {"unit": 248}, "unit_out_of_range"),
    ("meters", 1, {"unit": 1}, "unit_taken"),
    ("meters", 0, {"ratio": "1.5"}, "whole_number_needed"),
    ("meters", 0, {"ratio": 0}, "ratio_out_of_range"),
    ("circuits", 0, {"meter": "000000000099"}, "meter_not_found"),
    ("circuits", 0, {"index": 2}, "circuit_not_found"),
    ("circuits", 0, {"index": 0}, "whole_number_needed"),
    ("circuits", 0, {"room": "101"}, "room_ambiguous"),
    ("circuits", 0, {"room": "A/999"}, "room_not_found"),
    ("circuits", 0, {"never_cut": "maybe"}, "yes_or_no_needed"),
    ("plans", 0, {"price": "free"}, "price_unreadable"),
    ("plans", 0, {"price": "0.1234567"}, "price_too_precise"),
    ("plans", 0, {"price": "-1"}, "price_out_of_range"),
    ("plans", 0, {"valid_from": "2026-02-30"}, "date_malformed"),
    ("plans", 1, {"name": "Offices"}, "exists_with_other_values"),
    ("customers", 0, {"name": ""}, "cell_needed"),
    ("customers", 1, {"id": "K1"}, "row_twice"),
    ("contracts", 0, {"customer": "K9"}, "customer_not_found"),
    ("contracts", 0, {"number": "C/1"}, "code_malformed"),
    ("contracts", 0, {"opened_on": "1.1.2026"}, "date_malformed"),
    ("supply_points", 0, {"contract": "C-9"}, "contract_not_found"),
    ("supply_points", 0, {"plan": "Q"}, "plan_not_found"),
    ("supply_points", 0, {"custody": "both"}, "custody_unknown"),
    ("supply_points", 0, {"custody": "meter", "alarm_2_minor": 0}, "custody_not_supported"),
    ("supply_points", 1, {"custody": "server"}, "server_custody_unsupported"),
    ("supply_points", 0, {"overdraft_minor": -1}, "whole_number_needed"),
    ("supply_points", 0, {"alarm_1_minor": -200}, "thresholds_order"),
    ("supply_points", 0, {"from": "2025-12-31"}, "plan_without_price"),
    ("supply_points", 0, {"circuit": 7}, "circuit_not_found"),
]


@pytest.mark.parametrize(("sheet", "place", "change", "code"), WRONG)
def test_one_wrong_row_is_named_alone_and_nothing_is_taken(
    site: Site, tmp_path: Path, sheet: str, place: int, change: dict[str, object], code: str
) -> None:
    content = estate()
    content[sheet][place] |= change

    found = taken(site, folder(tmp_path, content))

    first, *others = found.refusals
    assert (first.sheet, first.row, first.code) == (sheet, place + 2, code)
    assert all(each.code.endswith("_not_found") for each in others), "what refers to a key that is written otherwise"
    assert not any(found.created.values()) and not Room.objects.exists() and not Meter.objects.exists()
    texts = {found.refusals[0].message(lang) for lang in (CHINESE, ENGLISH)}
    assert len(texts) == 2 and not any("?" in text for text in texts), texts
