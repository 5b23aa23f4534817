"""DL/T 645 meters that hold money, through the ordinary verbs, and each job carried out on a simulated meter."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import LazySettings
from django.db import connection

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import Await, Consult, Finished, MeterAddress, Send, converse
from prewatt.core.meters.jobs import Outcome, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.security import consult
from prewatt.core.refusals import CHINESE, Refused, message
from prewatt.field.simulator.world import World
from prewatt.office.estate.models import Circuit, Customer, Meter, SupplyPoint
from prewatt.office.ledger.books import books
from prewatt.office.ledger.models import AccountKind
from prewatt.office.metering.jobs import decode
from prewatt.office.metering.models import JobRow
from prewatt.office.vending import closings, deliveries, opening_steps, openings, returns
from prewatt.office.vending.audits import audit_books
from prewatt.office.vending.models import CircuitCredit, Delivery, Opening
from tests.core.meters.bench import simulated
from tests.field.simulator.plant import NOON_MS, circuit_of, meter, stop, world
from tests.office.vending.scene import AT, Scene, build

pytestmark = pytest.mark.django_db
NUMBER = "202500000001"
ORDER, GRID = "generic-dlt645-order", "generic-dlt645-grid"


class Plant(SimpleNamespace):
    """A scene whose first circuit hangs on a simulated meter."""

    scene: Scene
    site: World
    profile: str
    at_ms: int

    def carry_out(self, job: JobRow) -> Outcome:
        """What the head-end does with a job, without its line."""
        self.at_ms += 60_000
        address = MeterAddress(unit=1, number=NUMBER)
        talk = converse(catalogue()[self.profile], address, decode(job.payload), transport="rtu")
        bus = self.site.lines["a"]
        while not isinstance(step := talk.next(), Finished):
            if isinstance(step, Consult):
                talk.answered(consult(simulated(), step.question))
                continue
            replies = bus.answer(1, step.data, self.at_ms) if isinstance(step, Send) else []
            assert replies or isinstance(step, Await)
            for _, data in replies:
                talk.receive(data)
            if not replies:
                talk.timed_out()
        values = {quantity.value: value for quantity, value in step.outcome.values.items()}
        JobRow.objects.filter(pk=job.pk).update(
            state="done", verdict=step.outcome.verdict, code=step.outcome.code or "", values=values, finished_at=AT,
            ever_sent=step.outcome.sent,
        )  # fmt: skip
        self.poll()
        return step.outcome

    def poll(self) -> None:
        """The newest values, as the head-end leaves them."""
        balance, count = self.shown()
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO metering_latest (site_id, circuit_id, at, full_at, energy_wh, balance, purchase_count,"
                " relay) VALUES (%s, %s, %s, %s, 0, %s, %s, 1) ON CONFLICT (site_id, circuit_id) DO UPDATE SET"
                " balance = excluded.balance, purchase_count = excluded.purchase_count",
                [self.scene.site.pk, self.scene.circuits[0].pk, AT, AT, balance, count],
            )

    def open(self, key: str = "form", act: Opening.Act = Opening.Act.NONE) -> Opening:
        SupplyPoint.objects.filter(circuit=self.scene.circuits[0], valid_to=None).update(state="closed", valid_to=AT)
        terms = openings.Terms(plan=self.scene.plan, alarm_1=5_000, alarm_2=2_000, load_limit_w=8_000)
        row = openings.open_contract(
            openings.OpenCommand(
                key=key, circuit=self.scene.circuits[0], customer=Customer.objects.all()[0], terms=terms,
                till=self.scene.w1, actor=self.scene.alice, at=AT, act=act,
            )  # fmt: skip
        )
        while row.state in ("reading", "clearing", "writing") and row.job is not None:
            self.carry_out(row.job)
            opening_steps.advance(row.pk, at=AT)
            row.refresh_from_db()
        return row

    def settle(self, delivery: Delivery) -> str:
        assert delivery.job is not None
        self.carry_out(delivery.job)
        return str(deliveries.settle(delivery.pk, at=AT))

    def shown(self) -> tuple[int, int]:
        """Balance and purchase count, as the meter has them."""
        circuit = circuit_of(self.site, self.at_ms, NUMBER)
        return circuit["balance"], circuit["purchase_count"]

    def of(self, kind: AccountKind) -> int:
        return books(self.scene.company.pk).of(kind)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Callable[..., Plant]]:
    made: list[Plant] = []

    def build_one(profile: str, **opening: int) -> Plant:
        scene = build(1)
        Meter.objects.filter(pk=scene.circuits[0].meter_id).update(profile=profile, number=NUMBER)
        scene.circuits[0] = Circuit.objects.get(pk=scene.circuits[0].pk)
        site = world(tmp_path, meter(1, profile=profile, opening=opening))
        site.lines["a"].connect(1)
        made.append(Plant(scene=scene, site=site, profile=profile, at_ms=NOON_MS))
        return made[-1]

    yield build_one
    for each in made:
        assert audit_books() == []
        stop(each.site)


@pytest.mark.parametrize("profile", [ORDER, GRID])
def test_a_meter_is_opened_and_sold_to_like_any_other_that_holds_money(
    plant: Callable[..., Plant], profile: str
) -> None:
    here = plant(profile)
    row = here.open()
    assert (row.state, row.code) == ("done", "")
    supply = SupplyPoint.objects.get(circuit=here.scene.circuits[0], valid_to=None)
    assert (supply.custody, supply.credit_unit, supply.state) == ("meter", "CNY", "open")
    state = here.site.meters[NUMBER].circuits[1].state
    assert (state.alarm_level_1_wh, state.load_limit_w) == (5_000, 8_000)  # its price comes by a standby set
    for number, amount in enumerate((10_000, 2_345), 1):
        sale = here.scene.sell(amount_minor=amount, key=f"s{number}", contract_number=row.contract.number).sale
        assert here.settle(Delivery.objects.get(sale=sale)) == "confirmed"
        assert here.shown()[1] == number
    assert here.shown() == (12_345, 2)
    assert CircuitCredit.objects.get(circuit=here.scene.circuits[0]).purchase_count == 2
    assert (here.of(AccountKind.IN_DELIVERY), here.of(AccountKind.DEFERRED_INCOME)) == (0, 12_345)


def test_an_order_number_meter_gives_credit_back_and_is_closed_at_zero(plant: Callable[..., Plant]) -> None:
    here = plant(ORDER)
    row = here.open()
    supply = SupplyPoint.objects.get(circuit=here.scene.circuits[0], valid_to=None)
    sale = here.scene.sell(amount_minor=4_000, contract_number=row.contract.number).sale
    assert here.settle(Delivery.objects.get(sale=sale)) == "confirmed"
    closing = closings.close_contract(supply, key="c1", till=here.scene.w1, actor=here.scene.bob, at=AT)
    assert closing.job is not None
    here.carry_out(closing.job)
    opening_steps.advance(closing.pk, at=AT)
    closing.refresh_from_db()
    assert (closing.state, closing.code) == ("refused", "credit_unsettled")
    act = returns.give_back_sale(sale, reason="moves out", actor=here.scene.bob, key="r1", at=AT).act
    assert act.delivery is not None and here.settle(act.delivery) == "confirmed"
    assert here.shown() == (0, 2)
    assert here.of(AccountKind.REFUND_PAYABLE) == 4_000
    closing = closings.close_contract(supply, key="c2", till=here.scene.w1, actor=here.scene.bob, at=AT)
    assert closing.job is not None
    here.carry_out(closing.job)
    assert opening_steps.advance(closing.pk, at=AT) == "done"


def test_a_state_grid_meter_gives_nothing_back_and_that_is_said_before_anything_happens(
    plant: Callable[..., Plant]
) -> None:
    here = plant(GRID)
    row = here.open()
    sale = here.scene.sell(amount_minor=4_000, contract_number=row.contract.number).sale
    assert here.settle(Delivery.objects.get(sale=sale)) == "confirmed"
    before = Delivery.objects.count(), JobRow.objects.count()
    with pytest.raises(Refused) as refused:
        returns.give_back_sale(sale, reason="moves out", actor=here.scene.bob, key="r1", at=AT)
    assert refused.value.code == "return_not_supported"
    with pytest.raises(Refused) as refused:
        returns.give_back(
            contract_number=row.contract.number, circuit_id=here.scene.circuits[0].pk, credit=1_000, reason="moves out",
            actor=here.scene.bob, key="r2", at=AT,
        )  # fmt: skip
    assert refused.value.code == "return_not_supported"
    assert "退电" in message(refused.value.code, CHINESE)
    assert (Delivery.objects.count(), JobRow.objects.count()) == before


@pytest.mark.parametrize("profile", [ORDER, GRID])
def test_money_found_in_the_meter_is_taken_over_and_cannot_be_cleared(
    plant: Callable[..., Plant], profile: str
) -> None:
    here = plant(profile, balance_wh=1_250, purchase_count=7, purchased_total_wh=90_000)
    with pytest.raises(Refused) as refused:
        here.open(act=Opening.Act.CLEAR)
    assert refused.value.code == "clear_not_supported"
    row = here.open()
    assert row.state == "needs_act"
    with pytest.raises(Refused) as refused:
        openings.choose(row, Opening.Act.CLEAR, actor=here.scene.alice, at=AT)
    assert refused.value.code == "clear_not_supported"
    openings.choose(row, Opening.Act.TAKE_OVER, actor=here.scene.alice, at=AT)
    row.refresh_from_db()
    assert row.job is not None and here.carry_out(row.job).verdict is Verdict.DONE
    assert opening_steps.advance(row.pk, at=AT) == "done"
    assert here.of(AccountKind.DEFERRED_INCOME) == 1_250
    sale = here.scene.sell(amount_minor=750, contract_number=row.contract.number).sale
    assert here.settle(Delivery.objects.get(sale=sale)) == "confirmed"
    assert here.shown() == (2_000, 8)


def test_without_a_security_provider_no_state_grid_meter_is_opened(
    plant: Callable[..., Plant], settings: LazySettings
) -> None:
    settings.PREWATT_SECURITY = "none"
    here = plant(GRID)
    before = Opening.objects.count(), JobRow.objects.count()
    with pytest.raises(Refused) as refused:
        here.open()
    assert refused.value.code == "security_provider_missing"
    assert (Opening.objects.count(), JobRow.objects.count()) == before


def test_what_the_meter_refuses_stands_as_its_own_words_and_is_refunded(plant: Callable[..., Plant]) -> None:
    here = plant(GRID)
    row = here.open()
    here.site.meters[NUMBER].circuits[1].state.hoarding_limit_wh = 3_000
    sale = here.scene.sell(amount_minor=4_000, contract_number=row.contract.number).sale
    delivery = Delivery.objects.get(sale=sale)
    assert here.settle(delivery) == "refused"
    delivery.refresh_from_db()
    assert delivery.code == "meter_hoarding_limit"
    assert delivery.job is not None and delivery.job.values[Quantity.PURCHASE_COUNT.value] == 0
    assert here.of(AccountKind.IN_DELIVERY) == 4_000
