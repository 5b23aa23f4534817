"""Load the demo: the estate, sixty days of past, the people, and the file that the simulator plays."""

import json
import logging
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from django.db import connection, transaction

from prewatt.office.estate.models import Company
from prewatt.wiring.demo import site_file, trade, write, write_held, write_keypads
from prewatt.wiring.demo.held import held_pasts, held_places
from prewatt.wiring.demo.keypads import keypad_places
from prewatt.wiring.demo.money import money_past, money_places
from prewatt.wiring.demo.past import DAYS, past_of
from prewatt.wiring.demo.places import LINES, MODEM_LINE, places
from prewatt.wiring.home import DEMO_NAME, SITE_NAME, write_private

logger = logging.getLogger(__name__)


def load(home: Path, *, at: datetime, taken: Collection[int] = (), dial_in: int = 0) -> bool:
    """Load the demo unless a company exists already; True when it was loaded.

    The database is written in one transaction: a load that was killed leaves nothing and runs again. The
    simulator's file and the logins are written before the commit, so that they are there when the site is.
    `taken`: ports that no simulated line may have, also while nobody listens on them yet. `dial_in`: where the
    head-end is told to listen; 0: at a port of the demo's own.
    """
    if Company.objects.exists():
        return False
    wanted = places()
    ports = dict(zip([line.key for line in LINES], site_file.free_ports(home, len(LINES), taken), strict=True))
    pasts = {place.number: past_of(place, now=at, zone=write.ZONE) for place in wanted}
    ports[MODEM_LINE] = dial_in or ports[MODEM_LINE]
    held, held_past = held_pasts(held_places(), now=at, zone=write.ZONE)
    keypads = keypad_places()
    paid = money_places()
    wanted, pasts = [*wanted, *held, *paid], {**pasts, **held_past}
    pasts |= {place.number: money_past(place, now=at, zone=write.ZONE) for place in paid}
    with transaction.atomic():
        estate = write.write_estate(wanted, ports, now=at)
        staff = trade.write_staff(estate, at=estate.company_since)
        tokens = write_keypads.write_keypads(estate, staff, keypads, home=home, now=at)
        contracts = write.write_contracts(estate, wanted, now=at)
        contracts |= write_held.write_held_contracts(estate, held, now=at)
        seen = write_keypads.round_readings(estate, keypads, tokens, now=at)
        readings = write.write_readings(estate, wanted, pasts, seen, now=at)
        write_held.open_held(now=at)
        sales = trade.write_sales(estate, staff, wanted, pasts, contracts, tokens, now=at)
        charges = write_held.charge_held(now=at)
        alarms = trade.write_alarms(estate, wanted, pasts, now=at)
        trade.write_events(estate, wanted, pasts, now=at)
        write.write_wishes(estate, wanted, now=at)
        site_file.write_site(home / SITE_NAME, wanted, pasts, ports, write_keypads.site_keypads(keypads))
        told = {"api_key": staff.api_key, "logins": list(staff.logins)}
        write_private(home / DEMO_NAME, json.dumps(told, ensure_ascii=False) + "\n")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # the planner has seen an empty database so far
    logger.info("demo loaded: %d circuits, %d days, %d readings, %d sales, %d charges, %d alarms",
                len(wanted) + len(keypads), DAYS, readings, sales, charges, alarms)  # fmt: skip
    return True
