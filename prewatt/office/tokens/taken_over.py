"""STS attributes of many meters at once, from a spreadsheet: the trail of single registrations, few statements."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from prewatt.office.estate.history import BATCH
from prewatt.office.estate.models import Meter, Site
from prewatt.office.staff.audit import Deed, audit_all
from prewatt.office.tokens.meters import Attributes, shown
from prewatt.office.tokens.models import StsMeter


def register_all(
    site: Site, rows: Sequence[tuple[Meter, Attributes]], *, actor: str, at: datetime
) -> list[StsMeter]:
    """Attributes that `meters.checked` accepted, for meters that have none. What somebody wrote meanwhile shows as an
    IntegrityError, and nothing is written then."""
    with transaction.atomic():
        made = StsMeter.objects.bulk_create(
            [
                StsMeter(
                    site=site, meter=meter, changed_at=at,
                    **{name: getattr(given, name) for name in Attributes.__dataclass_fields__},
                )
                for meter, given in rows
            ],
            batch_size=BATCH,
        )  # fmt: skip
        audit_all(
            [
                Deed(
                    action="tokens.register", site_id=site.pk, object_type="meter", object_id=str(each.meter_id),
                    after=shown(each),
                )
                for each in made
            ],
            actor=actor,
            at=at,
        )  # fmt: skip
    return made
