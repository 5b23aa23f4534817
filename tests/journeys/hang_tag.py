"""Set-up only, run as a process of its own: a maintenance tag on the circuit of one meter, for a day.

    python -m tests.journeys.hang_tag METER_NUMBER
"""

import os
import sys
from datetime import UTC, datetime, timedelta

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "prewatt.wiring.settings"
django.setup()

from prewatt.office.estate.models import Circuit  # noqa: E402  Django must stand first
from prewatt.office.metering.wishes import hang_tag  # noqa: E402


def main(number: str) -> None:
    at = datetime.now(UTC)
    circuit = Circuit.objects.get(meter__number=number)
    hang_tag(circuit, name="王工", reason="接线", until=at + timedelta(days=1), actor="operator:test", at=at)


if __name__ == "__main__":
    main(sys.argv[1])
