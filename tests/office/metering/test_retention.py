"""Old jobs go where nobody needs them: reads after a week, relay commands after a quarter, orders never."""

from datetime import timedelta

import pytest

from prewatt.office.metering import retention
from prewatt.office.metering.models import JobRow
from tests.cast import NOON, assemble

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("intent", "then_task", "state", "days", "kept"),
    [
        ("read_status", "", "done", 6, True),
        ("read_status", "", "done", 8, False),
        ("read_registers", "", "dropped", 8, False),
        ("read_status", "", "queued", 8, True),
        ("read_purse", "vending.opening", "done", 400, True),
        ("relay", "metering.relay_done", "done", 89, True),
        ("relay", "metering.relay_done", "done", 91, False),
        ("credit", "vending.settle", "done", 400, True),
    ],
)
def test_what_is_kept(intent: str, then_task: str, state: str, days: int, kept: bool) -> None:
    cast = assemble()
    circuit = cast.shop_101
    JobRow.objects.create(
        site_id=circuit.site_id, gateway_id=cast.gateway.pk, line_id=cast.line.pk,
        meter_id=circuit.meter_id, circuit=circuit, key="k", intent=intent, payload={}, priority=1, state=state,
        due_at=NOON, created_at=NOON, then_task=then_task, actor="test", claimed_by="", verdict="", code="",
        finished_at=None if state == "queued" else NOON - timedelta(days=days),
    )  # fmt: skip
    assert retention.sweep(at=NOON) == (0 if kept else 1)
    assert JobRow.objects.exists() is kept
