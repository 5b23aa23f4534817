"""What a key-change campaign is measured over: meters written straight into the tables, two vending keys."""

import os
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from prewatt.office.estate.models import Company, Gateway, Line, Site
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.models import Role
from prewatt.office.tokens import campaigns, keys
from prewatt.office.tokens.models import Campaign
from prewatt.office.tokens.rack import Rack, seal_of
from prewatt.office.tokens.sealed import KEY_BYTES, SealedVault, Secret
from prewatt.wiring.bench_sts import meter_pans, vending_key

PER_LINE: Final = 30_000  # no bus is so long; the campaign does not look at buses
_ADMINISTRATOR: Final = Actor(key="operator:1", name="Bench", role=Role.ADMINISTRATOR, operator_id=1)
_MANAGER: Final = Actor(key="operator:2", name="Bench", role=Role.MANAGER, operator_id=2)
_METERS: Final = """
WITH made AS (
    INSERT INTO estate_meter (site_id, number, profile, line_id, unit, ct_ratio)
    SELECT %s, pan, 'pilot-spm9511', %s, place, 1 FROM unnest(%s::text[]) WITH ORDINALITY AS u (pan, place)
    RETURNING id, site_id, number)
INSERT INTO tokens_stsmeter (site_id, meter_id, meter_pan, ea, tct, dkga, sgc, ti, krn, kt, ken, base_date,
    three_tokens, credit_kind, revision, changed_at)
SELECT site_id, id, number, '07', '02', '04', '123456', '01', 1, 2, 255, 2014, false, 0, 1, %s FROM made
"""


def estate(meters: int, *, at: datetime) -> tuple[Rack, Campaign]:
    """The open vault and the running campaign over all meters. The database must be empty."""
    company = Company.objects.create(name="Bench", currency="CNY", exponent=2)
    site = Site.objects.create(company=company, code="bench", name="Bench")
    gateway = Gateway.objects.create(site=site, code="G", name="G", host="127.0.0.1")
    with transaction.atomic(), connection.cursor() as cursor:
        for first in range(0, meters, PER_LINE):
            line = Line.objects.create(gateway=gateway, code=str(first // PER_LINE), transport="rtu-over-tcp", port=1)
            pans = meter_pans(min(PER_LINE, meters - first), first=first)
            cursor.execute(_METERS, [site.pk, line.pk, pans, at])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE estate_meter, tokens_stsmeter")
    secret = Secret(kind="key_file", value=os.urandom(KEY_BYTES))
    vault = SealedVault(seal_of(secret, at), secret, production=False)
    _, new = (keys.seal_in(vault, vending_key(krn=krn), company_id=None, actor=_ADMINISTRATOR, at=at) for krn in (1, 2))
    drafted = campaigns.draft(
        site, campaigns.Selection(sgc="123456"), name="bench", new_key=new, request_key="bench", actor=_MANAGER, at=at
    )
    return Rack(vaults={"sealed": vault}), campaigns.step(drafted, "start", actor=_MANAGER, at=at)
