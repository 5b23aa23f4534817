"""The demo's STS meters: the seventh floor of the fourth dormitory. Credit comes as twenty digits.

The plan, pure and repeatable; `write_keypads` puts it into the books, `site_file` into the simulated site. The vending
keys are printed in public test vectors: anybody can make tokens with them, and a vault in production refuses them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from prewatt.wiring.demo import names
from prewatt.wiring.demo.places import KWH, SEED

if TYPE_CHECKING:
    from prewatt.core.sts import VendingKey

BUILDING, FLOOR, DOORS = "4", 7, range(1, 7)
MAKER: Final = "99"  # nobody's
SGC: Final = "999999"  # nobody's supply group
TI: Final = "01"
BASE: Final = 2014
PROFILE: Final = "sts-keypad"
BESIDE, FIRST_UNIT = "D4-2", 100
PUBLIC_KEYS: Final = {
    1: "abababababababab949494949494949401234567",
    2: "0123456789abcdef0123456789abcdef01234567",  # what a key change may lead to
}
EMPTY: Final = "4-702"  # out of credit, its last token not yet entered
IN_HAND: Final = ("4-702", "4-705")  # whose last token the customer still has
FOUR_TOKENS: Final = "4-706"  # EA11: a key change takes four tokens
BOUGHT_DAYS: Final = (44, 27, 12, 3)  # so long ago each bought, give or take a day
MADE_BEFORE: Final = timedelta(days=200)  # the meters left the factory
_AMOUNTS: Final = (2_000, 3_000, 5_000)


@dataclass(frozen=True, kw_only=True)
class KeypadPlace:
    """One room with an STS meter."""

    room: str
    number: str
    unit: int  # at the bus that it hangs beside, unplugged
    meter_pan: str
    ea: str
    tenant: str
    phone: str
    contract: str
    annual_kwh: int
    seed: int
    balance_wh: int  # at first sight


@dataclass(frozen=True, kw_only=True)
class TokenPurchase:
    """A sale of the past by token."""

    room: str
    at: datetime
    amount_minor: int


def keypad_places() -> list[KeypadPlace]:
    """Six rooms in the order of their doors."""
    from prewatt.core.sts import MeterPan, luhn_digit

    made = []
    for door in DOORS:
        room, chance = f"{BUILDING}-{FLOOR}{door:02d}", Random(f"keypad:{SEED}:{door}")
        body = f"{MAKER}{26_031_250 + door:08d}"
        made.append(
            KeypadPlace(
                room=room, number=f"2603125{door:05d}", unit=FIRST_UNIT + door,
                meter_pan=MeterPan.of_drn(f"{body}{luhn_digit(body)}").digits,
                ea="11" if room == FOUR_TOKENS else "07", tenant=names.person(700 + door),
                phone=names.phone(2_200 + door), contract=f"304{10_000 + door}", annual_kwh=chance.randint(9, 18) * 100,
                seed=14_000 + door, balance_wh=0 if room == EMPTY else chance.randint(60, 400) * 100,
            )
        )  # fmt: skip
    return made


def purchases(wanted: Sequence[KeypadPlace], *, now: datetime, zone: ZoneInfo) -> list[TokenPurchase]:
    """What was bought at the dormitory's window, oldest first; one a room and day, and nothing today."""
    found = []
    for place in wanted:
        chance = Random(f"tokens:{SEED}:{place.room}")
        for days in BOUGHT_DAYS:
            day = now.astimezone(zone) - timedelta(days=days + chance.randint(-1, 1))
            at = day.replace(hour=chance.randint(9, 17), minute=chance.randint(0, 59), second=17, microsecond=0)
            found.append(TokenPurchase(room=place.room, at=at.astimezone(UTC), amount_minor=chance.choice(_AMOUNTS)))
    return sorted(found, key=lambda each: (each.at, each.room))


def vending_key(krn: int) -> "VendingKey":
    """One of the two public test keys, under the demo's supply group."""
    from prewatt.core.sts import BaseDate, Dkga, KeyType, VendingKey

    return VendingKey(
        dkga=Dkga.HMAC, value=bytes.fromhex(PUBLIC_KEYS[krn]), sgc=SGC, krn=krn, kt=KeyType.DUTK,
        base_date=BaseDate.of(BASE),
    )  # fmt: skip


def energy_wh(place: KeypadPlace) -> int:
    """What the meter has counted before first sight."""
    return place.annual_kwh * KWH


def use_wh(place: KeypadPlace, hours: int) -> int:
    """About what it counts in so many hours."""
    return place.annual_kwh * KWH * hours // 87_600 * 10
