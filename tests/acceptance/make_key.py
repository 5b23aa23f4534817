"""Set-up only, run as a process of its own: an operator for one building (or none), and a key. Prints the key.

    python -m tests.acceptance.make_key USERNAME ROLE BUILDING_ID|none
"""

import os
import secrets
import sys
from datetime import UTC, datetime

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "prewatt.wiring.settings"
django.setup()

from prewatt.office.staff import keys, operators  # noqa: E402  Django must stand first
from prewatt.office.staff.models import Role  # noqa: E402
from prewatt.office.vending.models import Till  # noqa: E402


def main(username: str, role: str, building: str) -> str:
    """The secret of the new key. Its till is the one that needs no shift."""
    at = datetime.now(UTC)
    operator = operators.add(
        username=username, name=username, role=Role(role), password=secrets.token_urlsafe(16), actor=None, at=at
    )
    if building != "none":
        operators.give_scope(operator, building_id=int(building), actor=None, at=at)
    till = Till.objects.filter(needs_shift=False).order_by("pk").first()
    made = keys.make(name=username, operator=operator, till_id=till.pk if till else None, actor=None, at=at)
    return made.secret


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:4]) + "\n")
