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
from prewatt.office.estate.models import (
    Circuit,
    Contract,
    Customer,
    Gateway,
    Line,
    Meter,
    PlanVersion,
    Room,
    Site,
    SupplyPoint,
)
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.sheets import reading, taking_over
from prewatt.office.sheets.shape import SHEETS, Content, Effect, Result
from prewatt.office.sheets.template import EXAMPLES, template_xlsx
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.models import AuditRow, Role
from prewatt.office.vending import shifts
from prewatt.office.vending.models import Opening
from prewatt.office.vending.openings import new_contract

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
    assert line is not None
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
    ("gateways", 0, {"baud": "9000"}, "baud_unknown"),
    ("gateways", 0, {"medium": "smoke"}, "medium_unknown"),
    ("gateways", 0, {"key": "0123456789abcdef"}, "gateway_secret_malformed"),
    ("gateways", 0, {"transport": "acrel-gateway", "host": "ANET-1", "port": 2}, "cell_needed"),
    ("gateways", 0, {"transport": "acrel-gateway", "host": "ANET-1", "port": 2, "key": "short"},
     "gateway_secret_malformed"),
    ("gateways", 0, {"transport": "acrel-gateway", "host": "ANET-1", "port": 100, "key": "0123456789abcdef"},
     "whole_number_needed"),
    ("gateways", 0, {"transport": "serial-8e1"}, "serial_port_malformed"),
    ("gateways", 0, {"host": "/dev/ttyUSB0"}, "host_malformed"),
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
    ("supply_points", 0, {"overdraft_minor": -1}, "whole_number_needed"),
    ("supply_points", 0, {"alarm_1_minor": -200}, "thresholds_order"),
    ("supply_points", 0, {"from": "2025-12-31"}, "plan_without_price"),
    ("supply_points", 0, {"circuit": 7}, "circuit_not_found"),
]


def test_a_meter_of_dlt645_behind_a_modbus_tcp_gateway_is_named(site: Site, tmp_path: Path) -> None:
    content = estate()
    content["gateways"][0] |= {"transport": "modbus-tcp"}
    content["meters"][0] |= {"profile": "ningju-ddzy1218"}

    first, *_ = taken(site, folder(tmp_path, content)).refusals

    assert (first.sheet, first.row, first.code) == ("meters", 2, "meter_needs_transparent_line")
    assert not Meter.objects.exists()
    content["gateways"][0] |= {"transport": "rtu-over-tcp"}
    assert taken(site, workbook(content)).refusals == ()


def test_a_gateway_that_dials_in_has_its_name_where_others_have_their_host(site: Site, tmp_path: Path) -> None:
    content = estate()
    content["gateways"][0] |= {"transport": "dial-in", "host": "GATE-7", "port": 0}
    assert taken(site, workbook(content)).refusals == ()
    line = Line.objects.select_related("gateway").get()
    assert (line.transport, line.port, line.gateway.host, line.gateway.identity) == ("dial-in", 0, "", "GATE-7")
    assert not any(taken(site, workbook(content)).created.values()), "the same again changes nothing"
    second = {"code": "G2", "name": "", "transport": "dial-in", "host": "GATE-7", "port": 0}
    content["gateways"].append(second)
    (wrong,) = taken(site, folder(tmp_path, content)).refusals
    assert (wrong.sheet, wrong.row, wrong.code) == ("gateways", 3, "identity_taken")


@pytest.mark.parametrize("transport", ["rtu-over-udp", "rtu-over-tls", "modbus-tls", "serial-8n1", "serial-8e1"])
def test_a_link_of_every_kind_is_taken_over_with_its_speed(site: Site, transport: str) -> None:
    content = estate()
    serial = transport.startswith("serial")
    told = {"host": "/dev/ttyUSB0", "port": 0} if serial else {"host": "10.0.0.9", "port": 4001}
    content["gateways"][0] |= {"transport": transport, **told, "baud": 4800}
    assert taken(site, workbook(content)).refusals == ()
    line = Line.objects.select_related("gateway").get()
    assert (line.transport, line.gateway.host, line.port, line.baud) == (transport, told["host"], told["port"], 4800)
    content["gateways"][0]["baud"] = ""
    assert not any(taken(site, workbook(content)).created.values()), "not said: it stays as it is"
    content["gateways"][0]["baud"] = 2400
    (wrong,) = taken(site, workbook(content)).refusals
    assert (wrong.code, wrong.params["columns"]) == ("exists_with_other_values", "baud")


