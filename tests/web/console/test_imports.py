"""The import page: checked first, taken over whole or not at all, and nothing changes the second time."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from prewatt.office.estate.models import Building, Company, Meter, Room, Site
from prewatt.office.sheets.template import template_xlsx
from prewatt.office.staff.models import AuditRow, Operator, Role, Scope
from tests.cast import OPENED, Cast, assemble

pytestmark = pytest.mark.django_db
PAGE = "/console/settings/import"
BUILDINGS = "code,name\nB,East House\n"
ROOMS = "building,floor,code,name\nB,1,B-101,Bakery\nB,1,B-102,\n"


@pytest.fixture
def cast() -> Cast:
    return assemble()


def administrator(name: str = "ada", **scope: int) -> Client:
    made: Operator = Operator.objects.create(
        username=name, name=name.title(), role=Role.ADMINISTRATOR, created_at=OPENED, password="!"
    )
    Scope.objects.create(operator=made, **scope)
    client = Client()
    client.force_login(made)
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture
def ada(cast: Cast) -> Client:
    return administrator(company_id=cast.company.pk)


def packed(**parts: str) -> bytes:
    """A .zip with one .csv for each sheet, in a folder as people pack them."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as made:
        for name, text in parts.items():
            made.writestr(f"site/{name}.csv", text)
        made.writestr("site/../../evil.csv", "x")
        made.writestr("readme.txt", "not a sheet")
    return body.getvalue()


def send(client: Client, data: bytes, what: str = "check", name: str = "site.zip") -> tuple[int, str]:
    answer = client.post(PAGE, {"what": what, "file": SimpleUploadedFile(name, data)})
    return answer.status_code, answer.content.decode()


def test_a_checked_file_writes_nothing_and_says_what_it_would_do(ada: Client) -> None:
    before = AuditRow.objects.count()
    status, page = send(ada, packed(buildings=BUILDINGS, rooms=ROOMS))
    assert status == 200 and 'data-test="import-checked"' in page and "3 rows would be taken over" in page
    assert not Building.objects.filter(code="B").exists() and AuditRow.objects.count() == before


def test_taken_over_and_the_second_time_nothing_changes(ada: Client) -> None:
    data = packed(buildings=BUILDINGS, rooms=ROOMS)
    status, page = send(ada, data, "apply")
    assert status == 200 and "Taken over: 3 rows" in page
    assert set(Room.objects.filter(building__code="B").values_list("code", flat=True)) == {"B-101", "B-102"}
    rows = AuditRow.objects.count()
    status, page = send(ada, data, "apply")
    assert status == 200 and "Everything stood already" in page and AuditRow.objects.count() == rows


def test_what_is_installed_comes_as_a_workbook_that_changes_nothing_again(ada: Client, cast: Cast) -> None:
    answer = ada.get(f"{PAGE}/installed")
    assert answer.status_code == 200 and answer["Content-Disposition"].endswith('.xlsx"')
    status, page = send(ada, answer.content, "apply", name="installed.xlsx")
    assert status == 200 and "Everything stood already" in page, page
    part = administrator("eve", building_id=cast.shop_101.room.building_id)  # type: ignore[union-attr]
    assert part.get(f"{PAGE}/installed").status_code == 404, "of a part of the site nobody gets the whole"


def test_one_wrong_row_keeps_all_outside_and_is_named_as_the_spreadsheet_does(ada: Client) -> None:
    status, page = send(ada, packed(buildings=BUILDINGS, rooms=ROOMS + "C,1,C-1,Elsewhere\n"), "apply")
    assert status == 422 and 'data-test="import-refused"' in page
    assert '<td class="num" data-l="Row">4</td>' in page, "the fourth row of the sheet, its header counted"
    assert not Building.objects.filter(code="B").exists()


def test_the_template_is_itself_a_file_that_an_empty_site_takes_over() -> None:
    company = Company.objects.create(name="Nile Power", currency="CNY", exponent=2)
    Site.objects.create(company=company, code="k1", name="Kampala", timezone="Africa/Kampala")
    ada = administrator(company_id=company.pk)
    got = ada.get(f"{PAGE}/template")
    assert got.status_code == 200 and got["Content-Type"].endswith("spreadsheetml.sheet")
    status, page = send(ada, template_xlsx("en"), name="template.xlsx")
    assert status == 200 and 'data-test="import-checked"' in page
    status, page = send(ada, template_xlsx("en"), "apply", name="template.xlsx")
    assert status == 200 and Meter.objects.filter(number="000000000101").exists()


@pytest.mark.parametrize(
    ("name", "data"),
    [("site.xlsx", b"no workbook"), ("site.zip", b"no zip"), ("site.zip", packed()), ("site.xlsx", b"")],
)
def test_what_is_no_such_file_is_refused_with_a_code(ada: Client, name: str, data: bytes) -> None:
    status, page = send(ada, data, name=name)
    assert status == 422 and 'data-code="' in page
    assert ada.post(PAGE, {"what": "apply"}).status_code == 422, "no file at all"


def test_it_takes_who_holds_the_whole_site_and_may_enter_prices(cast: Cast) -> None:
    for operator in (cast.alice, cast.bob):
        client = Client()
        client.force_login(operator)
        assert client.get(PAGE).status_code == 403
    part = administrator("eve", building_id=Building.objects.get().pk)
    assert part.get(PAGE).status_code == 200
    status, page = send(part, packed(buildings=BUILDINGS), "apply")
    assert status == 422 and 'data-code="not_permitted"' in page and not Building.objects.filter(code="B").exists()


def test_both_languages(ada: Client) -> None:
    ada.cookies["django_language"] = "zh-hans"
    assert "批量导入" in ada.get(PAGE).content.decode()
    assert "文件无误" in send(ada, packed(buildings=BUILDINGS))[1]
