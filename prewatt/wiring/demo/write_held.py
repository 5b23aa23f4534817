"""Server-held circuits into the books: contracts, openings, and what was charged day by day."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from prewatt.office.billing import charges, supply
from prewatt.office.billing.openings import open_server_held
from prewatt.office.estate.history import KnownCustomer, load_customers
from prewatt.office.estate.taken_over import NewContract, add_contracts
from prewatt.wiring.demo.held import shared_with
from prewatt.wiring.demo.past import DAYS, marks_of
from prewatt.wiring.demo.places import Place
from prewatt.wiring.demo.write import ACTOR, ZONE, Estate

FIRST_NUMBER: Final = 30_200_001


def write_held_contracts(estate: Estate, wanted: Sequence[Place], *, now: datetime) -> dict[str, str]:
    """A contract for each tenant and its openings; meter number -> contract number.

    Readings follow, then `open_held`.
    """
    opened = now - timedelta(days=DAYS, hours=1)
    shared = shared_with(wanted)
    tenants = [place for place in wanted if place.number not in shared]
    known = [
        KnownCustomer(name=place.tenant, phone=place.phone, customer_class=place.customer_class) for place in tenants
    ]
    customers = load_customers(estate.company, known, actor=ACTOR, at=opened)
    rows = [
        NewContract(
            number=str(FIRST_NUMBER + place.unit - 1), customer=customer, opened_on=opened.astimezone(ZONE).date()
        )
        for place, customer in zip(tenants, customers, strict=True)
    ]
    made = dict(
        zip([place.number for place in tenants], add_contracts(estate.site, rows, actor=ACTOR, at=opened), strict=True)
    )
    for place in wanted:
        open_server_held(
            made[shared.get(place.number, place.number)], estate.circuits[place.number], estate.plans[place.plan],
            overdraft=place.overdraft, alarm_1=place.alarm_1, alarm_2=place.alarm_2, valid_from=opened, actor=ACTOR,
            at=opened,
        )  # fmt: skip
    return {place.number: made[shared.get(place.number, place.number)].number for place in wanted}


def open_held(*, now: datetime) -> None:
    """The first reading of the past is the opening reading."""
    charges.sweep(at=marks_of(now, ZONE).hours[0])


def charge_held(*, now: datetime) -> int:
    """What was used, charged at each local midnight as a running site would have, and up to now; how many charges.
    Then the supply is decided, so that the wishes stand before the head-end asks."""
    midnights = [at for at in marks_of(now, ZONE).hours if at.astimezone(ZONE).hour == 0 and at.minute == 0]
    made = sum(charges.sweep(at=at) for at in [*midnights, now])
    supply.sweep(at=now)
    return made