def test_a_meter_is_refused_where_its_bus_has_a_speed_that_the_model_has_not(site: Site) -> None:
    content = estate()
    content["gateways"][0]["baud"] = 19200
    (wrong,) = taken(site, workbook(content)).refusals
    assert (wrong.sheet, wrong.row, wrong.code) == ("meters", 3, "baud_not_of_model")
    assert "2400, 4800, 9600" in wrong.message(CHINESE)
    assert not Meter.objects.exists()


def test_an_acrel_gateway_is_taken_over_with_a_key_that_is_never_said_again(site: Site) -> None:
    key, other = "k9-Zz.0123456789", "k9-Zz.0123456780"
    content = estate()
    told = {"transport": "acrel-gateway", "host": "ANET-7", "port": 2, "baud": "", "station": "", "medium": "radio"}
    content["gateways"][0] |= {**told, "key": key}
    would = taking_over.check(workbook(content), site=site, at=AT)
    assert would.effects["gateways"] == ((2, Effect.CREATED),) and not Gateway.objects.exists()
    assert taken(site, workbook(content)).refusals == ()
    line = Line.objects.select_related("gateway").get()
    assert (line.transport, line.port, line.medium, line.gateway.identity) == ("acrel-gateway", 2, "radio", "ANET-7")
    assert (line.gateway.secret, line.gateway.sealed) == (key, True)
    assert not any(taken(site, workbook(content)).created.values()), "the same again changes nothing"
    content["gateways"][0] |= {"key": "", "medium": ""}
    assert taken(site, workbook(content)).refusals == (), "not said: both stay"
    content["gateways"][0] |= {"key": other, "medium": ""}
    (wrong,) = taken(site, workbook(content)).refusals
    assert (wrong.code, wrong.params["columns"]) == ("exists_with_other_values", "key")
    content["gateways"][0]["key"] = other + " "
    content["gateways"].append({**content["gateways"][0], "code": "G2", "key": "too short a key"})
    said = [*taken(site, workbook(content)).refusals, wrong]
    assert {each.code for each in said} == {"exists_with_other_values", "gateway_secret_malformed"}
    spoken = "".join(map(str, said)) + "".join(each.message(lang) for each in said for lang in (CHINESE, ENGLISH))
    spoken += "".join(f"{each.before}{each.after}" for each in AuditRow.objects.all())
    assert not any(secret in spoken for secret in (key, other, "too short a key"))


def test_every_model_with_a_wire_is_taken_over(site: Site) -> None:
    models = [code for code, profile in all_profiles().items() if profile.wired and "@" not in code]
    meters = [
        {"number": f"{place:012}", "profile": code, "gateway": "G1", "unit": place, "ratio": 1}
        for place, code in enumerate(models, 1)
    ]
    found = taken(site, workbook({"gateways": estate()["gateways"], "meters": meters}))
    assert found.refusals == () and found.created["meters"] == len(models) == Meter.objects.count()


def test_gateways_stand_at_stations(site: Site) -> None:
    content = {"stations": [{"code": "S1", "name": "Cabinet", "place": "B1", "equipment": ""}], **estate()}
    content["gateways"][0]["station"] = "S1"
    found = taken(site, workbook(content))
    assert found.refusals == () and found.created == counts(content)
    gateway = Gateway.objects.select_related("station").get()
    assert gateway.station is not None and (gateway.station.name, gateway.station.place) == ("Cabinet", "B1")
    assert not any(taken(site, workbook(content)).created.values()), "the same again changes nothing"
    content["gateways"][0]["station"] = ""
    assert taken(site, workbook(content)).refusals == (), "not said: it stays where it stands"
    content["stations"].append({"code": "S2", "name": "Other", "place": "", "equipment": ""})
    content["gateways"][0]["station"] = "S2"
    [said] = taken(site, workbook(content)).refusals
    assert (said.code, said.params["columns"]) == ("exists_with_other_values", "station")
    content["gateways"].append({**content["gateways"][0], "code": "G2", "station": "S9"})
    assert taken(site, workbook(content)).refusals[-1].code == "station_not_found"
    content["stations"][0]["name"] = "Cellar"
    assert taken(site, workbook(content)).refusals[0].sheet == "stations"


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


