"""From what the head-end copies in to what is charged: the intake's own marks, not a test's."""

from datetime import datetime, timedelta

import pytest
from django.db import connection

from prewatt.office.billing import charges
from prewatt.office.metering.clock import database_now
from prewatt.office.metering.displays import displays_json
from tests.office.billing.scene import Shop, query, waiting

pytestmark = pytest.mark.django_db
END_WH = 1_000_000_000  # of the display: 6 digits and 2 decimals


def told(shop: Shop, at: datetime, wh: int) -> int:
    """One poll: copied in, judged, swept; how many charges it made."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT metering_incoming()")
        cursor.execute(
            "INSERT INTO incoming (site_id, circuit_id, at, full_read, source, energy_wh, relay, status)"
            " VALUES (%s, %s, %s, false, 0, %s, 1, 0)",
            [shop.circuit.site_id, shop.circuit.pk, at, wh],
        )
        cursor.execute("SELECT metering_absorb(ARRAY['credit_trip'], %s)", [displays_json({})])
        cursor.execute("DELETE FROM incoming")
    return charges.sweep(at=at)


def test_a_meter_that_rolls_over_lies_and_repeats_itself_is_charged_for_what_was_used() -> None:
    begins = database_now() - timedelta(hours=2)
    shop = waiting(valid_from=begins)
    minute = timedelta(minutes=1)
    polls = [
        (0, END_WH - 500),  # the opening reading
        (1, END_WH - 200),  # + 300
        (2, 100),  # + 300, over the end
        (3, 100),
        (4, 5_000_000),  # a jump
        (5, 400),  # true: back where it can have come from
        (6, 400),
        (7, 0),  # backward
        (8, 700),
        (6.5, 390),  # late
        (9, 1_000),
    ]
    made = [told(shop, begins + n * minute, wh) for n, wh in polls]

    marks = query("SELECT quality FROM metering_reading WHERE circuit_id = %s ORDER BY at, quality", [shop.circuit.pk])
    assert [mark for (mark,) in marks] == [0, 0, 0, 0, 2, 0, 0, 3, 1, 0, 0]
    assert made == [0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 1]
    assert sum(charge.wh for charge in shop.charges) == 500 + 1_000
    assert shop.balance == -138
