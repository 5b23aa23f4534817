"""What the database itself refuses to change, and a disk that is full: in SQL, below every verb."""

import pytest
from django.db import DatabaseError, connection, transaction

from prewatt.core.refusals import Refused
from prewatt.office.ledger.models import Account, Entry
from prewatt.office.metering.models import JobRow
from prewatt.office.payments.models import Payment
from prewatt.office.staff.models import AuditRow
from prewatt.office.vending.models import Act, CircuitCredit, Delivery, DeliveryStep, Receipt, Sale, Till
from prewatt.office.vending.reversals import reverse
from tests.office.vending.scene import AT, Scene, build

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    made = build()
    made.sell()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # as after a commit
    return made


def state_of(sql: str) -> str:
    """The SQLSTATE that a statement ends with."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    return str(getattr(caught.value.__cause__, "sqlstate", ""))


REFUSED = "PW002"
TABLES = (
    "vending_sale", "vending_deliverystep", "vending_receipt", "estate_planversion", "ledger_entry", "ledger_transfer",
    "ledger_account", "ledger_closedday", "staff_auditrow",
)  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_no_row_of_the_record_is_deleted_or_emptied(scene: Scene, table: str) -> None:
    assert state_of(f"DELETE FROM {table}") == REFUSED or table == "ledger_closedday"
    # one that others point at is refused before its trigger is asked, cascading or not
    assert state_of(f"TRUNCATE {table}") in (REFUSED, "0A000")
    assert state_of(f"TRUNCATE {table} CASCADE") == REFUSED


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE vending_sale SET amount_minor = amount_minor + 1",
        "UPDATE vending_sale SET state = 'reversed', credit = credit + 1",
        "UPDATE vending_sale SET state = 'sold'",
        "UPDATE vending_deliverystep SET at = at + interval '1 second'",
        "UPDATE vending_receipt SET data = '{}'",
        "UPDATE vending_receipt SET number = number + 1",
        "UPDATE vending_receipt SET prints = prints - 1",
        "UPDATE vending_receipt SET sale_id = NULL",
        "UPDATE estate_planversion SET price = price * 2",
        "UPDATE ledger_entry SET reason = 'x'",
        "UPDATE ledger_transfer SET amount_minor = 1",
        "UPDATE staff_auditrow SET actor = 'nobody'",
    ],
)
def test_no_row_of_the_record_is_changed(scene: Scene, sql: str) -> None:
    assert state_of(sql) == REFUSED


def test_what_may_change_does(scene: Scene) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE vending_receipt SET prints = prints + 1")
        cursor.execute("UPDATE vending_sale SET state = 'reversed'")
    assert (Receipt.objects.get().prints, Sale.objects.get().state) == (1, "reversed")


COUNTED = (Sale, Delivery, DeliveryStep, Receipt, Payment, Act, JobRow, Entry, Account, AuditRow)


def standing() -> tuple[object, ...]:
    """All that a sale or an act could have left behind."""
    return (
        *(model._default_manager.count() for model in COUNTED),
        *Till.objects.order_by("pk").values_list("next_receipt", flat=True),
        *CircuitCredit.objects.order_by("pk").values_list("carried_minor", "purchase_count"),
    )


def fill_disk(table: str) -> None:
    """From here on the table takes no row more: what the server says when the disk is full."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION pg_temp.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
        )
        cursor.execute(f"CREATE TRIGGER aa_full BEFORE INSERT ON {table} EXECUTE FUNCTION pg_temp.full()")


@pytest.mark.parametrize(
    "table",
    [
        "ledger_entry", "ledger_transfer", "payments_payment", "vending_sale", "metering_job", "vending_delivery",
        "vending_deliverystep", "staff_auditrow", "vending_receipt",
    ],
)  # fmt: skip
def test_no_sale_is_taken_that_cannot_be_kept(scene: Scene, table: str) -> None:
    before = standing()
    fill_disk(table)
    with pytest.raises(Refused) as caught, transaction.atomic():
        scene.sell(1, key="k2")
    assert (caught.value.code, caught.value.retry) == ("storage_full", True)
    assert standing() == before


@pytest.mark.parametrize("table", ["ledger_entry", "payments_payment", "vending_act", "vending_receipt"])
def test_no_reversal_is_half_done_on_a_full_disk(scene: Scene, table: str) -> None:
    sale, before = Sale.objects.get(), standing()
    fill_disk(table)
    with pytest.raises(Refused) as caught, transaction.atomic():
        reverse(sale, reason="x", actor=scene.alice, key="r", at=AT)
    assert caught.value.code == "storage_full"
    assert standing() == before
    assert (Sale.objects.get().state, JobRow.objects.get().state) == ("sold", "queued")
