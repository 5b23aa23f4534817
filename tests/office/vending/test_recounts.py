"""After a restore from last night: the meters counted on, and no order goes out on a count that was not read."""

from datetime import timedelta

import pytest
from django.db import connection

from prewatt.core.refusals import Refused
from prewatt.office.vending import recounts
from prewatt.office.vending.models import CircuitCredit, Delivery
from tests.office.vending.scene import AT, Scene, build

pytestmark = pytest.mark.django_db
RESTORED = AT + timedelta(hours=9)
READ = RESTORED + timedelta(minutes=1)


@pytest.fixture
def scene() -> Scene:
    return build()


def read(scene: Scene, n: int = 0, *, count: int, balance: int, energy_wh: int = 1_000_000, late: bool = True) -> None:
    """A poll of a circuit: since the restore, or (not `late`) before the backup."""
    at = READ if late else AT - timedelta(minutes=1)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_latest (site_id, circuit_id, at, full_at, energy_wh, balance, purchase_count, relay)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, 1) ON CONFLICT (site_id, circuit_id) DO UPDATE SET at = excluded.at,"
            " full_at = excluded.full_at, energy_wh = excluded.energy_wh, balance = excluded.balance,"
            " purchase_count = excluded.purchase_count",
            [scene.site.pk, scene.circuits[n].pk, at, at, energy_wh, balance, count],
        )


def state_of(scene: Scene, n: int = 0) -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT state, code FROM vending_recount WHERE circuit_id = %s", [scene.circuits[n].pk])
        [row] = cursor.fetchall()
    return row[0], row[1]


def held(scene: Scene, n: int = 0) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM metering_credithold WHERE circuit_id = %s)", [scene.circuits[n].pk])
        return bool(cursor.fetchone()[0])


def claimed(scene: Scene) -> list[int]:
    """What the mailbox gives a head-end that owns the gateway now: circuits of its jobs."""
    gateway = scene.gateway.pk
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_gatewaylease (gateway_id, owner, epoch, valid_until) VALUES (%s, 'h', 7,"
            " clock_timestamp() + interval '1 h') ON CONFLICT (gateway_id) DO UPDATE SET owner = 'h', epoch = 7",
            [gateway],
        )
        cursor.execute(
            "SELECT circuit_id FROM metering_claim('h', ARRAY[%s]::bigint[], ARRAY[7]::bigint[], 50)", [gateway]
        )
        return [row[0] for row in cursor.fetchall()]


def books_count(scene: Scene, n: int = 0) -> int:
    return CircuitCredit.objects.get(pk=scene.circuits[n].pk).purchase_count


def test_no_order_leaves_before_the_count_was_read_and_it_leaves_when_it_agrees(scene: Scene) -> None:
    count = books_count(scene)
    read(scene, count=count, balance=90_000, late=False)
    assert recounts.begin(at=RESTORED) == len(scene.circuits)
    scene.sell()
    assert claimed(scene) == []
    assert recounts.look(at=READ) == 0
    read(scene, count=count, balance=90_000)
    assert recounts.look(at=READ) == 1
    assert state_of(scene) == ("agreed", "") and not held(scene)
    assert claimed(scene) == [scene.circuits[0].pk]
    assert held(scene, 1), "its neighbour was not read"


def test_a_higher_count_is_disputed_with_the_order_that_would_have_looked_like_one_the_meter_has_had(
    scene: Scene,
) -> None:
    count = books_count(scene)
    recounts.begin(at=RESTORED)
    sale = scene.sell().sale
    read(scene, count=count + 1, balance=140_000)  # sold after the backup, for the same amount perhaps
    recounts.look(at=READ)
    assert state_of(scene) == ("disputed", "count_higher")
    delivery = Delivery.objects.get(sale_id=sale.pk)
    assert (delivery.state, delivery.code, delivery.read_count) == ("disputed", "count_moved", count + 1)
    assert claimed(scene) == [] and books_count(scene) == count, "nothing is overwritten"
    [listed, _] = recounts.listed()
    assert (listed.books_count, listed.read_count, listed.code) == (count, count + 1, "count_higher")


