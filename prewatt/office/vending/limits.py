"""Smallest and largest sale of a site."""

from datetime import datetime
from typing import Final

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.core.units import MAX_AMOUNT_MINOR
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.vending import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.vending.models import SaleLimit

# For sites without a row of their own. In minor units: 1.00 and 50,000.00 of CNY.
DEFAULT_SMALLEST_MINOR: Final = 100
DEFAULT_LARGEST_MINOR: Final = 5_000_000
MAX_KEY: Final = 64  # characters of a request key; a UUID has 36


def limits_of(site_id: int) -> tuple[int, int]:
    """(smallest, largest) sale of a site, minor units."""
    row = SaleLimit.objects.filter(site_id=site_id).first()
    return (row.smallest_minor, row.largest_minor) if row else (DEFAULT_SMALLEST_MINOR, DEFAULT_LARGEST_MINOR)


def set_limits(*, site_id: int, smallest_minor: int, largest_minor: int, actor: Actor, at: datetime) -> None:
    """Raises Refused `limits_malformed`, `not_permitted`."""
    actor.require(Act.LIMITS)
    if not 0 < smallest_minor <= largest_minor <= MAX_AMOUNT_MINOR:
        raise Refused("limits_malformed")
    with transaction.atomic():
        before = limits_of(site_id)
        SaleLimit.objects.update_or_create(
            site_id=site_id,
            defaults={"smallest_minor": smallest_minor, "largest_minor": largest_minor, "updated_at": at},
        )
        audit(
            at=at,
            actor=actor.key,
            action="vending.limits",
            site_id=site_id,
            object_type="site",
            object_id=str(site_id),
            before={"smallest_minor": before[0], "largest_minor": before[1]},
            after={"smallest_minor": smallest_minor, "largest_minor": largest_minor},
        )


def check_key(key: str) -> str:
    """The request key. Raises Refused `key_required` unless it is 1-64 printable ASCII characters."""
    if not 1 <= len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
        raise Refused("key_required")
    return key
