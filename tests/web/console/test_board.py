"""The board: one tile per circuit, its state by the one rule, within the operator's scope and within 300 ms."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from prewatt.office.estate.models import Circuit, Meter, Room
from prewatt.office.metering.states import CircuitState
from prewatt.office.reports.board import board_rows, runs_out, seconds_left
from prewatt.web.console.board import render_board
from prewatt.web.console.tiles import badges_of, html, tile
from tests.cast import NOON, Cast, assemble, lately_read

pytestmark = pytest.mark.django_db
STALE = timedelta(minutes=3)


@pytest.fixture
def cast() -> Cast:
    return assemble()


def rows_of(cast: Cast) -> dict[int, CircuitState]:
    return {row.circuit_id: row.state for row in board_rows(cast.alice.pk, cast.site.pk, at=NOON, stale=STALE)}


@pytest.mark.parametrize(
    ("balance", "age_s", "state"),
    [
        (100_000, 12, CircuitState.NORMAL),
        (50_000, 12, CircuitState.ALARM_1),
        (10_000, 12, CircuitState.ALARM_2),
        (0, 12, CircuitState.ARREARS),
        (-1, 12, CircuitState.ARREARS),
        (100_000, 181, CircuitState.OFFLINE),
    ],
)
def test_a_circuit_has_the_state_of_the_one_rule(cast: Cast, balance: int, age_s: int, state: CircuitState) -> None:
    lately_read(cast.shop_101, at=NOON - timedelta(seconds=age_s), balance=balance)
    assert rows_of(cast)[cast.shop_101.pk] is state


def test_nobody_is_supplied_where_no_contract_is_and_a_lift_owes_nothing(cast: Cast) -> None:
    lately_read(cast.lift, at=NOON, balance=0)
    states = rows_of(cast)
    assert states[cast.shop_103.pk] is CircuitState.NOT_OPENED
    assert states[cast.lift.pk] is CircuitState.NORMAL


def test_who_has_no_scope_sees_no_tile_and_another_site_is_empty(cast: Cast) -> None:
    assert board_rows(cast.charlie.pk, cast.site.pk, at=NOON, stale=STALE) == []
    assert board_rows(cast.alice.pk, cast.site.pk + 1, at=NOON, stale=STALE) == []


def test_an_open_delivery_a_wish_and_a_tag_are_badges(cast: Cast) -> None:
    from prewatt.office.metering.models import MaintenanceTag, RelayWish
    from prewatt.office.vending.models import Delivery

    lately_read(cast.shop_101, at=NOON, relay=0)
    RelayWish.objects.create(
        circuit=cast.shop_101, wish="keep_on", reason="cold store", until=NOON, actor="x", set_at=NOON
    )
    Delivery.objects.create(
        site_id=cast.site.pk, circuit=cast.shop_101, origin="make_up", kind="purchase", amount=1, value_minor=1,
        expected_count=6, state="unknown", created_at=NOON,
    )  # fmt: skip
    row = board_rows(cast.alice.pk, cast.site.pk, at=NOON, stale=STALE, ids=[cast.shop_101.pk])[0]
    assert badges_of(row) == ("trip", "keep", "pend")
    MaintenanceTag.objects.create(
        circuit=cast.shop_101, name="Zhang", reason="breaker", set_at=NOON, until=NOON, actor="x"
    )
    row = board_rows(cast.alice.pk, cast.site.pk, at=NOON, stale=STALE, ids=[cast.shop_101.pk])[0]
    assert badges_of(row) == ("keep", "pend", "tag")  # who works there opened it; that is no trip


def test_days_left_come_from_the_last_two_weeks(cast: Cast) -> None:
    lately_read(cast.shop_101, at=NOON, balance=100_000)
    with connection.cursor() as cursor:
        for back, used in ((0, 999_999), (1, 10_000), (2, 12_000), (3, 8_000), (15, 999_999)):
            cursor.execute(
                "INSERT INTO metering_daily VALUES (%s, %s, date '2026-11-23' - %s, %s, NULL, 1, NULL)",
                [cast.site.pk, cast.shop_101.pk, back, used],
            )
    row = board_rows(cast.alice.pk, cast.site.pk, at=NOON, stale=STALE, ids=[cast.shop_101.pk])[0]
    assert row.day_wh == 10_000 and row.spread_wh == 2_000
    assert seconds_left(row) == 10 * 86400
    forecast = runs_out(row)
    assert forecast is not None and forecast.late_s is not None
    # mean 10, deviation 2 kWh a day over ten days: 1.28 * 2 / sqrt(10) = 0.81 kWh a day either way
    assert 9.2 * 86400 < forecast.early_s < 9.3 * 86400
    assert 10.8 * 86400 < forecast.late_s < 10.9 * 86400


def test_a_room_code_cannot_become_markup(cast: Cast) -> None:
    assert cast.shop_101.room_id is not None
    Room.objects.filter(pk=cast.shop_101.room_id).update(code='<b>"x"')
    lately_read(cast.shop_101, at=NOON)
    row = board_rows(cast.alice.pk, cast.site.pk, at=NOON, stale=STALE, ids=[cast.shop_101.pk])[0]
    assert '<span class="r">&lt;b&gt;&quot;x&quot;</span>' in html(tile(row, NOON))


def test_a_tile_says_in_words_what_it_says_in_colour(cast: Cast) -> None:
    lately_read(cast.shop_101, at=NOON - timedelta(hours=9))
    row = board_rows(cast.alice.pk, cast.site.pk, at=NOON, stale=STALE, ids=[cast.shop_101.pk])[0]
    with translation.override("zh-hans"):
        markup = html(tile(row, NOON))
        assert "失联" in markup and "9时前" in markup and "? kW" in markup
    with translation.override("en"):
        assert "Lost contact" in html(tile(row, NOON))


def _two_thousand(cast: Cast) -> None:
    first = cast.shop_101.room
    assert first is not None
    rooms = Room.objects.bulk_create(
        Room(building_id=first.building_id, floor=1 + n // 100, code=f"Z-{n:04d}") for n in range(2000)
    )
    meters = Meter.objects.bulk_create(
        Meter(site=cast.site, number=f"99{n:010d}", profile="pilot-spm9511", line=cast.line, unit=1000 + n)
        for n in range(2000)
    )
    made = [Circuit(site=cast.site, meter=m, room=r) for m, r in zip(meters, rooms, strict=True)]
    Circuit.objects.bulk_create(made)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_latest (site_id, circuit_id, at, balance, power_w, relay)"
            " SELECT site_id, id, %s, 5000 + id * 13, 700, 1 FROM estate_circuit",
            [NOON],
        )
        cursor.execute(
            "INSERT INTO estate_contract (site_id, number, customer_id, state)"
            " SELECT site_id, 'Z' || id, %s, 'open' FROM estate_circuit WHERE room_id = ANY(%s)",
            [cast.contract_101.customer_id, [room.pk for room in rooms]],
        )
        cursor.execute(
            "INSERT INTO estate_supplypoint (contract_id, circuit_id, custody, prepaid, credit_unit, state, valid_from,"
            " alarm_1, alarm_2, overdraft, hoarding_limit, load_limit_w)"
            " SELECT k.id, c.id, 'meter', true, 'Wh', 'open', %s, 50000, 10000, 0, 0, 0"
            " FROM estate_circuit c JOIN estate_contract k ON k.number = 'Z' || c.id",
            [NOON - timedelta(days=1)],
        )
        cursor.execute(
            "INSERT INTO metering_daily SELECT site_id, id, date '2026-11-23' - d, 9000 + id, NULL, 1, NULL"
            " FROM estate_circuit, generate_series(1, 14) d"
        )
        cursor.execute("ANALYZE")


def test_two_thousand_circuits_are_written_by_one_statement(cast: Cast) -> None:
    """How long it takes is shown by `prewatt bench board_2000`; a test of time would fail on a busy machine."""
    _two_thousand(cast)
    with CaptureQueriesContext(connection) as asked:
        markup = render_board(cast.alice, cast.site.pk, NOON)
    assert len(asked) == 1
    assert len(re.findall(r'class="pw-tile ', markup)) == 2004


def test_the_page_needs_a_log_in_and_a_foreign_circuit_is_a_404(cast: Cast, client: Client) -> None:
    answer = client.get("/console/live")
    assert answer.status_code == 302 and answer["Location"] == "/console/login?next=%2Fconsole%2Flive"
    client.force_login(cast.alice)
    assert client.get("/console/live").status_code == 200
    assert client.get(f"/console/live?circuit={cast.shop_101.pk}").status_code == 200
    for address in ("/console/live?circuit=99999", "/console/live/circuits/99999"):
        assert client.get(address).status_code == 404
    client.force_login(cast.charlie)
    for address in (
        "/console/",
        "/console/live",
        "/console/live/fragment",
        f"/console/live/circuits/{cast.shop_101.pk}",
    ):
        answer = client.get(address)
        assert answer.status_code == 403
        assert b"no_site" in answer.content


def test_an_empty_site_says_what_to_do_first(cast: Cast, client: Client) -> None:
    from prewatt.office.estate.models import Site
    from prewatt.office.staff.models import Scope

    empty = Site.objects.create(company=cast.company, code="new", name="New site")
    Scope.objects.create(operator=cast.charlie, site_id=empty.pk)
    client.force_login(cast.charlie)
    assert "还没有回路" in client.get("/console/live").content.decode()
    assert "还没有内容" in client.get("/console/").content.decode()
