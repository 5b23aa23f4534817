"""Pages of the estate: each opens for who may see it, Charlie and a foreign id get a 404, a role that may not a 403."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from prewatt.office.alarms.models import Alarm
from prewatt.office.estate.models import Customer, Meter, Plan, Room
from prewatt.office.metering.models import JobRow, RelayWish
from prewatt.office.staff.models import AuditRow, Operator, Role, Scope
from prewatt.office.vending.models import Opening
from tests.cast import NOON, OPENED, Cast, assemble, lately_read

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    made = assemble()
    lately_read(made.shop_101, at=NOON)
    return made


def as_(operator: Operator) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def operator_with(cast: Cast, role: Role, name: str) -> Operator:
    made: Operator = Operator.objects.create(
        username=name, name=name.title(), role=role, created_at=OPENED, password="!"
    )
    Scope.objects.create(operator=made, company_id=cast.company.pk)
    return made


def things(cast: Cast) -> dict[str, str]:
    """The address of one thing on each page that shows one."""
    customer = Customer.objects.get()
    alarm = Alarm.objects.create(
        site_id=cast.site.pk, kind="low_credit_1", circuit_id=cast.shop_101.pk, raised_at=NOON, values={"balance": 1}
    )
    return {
        "contract": f"/console/contracts/{cast.contract_101.number}",
        "customer": f"/console/customers/{customer.pk}",
        "meter": f"/console/meters/{cast.shop_101.meter_id}",
        "relay": f"/console/circuits/{cast.shop_101.pk}/relay?wish=trip",
        "tag": f"/console/circuits/{cast.shop_101.pk}/tag",
        "close": f"/console/contracts/{cast.contract_101.number}/close",
        "plan": f"/console/settings/plans/{cast.plan.pk}/price",
        "alarm": f"/console/alarms/{alarm.pk}/seen",
    }


LISTS = ("customers", "meters", "lines", "alarms", "settings/plans", "settings/sales", "settings/trail",
         "settings/password", "openings/new", "customers/new", "customers/export", "meters/export", "alarms/export",
         "settings/trail/export", "settings/plans/new")  # fmt: skip


@pytest.mark.parametrize("page", LISTS)
def test_each_list_and_form_opens_for_the_manager(cast: Cast, page: str) -> None:
    assert as_(cast.bob).get(f"/console/{page}").status_code == 200


def test_each_thing_opens_for_the_manager_and_does_not_exist_for_who_sees_another_site(cast: Cast) -> None:
    elsewhere = assemble_elsewhere(cast)
    for name, address in things(cast).items():
        method = "post" if name == "alarm" else "get"
        assert getattr(as_(cast.bob), method)(address).status_code in (200, 302), name
        expected = 200 if name == "plan" else 404  # a plan is the company's: both sites see it
        assert getattr(as_(elsewhere), method)(address).status_code == expected, name


def assemble_elsewhere(cast: Cast) -> Operator:
    """A manager of another, empty site of the same company."""
    from prewatt.office.estate.models import Site

    site = Site.objects.create(company=cast.company, code="dorm", name="Dormitory")
    made: Operator = Operator.objects.create(username="eve", name="Eve", role="manager", created_at=OPENED)
    Scope.objects.create(operator=made, site_id=site.pk)
    return made


def test_charlie_who_may_see_nothing_gets_no_page_at_all(cast: Cast) -> None:
    client = as_(cast.charlie)
    for address in [*things(cast).values(), "/console/customers", "/console/meters", "/console/lines"]:
        assert client.get(address).status_code in (403, 404, 405), address


@pytest.mark.parametrize(
    ("page", "role", "status"),
    [
        ("settings/operators", Role.MANAGER, 403),
        ("settings/operators", Role.ADMINISTRATOR, 200),
        ("settings/keys", Role.ADMINISTRATOR, 200),
        ("settings/places", Role.ELECTRICIAN, 200),
        ("settings/places", Role.CASHIER, 403),
        ("settings/trail", Role.CASHIER, 403),
        ("settings/trail", Role.FINANCE, 200),
        ("settings/plans", Role.ELECTRICIAN, 403),
        ("openings/new", Role.ADMINISTRATOR, 403),
        ("meters/new", Role.ELECTRICIAN, 200),
        ("meters/new", Role.CASHIER, 403),
        ("lines/gateways/new", Role.ELECTRICIAN, 200),
    ],
)
def test_a_page_is_open_to_the_roles_of_the_one_table(cast: Cast, page: str, role: Role, status: int) -> None:
    assert as_(operator_with(cast, role, "someone")).get(f"/console/{page}").status_code == status


def test_the_contract_page_says_why_there_is_power_and_what_the_plot_draws(cast: Cast) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_daily (site_id, circuit_id, day, used_wh, last_energy_wh, last_balance)"
            " SELECT %s, %s, (now() AT TIME ZONE 'Asia/Shanghai')::date - n, 5000, 1, 100000"
            " FROM generate_series(0, 15) n",
            [cast.site.pk, cast.shop_101.pk],
        )
    lately_read(cast.shop_101, at=timezone.now(), balance=100_000)
    client = as_(cast.bob)
    client.cookies["django_language"] = "en"
    page = client.get(f"/console/contracts/{cast.contract_101.number}").content.decode()
    assert "Supplied because</b> the balance is above 0" in page and "they last about 20 days" in page
    data = json.loads(page.split('<script id="use" type="application/json">')[1].split("</script>")[0])
    assert len(data["use"]) == 16 and data["use"][0][1] == 5 and data["balance"][-1][1] == 100
    assert data["prices"][0]["name"].startswith("Price 0.9200 ¥/kWh") and data["levels"][0]["at"] == 50
    assert page.count("<tr><td>20") >= 16, "the table behind the plot"


def test_a_trip_needs_a_reason_and_is_written_with_it(cast: Cast) -> None:
    client, address = as_(cast.bob), f"/console/circuits/{cast.shop_101.pk}/relay"
    refused = client.post(address, {"wish": "trip", "reason": " ", "request_key": "a"})
    assert refused.status_code == 422 and b'data-code="reason_needed"' in refused.content
    assert not RelayWish.objects.exists()
    done = client.post(address, {"wish": "trip", "reason": "fire drill", "request_key": "a"})
    assert done.status_code == 302
    assert RelayWish.objects.get().reason == "fire drill" and JobRow.objects.get().intent == "relay"


def test_keeping_on_needs_an_end_in_the_future(cast: Cast) -> None:
    client, address = as_(cast.bob), f"/console/circuits/{cast.shop_101.pk}/relay"
    for until, code in (
        ("", b"wish_needs_until"),
        ("2020-01-01T00:00", b"wish_until_past"),
        ("x", b"moment_unreadable"),
    ):
        answer = client.post(address, {"wish": "keep_on", "reason": "cold store", "until": until, "request_key": "b"})
        assert answer.status_code == 422 and b'data-code="' + code in answer.content


def test_going_back_to_automatic_in_debt_says_that_supply_will_be_cut(cast: Cast) -> None:
    lately_read(cast.shop_101, at=NOON, balance=-83_200)
    client = as_(cast.bob)
    client.cookies["django_language"] = "en"
    page = client.get(f"/console/circuits/{cast.shop_101.pk}/relay?wish=automatic").content.decode()
    assert "cut at once: balance −83.20 kWh" in page


def test_read_now_asks_status_and_registers_and_shows_its_own_progress(cast: Cast) -> None:
    client = as_(cast.alice)
    answer = client.post(f"/console/circuits/{cast.shop_101.pk}/read", headers={"HX-Request": "true"})
    assert answer.status_code == 200 and b'data-verdict="running"' in answer.content
    assert {job.intent for job in JobRow.objects.all()} == {"read_status", "read_registers"}
    JobRow.objects.update(state="done", verdict="silent", finished_at=NOON)
    ids = sorted(JobRow.objects.values_list("pk", flat=True))
    shown = client.get(f"/console/reads/{ids[0]}-{ids[-1]}/one", headers={"HX-Request": "true"})
    assert b'data-verdict="silent"' in shown.content


def test_a_line_is_read_with_one_result_per_circuit_and_nobody_else_sees_it(cast: Cast) -> None:
    answer = as_(cast.alice).post("/console/reads", {"line": str(cast.line.pk)})
    assert answer.status_code == 302
    page = as_(cast.alice).get(answer["Location"])
    assert page.content.count(b"/console/meters/") >= 4
    assert as_(cast.bob).get(answer["Location"]).status_code == 404  # asked by another
    assert as_(cast.alice).post("/console/reads", {}).status_code == 302  # nothing chosen: said on the list
    assert JobRow.objects.count() == 8


def test_an_alarm_is_seen_once_and_stays_open(cast: Cast) -> None:
    address = things(cast)["alarm"]
    assert as_(cast.alice).post(address, headers={"HX-Request": "true"}).status_code == 200
    assert Alarm.objects.get().seen_by == "Alice" and Alarm.objects.get().cleared_at is None


def opening_form(cast: Cast, **more: str) -> dict[str, str]:
    return {
        "request_key": "k1", "circuit": str(cast.shop_103.pk), "customer": "", "name": "New Tenant", "phone": "1",
        "plan": str(cast.plan.pk), "alarm_1": "50", "alarm_2": "10", "till": str(cast.window.pk), **more,
    }  # fmt: skip


def test_opening_enters_the_customer_and_starts_the_conversation_once(cast: Cast) -> None:
    client = as_(cast.alice)
    first, again = (client.post("/console/openings/new", opening_form(cast)) for _ in range(2))
    assert first["Location"] == again["Location"] and Opening.objects.count() == 1
    assert Customer.objects.filter(name="New Tenant").count() == 1
    page = client.get(first["Location"])
    assert b'data-state="reading"' in page.content
    assert as_(assemble_elsewhere(cast)).get(first["Location"]).status_code == 404


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"alarm_1": "5"}, "levels_order"),
        ({"alarm_1": "much"}, "energy_malformed"),
        ({"name": ""}, "name_needed"),
        ({"circuit": "0"}, "choice_needed"),
        ({"plan": ""}, "choice_needed"),
    ],
)
def test_a_refused_opening_leaves_nothing_behind(cast: Cast, change: dict[str, str], code: str) -> None:
    answer = as_(cast.alice).post("/console/openings/new", opening_form(cast, **change))
    assert answer.status_code == 422 and f'data-code="{code}"'.encode() in answer.content
    assert not Opening.objects.exists() and Customer.objects.count() == 1


def test_a_meter_that_holds_credit_waits_for_a_decision(cast: Cast) -> None:
    client = as_(cast.alice)
    address = client.post("/console/openings/new", opening_form(cast))["Location"]
    Opening.objects.update(state="needs_act", read_values={"balance": 12_340, "purchase_count": 3})
    page = client.get(address).content
    assert b"12.34 kWh" in page and b'data-test="take-over"' in page
    assert client.post(f"{address}/act", {"act": "nothing"}).status_code == 422
    assert client.post(f"{address}/act", {"act": "take_over"}).status_code == 302
    assert Opening.objects.get().state == "writing" and Opening.objects.get().act == "take_over"


def test_a_price_begins_only_in_the_future(cast: Cast) -> None:
    client, address = as_(cast.bob), f"/console/settings/plans/{cast.plan.pk}/price"
    past = client.post(address, {"price": "1.05", "valid_from": "2020-01-01T00:00"})
    assert past.status_code == 422 and b'data-code="plan_version_past"' in past.content
    assert client.post(address, {"price": "1.05", "valid_from": "2099-01-01T00:00"}).status_code == 302
    assert cast.plan.versions.count() == 2


def test_an_administrator_gives_only_what_he_holds_himself(cast: Cast) -> None:
    admin: Operator = Operator.objects.create(username="ada", name="Ada", role="administrator", created_at=OPENED)
    Scope.objects.create(operator=admin, site_id=cast.site.pk)
    client, address = as_(admin), f"/console/settings/operators/{cast.alice.pk}"
    for wanted, status in ((f"company:{cast.company.pk}", 422), (f"site:{cast.site.pk + 99}", 422)):
        assert client.post(address, {"what": "give", "scope": wanted}).status_code == status
    wider = operator_with(cast, Role.CASHIER, "wider")  # sees the whole company
    assert client.get(f"/console/settings/operators/{wider.pk}").status_code == 404
    ended = client.post(address, {"what": "end", "reason": "left"})
    cast.alice.refresh_from_db()
    assert ended.status_code == 302 and not cast.alice.is_active


def test_a_new_key_is_shown_once(cast: Cast) -> None:
    admin = operator_with(cast, Role.ADMINISTRATOR, "ada")
    form = {"name": "portal", "operator": str(cast.alice.pk), "till": str(cast.till.pk)}
    made = as_(admin).post("/console/settings/keys", form).content.decode()
    assert 'data-test="secret">pw_' in made
    assert "pw_" not in as_(admin).get("/console/settings/keys").content.decode()


def test_a_meter_moves_unless_something_is_on_its_way(cast: Cast) -> None:
    electrician = as_(operator_with(cast, Role.ELECTRICIAN, "zhang"))
    address, form = f"/console/meters/{cast.shop_101.meter_id}/move", {"line": str(cast.line.pk), "unit": "9"}
    as_(cast.bob).post(
        f"/console/circuits/{cast.shop_101.pk}/relay", {"wish": "trip", "reason": "x", "request_key": "m"}
    )
    busy = electrician.post(address, form)
    assert busy.status_code == 422 and b'data-code="meter_busy"' in busy.content
    JobRow.objects.update(state="done", finished_at=NOON)
    assert electrician.post(address, form).status_code == 302
    assert Meter.objects.get(pk=cast.shop_101.meter_id).unit == 9
    assert AuditRow.objects.filter(action="estate.meter_move").exists()


def test_lists_filter_sort_and_go_on_by_key(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    from prewatt.office.reports import contracts

    monkeypatch.setattr(contracts, "LIST_MOST", 1)
    client = as_(cast.bob)
    first = client.get("/console/customers?sort=number").content.decode()
    assert "30010101" in first and "30010102" not in first and "after=" in first
    onward = first.split('href="/console/customers?sort=number&amp;after=')[1].split('"')[0]
    second = client.get(f"/console/customers?sort=number&after={onward}").content.decode()
    assert "30010102" in second and ">30010101<" not in second
    assert "30010101" in client.get("/console/customers?q=A101").content.decode()
    assert "30010101" not in client.get("/console/customers?q=nobody-like-this").content.decode()
    assert "nobody-like-this" in client.get("/console/customers").content.decode(), "the filter is remembered"
    assert "30010101" in client.get("/console/customers?clear").content.decode()
    assert client.get("/console/customers?after=zz&sort=zzz&building=x").status_code == 200
    assert client.get("/console/customers?after=%00").status_code == 400


def test_a_tag_hangs_and_comes_off(cast: Cast) -> None:
    client, address = as_(cast.bob), f"/console/circuits/{cast.shop_101.pk}"
    later = (NOON + timedelta(days=36500)).strftime("%Y-%m-%dT%H:%M")
    assert client.post(f"{address}/tag", {"name": "Zhang", "reason": "breaker", "until": later}).status_code == 302
    again = client.post(f"{address}/tag", {"name": "Zhang", "reason": "breaker", "until": later})
    assert again.status_code == 422 and b'data-code="tag_exists"' in again.content
    assert client.post(f"{address}/untag").status_code == 302


def test_the_first_price_of_a_plan_may_begin_in_the_past(cast: Cast) -> None:
    form = {"code": "P9", "name": "Shops", "price": "0.8125", "valid_from": "2020-01-01T00:00"}
    assert as_(cast.bob).post("/console/settings/plans/new", form).status_code == 302
    assert Plan.objects.get(code="P9").versions.get().valid_from.year == 2019  # midnight in Shanghai


def test_a_new_operator_is_given_what_he_may_see(cast: Cast) -> None:
    admin: Operator = Operator.objects.create(username="ada", name="Ada", role="administrator", created_at=OPENED)
    Scope.objects.create(operator=admin, site_id=cast.site.pk)
    form = {"username": "anna", "name": "Anna", "role": "cashier", "password": "first-pass-1"}
    client, address = as_(admin), "/console/settings/operators/new"
    elsewhere = client.post(address, {**form, "scope": f"company:{cast.company.pk}"})
    assert elsewhere.status_code == 422 and b'data-code="scope_malformed"' in elsewhere.content
    assert not Operator.objects.filter(username="anna").exists()
    assert client.post(address, {**form, "scope": f"site:{cast.site.pk}"}).status_code == 302
    assert Scope.objects.get(operator__username="anna").site_id == cast.site.pk


def test_the_room_of_a_circuit_is_put_right_and_a_tenants_circuit_is_no_common_area(cast: Cast) -> None:
    """A meter taken up from a scan has no room yet; a box of many circuits has one for each."""
    electrician, circuit = as_(operator_with(cast, Role.ELECTRICIAN, "erin")), cast.shop_103
    room = Room.objects.get(code="A-101")
    address = f"/console/circuits/{circuit.pk}/room"
    assert address in electrician.get(f"/console/meters/{circuit.meter_id}").content.decode()
    assert electrician.post(address, {"room": str(room.pk)}).status_code == 422, "a reason is asked for"
    answer = electrician.post(address, {"room": str(room.pk), "reason": "the neighbour's"})
    assert answer["Location"] == f"/console/meters/{circuit.meter_id}?circuit={circuit.pk}"
    circuit.refresh_from_db()
    assert (circuit.room, circuit.use) == (room, "tenant")
    row = AuditRow.objects.get(action="estate.circuit_lead")
    assert row.before == {"room": "A-103", "use": "tenant"} and row.after == {"room": "A-101", "use": "tenant"}
    assert row.reason == "the neighbour's"
    held = electrician.post(f"/console/circuits/{cast.shop_101.pk}/room", {"common": "1", "reason": "a lift"})
    assert "circuit_supplies_tenant" in held.content.decode()
    assert as_(cast.alice).get(address).status_code == 403