def test_all_wrong_rows_are_named_at_once_in_the_order_of_the_sheets(site: Site) -> None:
    content = estate()
    content["supply_points"][1]["custody"] = "both"
    content["rooms"][0]["floor"] = "ground"
    content["customers"][0] |= {"id": "", "name": ""}

    found = taken(site, workbook(content))

    assert [(each.sheet, each.row, each.code) for each in found.refusals] == [
        ("rooms", 2, "whole_number_needed"), ("customers", 2, "cell_needed"), ("customers", 2, "cell_needed"),
        ("contracts", 2, "customer_not_found"), ("supply_points", 3, "custody_unknown"),
    ]  # fmt: skip


STRUCTURE: list[tuple[str, str, tuple[str, int, str]]] = [
    ("buildings", "code;name\nA;East\n", ("", 0, "")),
    ("buildings", "\ufeffcode,name\n\n A , East \n,\n", ("", 0, "")),
    ("buildings", "code\nA\n", ("buildings", 1, "column_missing")),
    ("buildings", "code,name,colour\nA,East,red\n", ("buildings", 1, "column_unknown")),
    ("buildings", "code,name,name\nA,East,West\n", ("buildings", 1, "column_twice")),
    ("buildings", "code,name\nA,East,more\n", ("buildings", 2, "row_too_long")),
    ("buildings", "code,name\nA,\"East\n", ("buildings", 1, "file_unreadable")),
    ("houses", "code,name\nA,East\n", ("houses", 1, "sheet_unknown")),
]


@pytest.mark.parametrize(("name", "text", "says"), STRUCTURE)
def test_a_file_is_read_as_it_was_meant_or_refused(
    site: Site, tmp_path: Path, name: str, text: str, says: tuple[str, int, str]
) -> None:
    (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    found = taking_over.check(reading.read_path(tmp_path), site=site, at=AT)

    told = [(each.sheet, each.row, each.code) for each in found.refusals]
    assert told == ([says] if says[2] else []), [each.message(ENGLISH) for each in found.refusals]
    if not says[2]:
        assert found.created == {"buildings": 1}


def test_what_is_no_spreadsheet_is_refused_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "estate.xlsx").write_bytes(b"PK no")
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin").mkdir()
    (tmp_path / "latin" / "rooms.csv").write_bytes("building,floor,code,name\nA,1,1,Bäcker\n".encode("latin-1"))
    for path, code in (("estate.xlsx", "file_unreadable"), ("none", "file_missing"), ("empty", "file_empty")):
        with pytest.raises(Refused) as refused:
            reading.read_path(tmp_path / path)
        assert refused.value.code == code
    [said] = reading.read_path(tmp_path / "latin").refusals
    assert (said.sheet, said.code) == ("rooms", "sheet_not_utf8")


def test_numbers_and_dates_of_a_spreadsheet_are_taken_as_they_look() -> None:
    out = io.BytesIO()
    book: Any = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet("Plans ")
    for place, column in enumerate(SHEETS["plans"]):
        sheet.write(2, place, column)  # a header that is not in the first row is not found
    sheet = book.add_worksheet("contracts")
    sheet.write_row(0, 0, ["number", "customer", "opened_on", ""])
    sheet.write_row(3, 0, [30010001, 7.0])
    sheet.write_datetime(3, 2, datetime(2026, 1, 2), book.add_format({"num_format": "d.m.yy"}))
    sheet = book.add_worksheet("meters")
    sheet.write_row(0, 0, SHEETS["meters"])
    sheet.write_row(1, 0, [1234567890123456789, "x", "=G1", True, 1.5])
    book.add_worksheet("Sheet1")
    book.add_worksheet("_notes").write(0, 0, "anything")
    book.close()

    found = reading.read_workbook(out.getvalue(), name="x")

    assert {(each.sheet, each.row, each.code) for each in found.refusals} == {
        ("plans", 1, "column_missing"), ("meters", 2, "cell_needs_text")
    }  # fmt: skip
    [row] = found.rows["contracts"]
    assert row.number == 4 and row.cells == {"number": "30010001", "customer": "7", "opened_on": "2026-01-02"}
    assert not found.rows["meters"][0].sound


