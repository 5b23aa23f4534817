"""One client of the sale bench: sells to its own circuits, one after the other, until the time is over.

`python -m prewatt.wiring.bench.seller FIRST COUNT TILL SECONDS KEY`: circuits FIRST to FIRST + COUNT - 1, says "ready",
waits for a line, sells, says {"sales", "seconds"}.
"""

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

AMOUNT_MINOR = 5000  # 50 yuan


def main(arguments: Sequence[str]) -> int:
    first, count, till, seconds = map(int, arguments[:4])
    key = arguments[4]
    import django

    django.setup(set_prefix=False)
    from django.db import connection

    from prewatt.office.staff.actors import Actor
    from prewatt.office.staff.models import Role
    from prewatt.office.vending.sales import SellCommand, sell_once

    actor = Actor(key="operator:1", name="Bench", role=Role.CASHIER, operator_id=1)

    def sell(number: int) -> None:
        sell_once(
            SellCommand(
                key=f"{key}-{number}", contract_number=f"3{first + number:09d}", circuit_id=first + number, till_id=till,
                amount_minor=AMOUNT_MINOR, actor=actor, at=datetime.now(UTC),
            )  # fmt: skip
        )

    connection.ensure_connection()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    began = time.perf_counter()
    until, sales = began + seconds, 0
    while sales < count and time.perf_counter() < until:
        sell(sales)
        sales += 1
    sys.stdout.write(json.dumps({"sales": sales, "seconds": time.perf_counter() - began}) + "\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
