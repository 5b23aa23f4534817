"""Gateways with several lines in the sheets of a take-over, and what is installed written out and taken over again."""

from typing import Any

import pytest

from prewatt.core.refusals import CHINESE, ENGLISH
from prewatt.office.estate import places
from prewatt.office.estate.models import Gateway, Line, Meter, Room, Site
from prewatt.office.sheets import reading
from prewatt.office.sheets.installed import installed
from prewatt.office.sheets.shape import SHEETS
from prewatt.office.sheets.template import installed_xlsx
from tests.office.sheets.test_taking_over import AT, WHO, estate, site, taken, workbook

__all__ = ["site"]
pytestmark = pytest.mark.django_db
KEY = "k9-Zz.0123456789"


def server(**second: Any) -> dict[str, Any]:
    """A serial server with two ports and a meter of unit 1 on each; `second` is said of its second row."""
    one = {"code": "G1", "name": "Cellar", "transport": "rtu-over-tcp", "host": "10.0.0.9", "port": 4001, "baud": 9600,
           "station": "", "medium": "", "key": "", "line": "1"}  # fmt: skip
    two = {**one, "name": "", "port": 4002, "baud": 2400, "line": "2", **second}
    meter = {"number": "000000000011", "profile": "acrel-ddsy1352", "gateway": "G1", "unit": 1, "ratio": 1, "line": "1"}
    other = {**meter, "number": "000000000012", "profile": "ningju-ddzy1218", "line": "2"}
    return {"gateways": [one, two], "meters": [meter, other]}


def acrel(**second: Any) -> dict[str, Any]:
    """An Acrel gateway with two serial ports."""
    found = server(port=2, **second)
    for row in found["gateways"]:
        row |= {"transport": "acrel-gateway", "host": "ANET-7"}
    found["gateways"][0] |= {"port": 1, "key": KEY}
    return found


def codes(site: Site, content: dict[str, Any]) -> list[tuple[str, int, str]]:
    found = taken(site, workbook(content)).refusals
    said = [each.message(lang) for each in found for lang in (CHINESE, ENGLISH)]
    assert len(set(said)) == 2 * len(found) and not any("{" in each or KEY in each for each in said), said
    return [(each.sheet, each.row, each.code) for each in found]


def test_a_serial_server_brings_all_its_ports_and_a_meter_of_unit_1_on_each(site: Site) -> None:
    found = taken(site, workbook(server()))
    assert found.refusals == () and found.created == {"gateways": 2, "meters": 2}
    gateway = Gateway.objects.get()
    assert (gateway.code, gateway.name, gateway.host) == ("G1", "Cellar", "10.0.0.9")
    lines = Line.objects.order_by("pk").values_list("code", "port", "baud")
    assert list(lines) == [("1", 4001, 9600), ("2", 4002, 2400)]
    where = Meter.objects.order_by("number").values_list("line__code", "unit")
    assert list(where) == [("1", 1), ("2", 1)], "each bus has its own addresses"
    assert not any(taken(site, workbook(server())).created.values()), "the same again changes nothing"


def test_serial_ports_of_an_acrel_gateway_share_the_key_of_the_first_row(site: Site) -> None:
    assert codes(site, acrel()) == []
    assert Gateway.objects.get().secret == KEY
    assert list(Line.objects.order_by("pk").values_list("port", flat=True)) == [1, 2]
    assert not any(taken(site, workbook(acrel())).created.values())
    assert codes(site, acrel(key="another-16-chars")) == [("gateways", 3, "exists_with_other_values")]


def test_a_line_is_added_to_a_gateway_that_stands(site: Site) -> None:
    taken(site, workbook(estate()))
    more = server(name="")
    more["gateways"], more["meters"] = more["gateways"][1:], more["meters"][1:]
    more["meters"][0]["number"] = "000000000013"
    found = taken(site, workbook(more))
    assert found.refusals == () and found.created == {"gateways": 1, "meters": 1}
    assert Gateway.objects.count() == 1 and Meter.objects.get(number="000000000013").line == Line.objects.get(code="2")
    sheet = estate()
    assert not any(taken(site, workbook(sheet)).created.values()), "a sheet of before, without lines, means the first"
    sheet["meters"].append({**sheet["meters"][0], "number": "000000000014", "unit": 9})
    assert codes(site, sheet) == [("meters", 4, "gateway_with_lines")]


