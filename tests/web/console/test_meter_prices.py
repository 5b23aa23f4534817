"""The prices in a meter as a page: both sets beside the plan's, what was wanted by whom, and many meters at once."""

from datetime import timedelta
from decimal import Decimal

import pytest

from prewatt.core.meters.prices import ADDS_NOTHING, Ladder, PriceRead, PriceSet
from prewatt.office.estate import plans
from prewatt.office.estate.models import Circuit, Meter, SupplyPoint
from prewatt.office.metering.jobs import prices_of, prices_read_json
from prewatt.office.metering.models import JobRow, WantedPrices
from prewatt.office.vending import purse_prices
from prewatt.web.console.meter_prices import ladder_words
from tests.cast import NOON
from tests.web.console import sell_desk
from tests.web.console.sell_desk import Desk, text_of

pytestmark = pytest.mark.django_db
TWO_SETS, ONE_SET = "generic-dlt645-order", "acrel-dtsy1352-4g-purse"
OLD = PriceSet(rates=(880_000,) * 4, ladder=ADDS_NOTHING)
LADDER = Ladder(thresholds=(230_000, 400_000), prices=(0, 50_000, 300_000))


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Shop 101's meter holds money and keeps two sets of prices."""
    made = sell_desk.make(monkeypatch)
    cast = made.cast
    Meter.objects.filter(pk=cast.shop_101.meter_id).update(profile=TWO_SETS)
    SupplyPoint.objects.filter(pk=cast.supply_101.pk).update(credit_unit="CNY")
    cast.supply_101.refresh_from_db()
    cast.supply_101.circuit = Circuit.objects.select_related("meter").get(pk=cast.shop_101.pk)
    purse_prices.read_back(cast.supply_101, Decimal("0.88"), at=NOON)
    return made


def answered(verdict: str, shown: PriceRead | None) -> None:
    job = JobRow.objects.latest("pk")
    JobRow.objects.filter(pk=job.pk).update(
        state="done", verdict=verdict, ever_sent=True, finished_at=job.created_at + timedelta(minutes=1),
        prices=None if shown is None else prices_read_json(shown),
    )  # fmt: skip


def test_both_sets_stand_beside_the_plan_s_and_a_person_says_when_they_swap(desk: Desk) -> None:
    meter = desk.cast.shop_101.meter
    address = f"/console/meters/{meter.pk}/prices"
    assert address in desk.bob.get(f"/console/meters/{meter.pk}").content.decode()
    assert "Not read yet." in text_of(desk.bob.get(address))
    assert desk.bob.post(f"{address}/read")["Location"] == address
    standby = PriceSet(rates=(1_000_000, 880_000, 880_000, 400_000), ladder=LADDER)
    answered("done", PriceRead(in_force=OLD, standby=standby, swap_at=None))
    page = text_of(desk.bob.get(address))
    assert all(each in page for each in ("0.8800", "0.4000", "0.9200", "from 230 kWh +0.05", "adds nothing"))
    swap = desk.bob.get(f"{address}/write").context["fields"][0].value
    assert "0.9200" in text_of(desk.bob.get(f"{address}/write"))
    early = desk.bob.post(f"{address}/write", {"swap_at": f"{NOON:%Y-%m-%dT%H:%M}", "reason": "soon"})
    assert early.status_code == 422 and "30 minutes" in text_of(early)
    assert desk.bob.post(f"{address}/write", {"swap_at": swap, "reason": "new year"})["Location"] == address
    told = WantedPrices.objects.get()
    assert told.prices == {"rates": [920_000] * 4, "ladder": {"thresholds": [], "prices": [0]}}
    assert "Bob" in text_of(desk.bob.get(address)) and "at work" in text_of(desk.bob.get(address))
    answered("unknown", None)
    assert 'data-state="unknown"' in desk.bob.get(address).content.decode()
    answered("done", PriceRead(in_force=OLD, standby=prices_of(told.prices), swap_at=None, swaps_differ=True))
    assert "at different times" in text_of(desk.bob.get(address))
    chinese = text_of(desk.client(desk.cast.bob, language="zh-hans").get(address))
    assert "备用套" in chinese and "Standby" not in chinese and "阶梯" in chinese


def test_a_contract_says_when_its_meter_swaps(desk: Desk) -> None:
    plans.add_version(desk.cast.plan, price=Decimal("1.05"), valid_from=NOON, actor="operator:1", at=NOON)
    purse_prices.sweep(at=NOON)
    new = prices_of(WantedPrices.objects.get().prices)
    answered("done", PriceRead(in_force=OLD, standby=new, swap_at=None))
    page = text_of(desk.bob.get(f"/console/contracts/{desk.cast.contract_101.number}"))
    assert "0.8800 ¥/kWh; 1.0500 ¥/kWh from 2026-11-" in page


def test_a_model_with_one_set_says_so_and_offers_no_standby(desk: Desk) -> None:
    meter = desk.cast.shop_101.meter
    Meter.objects.filter(pk=meter.pk).update(profile=ONE_SET)
    page = text_of(desk.bob.get(f"/console/meters/{meter.pk}/prices"))
    assert "one set of prices" in page and "Standby set" not in page
    assert desk.bob.get(f"/console/meters/{meter.pk}/prices/write").status_code == 404
    Meter.objects.filter(pk=meter.pk).update(profile="acrel-dtsy1352")
    public = text_of(desk.bob.get(f"/console/meters/{meter.pk}/prices"))
    assert "only read" in public and "one set of prices" not in public
    Meter.objects.filter(pk=meter.pk).update(profile=ONE_SET)
    listed = text_of(desk.bob.get("/console/prices"))
    assert "one set" in listed and "0.8800" in listed and 'name="supply"' not in listed


def test_many_meters_are_asked_at_once_and_a_cashier_asks_none(desk: Desk) -> None:
    supply = desk.cast.supply_101
    assert 'data-state="differs"' in desk.bob.get("/console/prices").content.decode()
    none = desk.bob.post("/console/prices", {"reason": "tariff"})
    assert none.status_code == 422 and not WantedPrices.objects.exists()
    form = {"supply": [str(supply.pk)], "reason": "tariff", "swap_at": "", "request_key": "k"}
    bob = desk.bob
    for _ in range(2):
        assert bob.post("/console/prices", form)["Location"] == "/console/prices"
    assert WantedPrices.objects.count() == 1 and "1 meter is being told" in text_of(bob.get("/console/prices"))
    page = desk.bob.get("/console/prices").content.decode()
    assert 'data-state="writing"' in page and 'data-busy="1"' in page and 'hx-select="#purses"' in page, "it follows"
    bob.post("/console/prices", {**form, "swap_at": f"{NOON:%Y-%m-%dT%H:%M}", "request_key": "other"})
    assert f"{supply.circuit.meter.number}: The swap time must lie" in text_of(bob.get("/console/prices"))
    answered("disputed", None)
    assert 'hx-select' not in desk.bob.get("/console/prices").content.decode(), "nothing is at work"
    assert "a person decides" in text_of(desk.bob.get("/console/prices"))
    assert desk.alice.get("/console/prices").status_code in (403, 404)
    assert "/console/prices" in desk.bob.get("/console/settings/plans").content.decode()


def test_a_ladder_is_said_step_by_step() -> None:
    assert ladder_words(None) == "—"
    assert ladder_words(LADDER).count("kWh") == 2
