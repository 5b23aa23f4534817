"""One client of the sale bench: sells to its own circuits, one after the other, until the time is over.

`python -m prewatt.wiring.bench.seller FIRST COUNT TILL SECONDS KEY`: circuits FIRST to FIRST + COUNT - 1. It warms up,
says "ready", waits for a line, sells, says {"sales", "booked", "seconds"}.
"""

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

AMOUNT_MINOR = 5000  # 50 yuan
WARM_UP = 10  # sales before the clock starts: a till is opened once a day, its session plans its statements once


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
        command = SellCommand(
            key=f"{key}-{number}", contract_number=f"3{first + number:09d}", circuit_id=first + number, till_id=till,
            amount_minor=AMOUNT_MINOR, actor=actor, at=datetime.now(UTC),
        )  # fmt: skip
        sell_once(command)

    connection.ensure_connection()
    for number in range(WARM_UP):
        sell(number)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    began = time.perf_counter()
    until, number = began + seconds, WARM_UP
    while number < count and time.perf_counter() < until:
        sell(number)
        number += 1
    sys.stdout.write(
        json.dumps({"sales": number - WARM_UP, "booked": number, "seconds": time.perf_counter() - began}) + "\n"
    )
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