def test_an_order_that_was_open_in_the_backup_explains_one_count_and_goes_on(scene: Scene) -> None:
    count = books_count(scene)
    scene.sell()
    recounts.begin(at=RESTORED)
    read(scene, count=count + 1, balance=140_000)
    recounts.look(at=READ)
    assert state_of(scene) == ("agreed", "")
    assert claimed(scene) == [scene.circuits[0].pk], "its conversation reads the witness first"


def test_a_sale_on_a_disputed_circuit_is_refused(scene: Scene) -> None:
    recounts.begin(at=RESTORED)
    read(scene, count=books_count(scene) + 2, balance=140_000)
    recounts.look(at=READ)
    with pytest.raises(Refused) as refused:
        scene.sell()
    assert refused.value.code == "recount_disputed"


@pytest.mark.parametrize(
    ("balance", "energy_wh", "expected"),
    [
        (90_000, 1_000_000, ("agreed", "")),
        (60_000, 1_030_000, ("agreed", "")),  # 30 kWh used
        (90_010, 1_000_000, ("disputed", "balance_higher")),
        (20_000, 1_030_000, ("disputed", "balance_lower")),  # 70 kWh gone, 30 used
    ],
)  # fmt: skip
def test_a_balance_that_use_does_not_explain_is_disputed_though_the_count_agrees(
    scene: Scene, balance: int, energy_wh: int, expected: tuple[str, str]
) -> None:
    count = books_count(scene)
    read(scene, count=count, balance=90_000, late=False)
    recounts.begin(at=RESTORED)
    read(scene, count=count, balance=balance, energy_wh=energy_wh)
    recounts.look(at=READ)
    assert state_of(scene) == expected
    assert not held(scene), "the count is the key of an order, and it is right"


def test_a_meter_that_counts_lower_was_changed_and_needs_a_person(scene: Scene) -> None:
    recounts.begin(at=RESTORED)
    read(scene, count=books_count(scene) - 1, balance=0)
    recounts.look(at=READ)
    assert state_of(scene) == ("disputed", "count_lower") and held(scene)


def test_a_person_takes_the_meters_count_over_and_the_next_order_follows_it(scene: Scene) -> None:
    count = books_count(scene)
    recounts.begin(at=RESTORED)
    read(scene, count=count + 2, balance=140_000)
    recounts.look(at=READ)
    circuit = scene.circuits[0].pk
    with pytest.raises(Refused) as other:
        recounts.settle(circuit, purchase_count=count + 1, reason="seen", actor=scene.bob, at=READ)
    assert other.value.code == "count_moved"
    with pytest.raises(Refused) as cashier:
        recounts.settle(circuit, purchase_count=count + 2, reason="seen", actor=scene.alice, at=READ)
    assert cashier.value.code == "not_permitted"
    recounts.settle(circuit, purchase_count=count + 2, reason="two slips of yesterday", actor=scene.bob, at=READ)
    assert not held(scene) and books_count(scene) == count + 2
    sale = scene.sell().sale
    assert Delivery.objects.get(sale_id=sale.pk).expected_count == count + 3
    assert claimed(scene) == [circuit]
    with pytest.raises(Refused) as again:
        recounts.settle(circuit, purchase_count=count + 2, reason="twice", actor=scene.bob, at=READ)
    assert again.value.code == "recount_not_disputed"


def test_a_second_restore_begins_anew(scene: Scene) -> None:
    recounts.begin(at=RESTORED)
    read(scene, count=books_count(scene) + 2, balance=140_000)
    recounts.look(at=READ)
    assert recounts.begin(at=READ + timedelta(hours=1)) == len(scene.circuits)
    assert state_of(scene) == ("waiting", "") and recounts.look(at=READ + timedelta(hours=1)) == 0
