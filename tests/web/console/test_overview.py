"""The overview: since when "what happened" counts, what belongs together, the drawer, a lost database."""

from datetime import datetime, timedelta
from typing import NoReturn, TypeVar
from zoneinfo import ZoneInfo

import pytest
from django.db import OperationalError
from django.db.models import Model
from django.test import Client
from django.utils import translation

from prewatt.office.metering.models import SupplyEvent
from prewatt.office.payments.models import Payment
from prewatt.office.reports.board import find_circuits
from prewatt.office.reports.overview import open_shift, overview, window_start
from prewatt.office.vending.models import Delivery, Sale, Shift
from prewatt.web.console.overview import dark_series, next_step
from tests.cast import NOON, Cast, assemble

M = TypeVar("M", bound=Model)
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def cast(db: None) -> Cast:
    return assemble()


@pytest.mark.parametrize(
    ("at", "since"),
    [
        ("2026-11-23 08:50", "2026-11-20 18:00"),  # Monday: the week-end
        ("2026-11-22 09:00", "2026-11-20 18:00"),  # Sunday
        ("2026-11-21 09:00", "2026-11-20 18:00"),  # Saturday
        ("2026-11-25 08:50", "2026-11-24 18:00"),
    ],
)
def test_the_window_begins_when_people_went_home(at: str, since: str) -> None:
    begin = window_start(datetime.fromisoformat(at).replace(tzinfo=SHANGHAI))
    assert begin == datetime.fromisoformat(since).replace(tzinfo=SHANGHAI)


def event(cast: Cast, kind: str, hours_ago: int, *, line: bool = False, **more: object) -> None:
    SupplyEvent.objects.create(
        site_id=cast.site.pk, circuit_id=None if line else cast.shop_101.pk, line_id=cast.line.pk if line else None,
        kind=kind, at=NOON - timedelta(hours=hours_ago), **more,
    )  # fmt: skip


def test_a_beginning_finds_its_end_and_the_dark_are_counted_back_from_now(cast: Cast) -> None:
    event(cast, "opened", 20, cause="credit_trip", balance=0)
    event(cast, "closed", 18)
    event(cast, "line_lost", 10, line=True)
    event(cast, "opened", 2, cause="warning_trip", balance=6_200)
    event(cast, "opened", 200, cause="overload_trip")  # before the window
    seen = overview(cast.alice.pk, cast.site.pk, at=NOON.astimezone(SHANGHAI))
    assert [(each.kind, each.ended_at) for each in seen.happenings] == [
        ("opened", NOON - timedelta(hours=18)), ("line_lost", None), ("opened", None),
    ]  # fmt: skip
    assert seen.happenings[1].circuits == 4
    points = dark_series(seen, 3, NOON.astimezone(SHANGHAI))["dark"]
    assert [level for _at, level in points] == [2, 3, 2, 3, 3]  # type: ignore[attr-defined]


def test_who_may_see_nothing_is_told_nothing(cast: Cast) -> None:
    event(cast, "opened", 2, cause="credit_trip", balance=0)
    seen = overview(cast.charlie.pk, cast.site.pk, at=NOON.astimezone(SHANGHAI))
    assert (seen.happenings, seen.deliveries, seen.gateways, seen.sold_minor) == ((), (), (), 0)
    assert find_circuits(cast.charlie.pk, cast.site.pk, "A-101") == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("unknown", "电表没有应答；12:05 再读次数核对"),
        ("disputed", "次数读到 7，应为 6；请主管核对"),
        ("waiting", "G1 失联，尚未发出；恢复后自动下发，只发一次"),
        ("sent", "已下发，正在回读购电次数"),
    ],
)
def test_an_open_delivery_says_what_is_known_and_what_comes_next(cast: Cast, state: str, words: str) -> None:
    Delivery.objects.create(
        site_id=cast.site.pk, circuit=cast.shop_101, origin="make_up", kind="purchase", amount=1, value_minor=5_000,
        expected_count=6, read_count=7, state=state, next_try_at=NOON + timedelta(minutes=5), created_at=NOON,
    )  # fmt: skip
    seen = overview(cast.alice.pk, cast.site.pk, at=NOON.astimezone(SHANGHAI))
    assert seen.in_transit_minor == 5_000
    with translation.override("zh-hans"):
        assert next_step(seen.deliveries[0], NOON, SHANGHAI) == words


def filled(model: type[M], **given: object) -> M:
    """A row with what matters given and any value of the right kind elsewhere."""
    anything = {"DateTimeField": NOON, "BigIntegerField": 1, "IntegerField": 1, "DecimalField": 0, "JSONField": {}}
    rest = {
        field.attname: anything.get(field.get_internal_type(), "x")
        for field in model._meta.concrete_fields
        if not field.primary_key and not field.null and not field.has_default() and field.name not in given
    }
    return model._default_manager.create(**{**rest, **given})


def test_the_drawer_holds_the_float_and_the_cash_but_not_the_codes(cast: Cast) -> None:
    shift = Shift.objects.create(till=cast.window, operator_id=cast.alice.pk, opened_at=NOON, float_minor=50_000)
    for number, (tender, minor) in enumerate([("cash", 10_000), ("merchant_qr", 7_000)]):
        payment = filled(Payment, site_id=cast.site.pk, key=f"p{number}", tender=tender, amount_minor=minor)
        filled(
            Sale, site_id=cast.site.pk, number=f"S{number}", request_key=f"k{number}", request_hash="h",
            contract=cast.contract_101, circuit=cast.shop_101, supply_point=cast.supply_101, till=cast.window,
            shift=shift, actor="operator:1", actor_name="Alice", at=NOON, state="sold", tender=tender,
            amount_minor=minor, currency="CNY", plan_version_id=cast.version.pk, price="0.92", credit=1,
            credit_unit="Wh", payment=payment, entry_id=1,
        )  # fmt: skip
    found = open_shift(cast.alice.pk, cast.site.pk)
    assert found is not None
    assert (found.cash_minor, found.other_minor, found.drawer_minor) == (10_000, 7_000, 60_000)
    assert open_shift(cast.bob.pk, cast.site.pk) is None


@pytest.mark.parametrize("text", ["a-101", "A101", "Shop A-101", "13900002286", "30010101", "260311000001"])
def test_the_find_box_takes_room_name_phone_contract_and_meter(cast: Cast, text: str) -> None:
    assert [each.room for each in find_circuits(cast.alice.pk, cast.site.pk, text)][:1] == ["A-101"]


@pytest.mark.parametrize("text", ["%", "_", "\\", "' OR 1=1"])
def test_the_find_box_takes_signs_as_signs(cast: Cast, text: str) -> None:
    assert find_circuits(cast.alice.pk, cast.site.pk, text) == []


@pytest.mark.parametrize(("method", "kind"), [("get", "refused"), ("post", "unknown")])
def test_a_lost_database_is_said_plainly(cast: Cast, monkeypatch: pytest.MonkeyPatch, method: str, kind: str) -> None:
    def away(*_all: object, **_named: object) -> NoReturn:
        raise OperationalError("server closed the connection")

    client = Client(raise_request_exception=False)
    client.force_login(cast.alice)
    monkeypatch.setattr("prewatt.web.console.views_base.visible_sites", away)
    address = "/console/" if method == "get" else "/console/site"
    answer = getattr(client, method)(address)
    assert answer.status_code == 503
    text = answer.content.decode()
    assert "数据库不应答" in text and "database_unreachable" in text and f"pw-plain {kind}" in text
    assert ("retry.js" in text) == (method == "get")