@pytest.mark.parametrize(
    ("second", "code"),
    [
        ({"port": 4001}, "line_port_taken"),
        ({"line": "1"}, "row_twice"),
        ({"line": ""}, "row_twice"),  # the one that a row without a line makes
        ({"line": "1234567890abcdefg"}, "cell_too_long"),
        ({"host": "10.0.0.8"}, "gateway_rows_differ"),
        ({"name": "Attic"}, "gateway_rows_differ"),
        ({"station": "S9"}, "station_not_found"),
        ({"transport": "acrel-gateway", "host": "ANET-7", "port": 1, "key": KEY}, "gateway_rows_differ"),
        ({"transport": "dial-in", "host": "GATE-7"}, "gateway_rows_differ"),
    ],
)
def test_rows_of_one_gateway_that_do_not_go_together_are_refused(
    site: Site, second: dict[str, Any], code: str
) -> None:
    content = server(**second)
    unmade = [("meters", 3, "line_not_found")] if code == "row_twice" else []  # else the line was meant
    assert codes(site, content) == [("gateways", 3, code), *unmade]
    assert not Gateway.objects.exists() and not Meter.objects.exists()


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"transport": "dial-in", "host": "GATE-7", "port": 0}, "dial_in_has_one_line"),
        ({"transport": "serial-8n1", "host": "/dev/ttyUSB0", "port": 0}, "serial_has_one_line"),
    ],
)
def test_what_has_one_bus_gets_no_second(site: Site, told: dict[str, Any], code: str) -> None:
    content = server()
    for row in content["gateways"]:
        row |= told
    assert codes(site, content) == [("gateways", 3, code)]


@pytest.mark.parametrize(
    ("meter", "code"),
    [
        ({"line": "3"}, "line_not_found"),
        ({"line": ""}, "gateway_with_lines"),
        ({"line": "1"}, "unit_taken"),
        ({"gateway": "", "unit": ""}, "cell_needed"),
        ({"gateway": "G9"}, "gateway_not_found"),
    ],
)
def test_a_meter_names_a_line_that_a_row_makes(site: Site, meter: dict[str, Any], code: str) -> None:
    content = server()
    content["meters"][1] |= meter
    assert codes(site, content)[0] == ("meters", 3, code)
    assert not Line.objects.exists()


def test_the_speed_of_its_own_line_counts_and_not_that_of_another(site: Site) -> None:
    content = server(baud=19200)
    content["meters"][1]["profile"] = "pilot-spm9511"
    assert codes(site, content) == [("meters", 3, "baud_not_of_model")]
    content["meters"][1]["line"], content["meters"][1]["unit"] = "1", 2
    assert codes(site, content) == []


def test_what_stands_is_changed_by_no_further_row(site: Site) -> None:
    taken(site, workbook(server()))
    third = {"line": "3", "port": 4003}
    for change, columns in (({"host": "10.0.0.8"}, "host"), ({"name": "Attic"}, "name")):
        content = server(**third, **change)
        del content["gateways"][0], content["meters"]
        [said] = taken(site, workbook(content)).refusals
        assert (said.code, said.params["columns"]) == ("exists_with_other_values", columns)
    content = server(**third)
    del content["meters"]
    content["gateways"][1]["port"] = 4002
    assert codes(site, content) == [("gateways", 3, "line_port_taken")]
    moved = server()
    moved["meters"][0]["line"] = "2"
    [said] = taken(site, workbook(moved)).refusals
    assert (said.code, said.params["columns"]) == ("exists_with_other_values", "line")


def test_what_is_installed_is_written_out_and_taken_over_again(site: Site) -> None:
    content = {**estate(), "stations": [{"code": "S1", "name": "Cabinet", "place": "B1", "equipment": ""}]}
    content["gateways"] = [*server(station="S1")["gateways"], {**acrel()["gateways"][0], "code": "G2"}]
    content["gateways"][0]["station"] = "S1"
    content["meters"] = [{**each, "line": "1"} for each in content["meters"]] + [
        {**server()["meters"][1], "number": "000000000015"},
        {"number": "000000000016", "profile": "sts-keypad", "gateway": "", "unit": "", "ratio": 1, "line": ""},
    ]
    content["sts"] = [{"meter": "000000000016", "pan": "01000000107", "sgc": "600123", "krn": 1, "ti": "01",
                       "base_date": 2014}]  # fmt: skip
    assert taken(site, workbook(content)).refusals == ()

    written = reading.read_workbook(installed_xlsx(site, ENGLISH), name="installed.xlsx")
    again = taken(site, written)
    assert again.refusals == () and not any(again.created.values()), [each.message(ENGLISH) for each in again.refusals]
    assert again.unchanged == {each: len(content.get(each, ())) for each in SHEETS} | {
        "plans": 0, "customers": 0, "contracts": 0, "supply_points": 0
    }  # fmt: skip
    assert KEY not in str(written), "a key is in no file of ours"

    other = places.add_site(site.company, code="M", name="Moved", timezone="Asia/Shanghai", actor=WHO, at=AT)
    tables = {sheet: [dict(zip(SHEETS[sheet], row, strict=True)) for row in rows]
              for sheet, rows in installed(site).items() if rows}  # fmt: skip
    places_only = {sheet: tables[sheet] for sheet in ("buildings", "rooms", "stations")}
    lines = [row for row in tables["gateways"] if row["code"] == "G1"]
    moved = taken(other, workbook({**places_only, "gateways": lines}))
    assert moved.refusals == () and Room.objects.filter(building__site=other).count() == len(tables["rooms"])
    assert Line.objects.filter(gateway__site=other).count() == 2
