"""The demo's STS meters into the books and into the simulated site: keys, meters, contracts, and what was sold."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from prewatt.core.sts import BaseDate, Ea, tid_of
from prewatt.office.estate import places, wires
from prewatt.office.estate.history import KnownCustomer, load_customers
from prewatt.office.estate.models import Carrier, Circuit
from prewatt.office.metering.history import PastReading
from prewatt.office.staff.actors import of_operator
from prewatt.office.tokens import keys, meters, opened
from prewatt.office.tokens.models import StsMeter, TokenRequest
from prewatt.office.tokens.rack import Rack, open_software
from prewatt.office.tokens.sealed import SealedVault
from prewatt.office.vending.opening_history import PastOpening, load_openings
from prewatt.wiring.demo.keypads import (
    BASE,
    BESIDE,
    BUILDING,
    FLOOR,
    IN_HAND,
    MADE_BEFORE,
    PROFILE,
    PUBLIC_KEYS,
    SGC,
    TI,
    KeypadPlace,
    energy_wh,
    purchases,
    use_wh,
    vending_key,
)
from prewatt.wiring.demo.past import DAYS
from prewatt.wiring.demo.places import DORM
from prewatt.wiring.demo.token_sales import Tokens
from prewatt.wiring.demo.trade import Staff
from prewatt.wiring.demo.write import ACTOR, ZONE, Estate
from prewatt.wiring.home import VAULT_NAME

AREA_DM2: Final = 2_400
READ_BEFORE_H: Final = 3
PEAK_W: Final = 2_400


def write_keypads(estate: Estate, staff: Staff, wanted: Sequence[KeypadPlace], *, home: Path, now: datetime) -> Tokens:
    """Two vending keys in a vault of this home, meters with their STS attributes, and open contracts."""
    hung, opened_at = estate.company_since, now - timedelta(days=DAYS, hours=1)
    admin = of_operator(staff.operators["admin"])
    vault = _vault(home, at=hung)
    for krn in PUBLIC_KEYS:
        keys.seal_in(vault, vending_key(krn), company_id=None, actor=admin, at=hung)
    circuits = {}
    for place in wanted:
        room = places.add_room(
            estate.buildings[BUILDING], floor=FLOOR, code=place.room, name="", area_dm2=AREA_DM2, actor=ACTOR, at=hung
        )
        meter = wires.add_keypad_meter(
            estate.site, number=place.number, profile=PROFILE, room=room, actor=ACTOR, at=hung
        )
        meters.register(meter, attributes(place), actor=admin, at=hung)
        circuits[place.room] = Circuit.objects.select_related("meter").get(meter=meter)
    people = [KnownCustomer(name=each.tenant, phone=each.phone, customer_class="学生宿舍") for each in wanted]
    customers = load_customers(estate.company, people, actor=ACTOR, at=opened_at)
    load_openings(
        [
            PastOpening(
                number=place.contract, circuit=circuits[place.room], customer=customer, plan=estate.plans[DORM],
                opened_at=opened_at, alarm_1=0, alarm_2=0, overdraft=0, hoarding_limit=0, load_limit_w=0,
                purchase_count=0, carrier=Carrier.TOKEN,
            )
            for place, customer in zip(wanted, customers, strict=True)
        ],
        actor=ACTOR,
        at=opened_at,
    )  # fmt: skip
    return Tokens(
        rack=Rack(vaults={vault.provider: vault}), circuits=circuits, purchases=purchases(wanted, now=now, zone=ZONE),
        contracts={place.room: place.contract for place in wanted},
    )  # fmt: skip


def round_readings(
    estate: Estate, wanted: Sequence[KeypadPlace], tokens: Tokens, *, now: datetime
) -> Iterator[PastReading]:
    """What somebody who went round three hours ago read on the displays: all that is known of meters on no line."""
    for place in wanted:
        used_wh = use_wh(place, READ_BEFORE_H)
        bought = sum(each.room == place.room for each in tokens.purchases)
        yield PastReading(
            site_id=estate.site.pk, circuit_id=tokens.circuits[place.room].pk,
            at=now - timedelta(hours=READ_BEFORE_H), energy_wh=energy_wh(place) - used_wh, power_w=0,
            balance=place.balance_wh + used_wh,
            purchase_count=bought - (place.room in IN_HAND), relay=1, status=0,
        )  # fmt: skip


def attributes(place: KeypadPlace) -> meters.Attributes:
    """What is on the meter's label."""
    return meters.Attributes(
        meter_pan=place.meter_pan, ea=place.ea, dkga="04", sgc=SGC, ti=TI, krn=1, kt=2, base_date=BASE
    )


def _vault(home: Path, *, at: datetime) -> SealedVault:
    """The vault that the settings name; where they name none, a key file made in this home."""
    told: dict[str, Any] = settings.PREWATT_VAULT
    if not told["key_file"] and not told["passphrase_file"]:
        told = {**told, "key_file": str(home / VAULT_NAME), "demo_key_file": True}
    vault = open_software(opened.software_settings(told), at=at)
    assert vault is not None, "a secret is named"
    return vault


def site_keypads(wanted: Sequence[KeypadPlace]) -> list[dict[str, Any]]:
    """The same meters for the simulated site: with the keys they hold, and the tokens that were entered."""
    key, found = vending_key(1), []
    for place in wanted:
        held = key.decoder_key(meter_pan=place.meter_pan, ti=TI, ea=Ea(place.ea))
        found.append(
            {
                "number": place.number, "place": place.room, "profile": PROFILE, "line": BESIDE,
                "unit": place.unit,
                "key": {
                    "ea": place.ea, "value": held.value.hex(), "meter_pan": place.meter_pan, "sgc": SGC, "ti": TI,
                    "krn": 1, "kt": 2, "ken": held.ken, "base_date": BASE,
                },
                "made_tid": _made_tid(place), "taken_tids": _entered(place),
                "opening": {
                    "balance_wh": place.balance_wh, "energy_wh": energy_wh(place),
                    "purchase_count": len(_entered(place)),
                },
                "load": {"kind": "dorm", "annual_kwh": place.annual_kwh, "peak_w": PEAK_W, "seed": place.seed},
            }
        )  # fmt: skip
    return found


def _made_tid(place: KeypadPlace) -> int:
    changed: datetime = StsMeter.objects.values_list("changed_at", flat=True).get(meter_pan=place.meter_pan)
    return tid_of(changed - MADE_BEFORE, BaseDate.of(BASE))


def _entered(place: KeypadPlace) -> list[int]:
    """What was sold and is no longer in the customer's hand."""
    rows = TokenRequest.objects.filter(meter_pan=place.meter_pan, tid__isnull=False).order_by("tid")
    tids = [int(tid) for tid in rows.values_list("tid", flat=True) if tid is not None]
    return tids[:-1] if place.room in IN_HAND else tids