STANDS: list[tuple[str, int, dict[str, object], str]] = [
    ("buildings", 0, {"name": "Old"}, "name"),
    ("rooms", 0, {"floor": 2}, "floor"),
    ("gateways", 0, {"port": 4002, "host": "10.0.0.8"}, "host, port"),
    ("meters", 0, {"ratio": 40}, "ratio"),
    ("circuits", 0, {"never_cut": 1}, "never_cut"),
    ("plans", 0, {"price": "0.8"}, "price"),
    ("customers", 0, {"class": "office"}, "class"),
    ("contracts", 0, {"opened_on": "2026-01-02"}, "opened_on"),
    ("supply_points", 0, {"overdraft_minor": 501, "from": "2026-11-24"}, "overdraft_minor, from"),
    ("supply_points", 1, {"alarm_1_minor": 9000}, "alarm_1_minor"),
]


@pytest.mark.django_db
def test_what_stands_is_never_changed(site: Site) -> None:
    taken(site, workbook(estate()))
    for sheet, place, change, columns in STANDS:
        content = estate()
        content[sheet][place] |= change
        [said] = taken(site, workbook(content)).refusals
        assert (said.sheet, said.row, said.code) == (sheet, place + 2, "exists_with_other_values")
        assert said.params["columns"] == columns
    late = estate()
    late["plans"].append({"code": "P", "name": "Shops", "price": "2", "valid_from": "2026-11-01"})
    assert [each.code for each in taken(site, workbook(late)).refusals] == ["plan_version_past"]
    late["plans"][-1]["valid_from"] = "2026-12-01"
    assert taken(site, workbook(late)).created["plans"] == 1


def test_a_later_file_adds_to_what_stands_and_may_leave_sheets_out(site: Site) -> None:
    taken(site, workbook(estate()))
    more = {
        "meters": [{"number": "000000000013", "profile": "acrel-ddsy1352", "gateway": "G1", "unit": 3, "ratio": 1}],
        "supply_points": [{**estate()["supply_points"][0], "meter": "000000000013"}],
    }

    assert taken(site, workbook(more)).created == {"meters": 1, "supply_points": 1}
    shared = set(SupplyPoint.objects.filter(custody="server").values_list("credit_account_id", flat=True))
    assert len(shared) == 1, "one balance for the server-held circuits of a contract"


def test_the_template_is_taken_as_it_is(site: Site) -> None:
    found = taken(site, reading.read_workbook(template_xlsx(), name="template.xlsx"))
    assert found.refusals == () and found.created == {name: len(rows) for name, rows in EXAMPLES.items()}


def test_only_an_administrator_takes_an_estate_over(site: Site) -> None:
    actor = Actor(key="operator:1", name="Bob", role=Role.MANAGER, operator_id=1)
    with pytest.raises(Refused) as refused:
        taking_over.run(workbook(estate()), site=site, actor=actor, at=AT)
    assert refused.value.code == "not_permitted" and not Room.objects.exists()


def test_a_number_that_other_books_gave_out_is_not_given_again(site: Site) -> None:
    content = estate()
    first = new_contract(site, Customer.objects.create(company=site.company, name="Li")).number
    for row in (content["contracts"][0], content["supply_points"][0]):
        row["number" if "number" in row else "contract"] = str(int(first) + 1)
    assert taken(site, workbook(content)).refusals == ()

    assert new_contract(site, Customer.objects.create(company=site.company, name="Wu")).number == str(int(first) + 2)
