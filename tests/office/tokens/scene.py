"""What the stories of tokens need: an STS meter in shop 101, two vending keys in a software vault, and the people."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from prewatt.core.sts import (
    BaseDate,
    CreditKind,
    Dkga,
    Ea,
    KeyType,
    MeterPan,
    TwoSlotMemory,
    VendingKey,
    VirtualMeter,
    luhn_digit,
    new_meter,
)
from prewatt.office.estate.models import Line, Meter
from prewatt.office.staff.actors import Actor, of_operator
from prewatt.office.staff.models import Operator, Role
from prewatt.office.tokens import issuing, keys, meters, requests
from prewatt.office.tokens.asks import Ask, CreditAsk
from prewatt.office.tokens.models import StoredKey, StsMeter
from prewatt.office.tokens.rack import Rack, seal_of
from prewatt.office.tokens.requests import Asked
from prewatt.office.tokens.sealed import SealedVault, Secret, new_seal
from prewatt.office.tokens.vault import Holder
from tests.cast import OPENED, Cast, assemble

NOON = datetime(2026, 11, 23, 4, 0, 30, tzinfo=UTC)
SECRET = Secret(kind="key_file", value=bytes(range(32)))
OLD_VALUE = bytes.fromhex("5c911bab8c34f9addda4236dae2db6f7fd30e5b5")  # printed in tests/vectors/sts: nobody's key
NEW_VALUE = bytes.fromhex("3d600a075e6a98923375442e75f63689d4b1cca2")
DES_VALUE = bytes.fromhex("826de00e63dd9344")


def credit(tenths: int = 500, *, free: bool = False) -> CreditAsk:
    return CreditAsk(kind=CreditKind.ELECTRICITY, amount=tenths, free=free)


def pan(serial: int) -> str:
    """The PAN of a meter of maker 11."""
    body = f"11{serial:08d}"
    return MeterPan.of_drn(body + str(luhn_digit(body))).digits


def vending_key(value: bytes = OLD_VALUE, **changes: object) -> VendingKey:
    names: dict[str, object] = {
        "dkga": Dkga.HMAC if len(value) == 20 else Dkga.DES, "sgc": "600123", "krn": 1, "kt": KeyType.DUTK,
        "base_date": BaseDate.Y2014, "ken": 255, **changes,
    }  # fmt: skip
    return VendingKey(value=value, **names)  # type: ignore[arg-type]


def attributes(serial: int = 1, **changes: object) -> meters.Attributes:
    given: dict[str, object] = {
        "meter_pan": pan(serial), "ea": "07", "dkga": "04", "sgc": "600123", "ti": "01", "krn": 1, "kt": 2,
        "base_date": 2014, **changes,
    }  # fmt: skip
    return meters.Attributes(**given)  # type: ignore[arg-type]


def person(name: str, role: Role) -> Actor:
    return of_operator(
        Operator.objects.create(username=name, name=name.title(), role=role, created_at=OPENED, password="!")
    )


@dataclass(frozen=True, kw_only=True)
class Scene:
    """`keypad` is the very meter, virtual: it says whether our tokens are true."""

    cast: Cast
    sts: StsMeter
    old: StoredKey
    new: StoredKey
    vault: SealedVault
    rack: Rack
    alice: Actor  # cashier
    bob: Actor  # manager
    dan: Actor  # another manager
    eva: Actor  # administrator

    def keypad(self) -> VirtualMeter:
        holder = Holder(meter_pan=self.sts.meter_pan, ti=self.sts.ti, ea=Ea(self.sts.ea))
        key = self.vault.decoder_key(keys.name_of(keys.key_of(self.sts)), holder)
        return VirtualMeter(memory=TwoSlotMemory(new_meter(key, manufactured_tid=5_000_000)))

    def asked(self, what: Ask, message_id: str = "m1", **more: Any) -> Asked:
        """T1 alone."""
        given = {"at": NOON, "reserved": False, **more}
        sts = requests.of_meter(self.sts.meter_id)
        prepared = requests.prepare(sts, what, at=given["at"], reserved=given["reserved"])
        with transaction.atomic():
            return requests.ask(prepared, message_id=message_id, actor=self.alice.key)

    def made(self, what: Ask, message_id: str = "m1", **more: Any) -> tuple[str, ...]:
        """T1, vault, T2."""
        return issuing.issue(self.asked(what, message_id, **more).request_id, rack=self.rack, at=NOON)


def vault(production: bool = False) -> SealedVault:
    return SealedVault(new_seal(SECRET), SECRET, production=production, allowed_in_production=True)


def sealing() -> SealedVault:
    """The vault of the database, as any process of a site opens it."""
    return SealedVault(seal_of(SECRET, OPENED), SECRET, production=False)


def more_meters(cast: Cast, count: int, **changes: object) -> list[StsMeter]:
    """STS meters beside the one in shop 101, on the same bus."""
    line: Line = cast.line
    made = []
    for number in range(count):
        meter = Meter.objects.create(
            site=cast.site, number=f"3603110{number:05d}", profile="pilot-spm9511", line=line, unit=100 + number
        )
        given = attributes(1000 + number, **changes)
        made.append(StsMeter.objects.create(
            site=cast.site, meter=meter, changed_at=OPENED,
            **{name: getattr(given, name) for name in meters.Attributes.__dataclass_fields__},
        ))  # fmt: skip
    return made


def scene() -> Scene:
    cast, opened = assemble(), sealing()
    eva = person("eva", Role.ADMINISTRATOR)
    old = keys.seal_in(opened, vending_key(), company_id=None, actor=eva, at=OPENED)
    new = keys.seal_in(opened, vending_key(NEW_VALUE, krn=2), company_id=None, actor=eva, at=OPENED)
    sts = meters.register(cast.shop_101.meter, attributes(), actor=eva, at=OPENED)
    return Scene(
        cast=cast, sts=sts, old=old, new=new, vault=opened, rack=Rack(vaults={"sealed": opened}),
        alice=of_operator(cast.alice), bob=of_operator(cast.bob), dan=person("dan", Role.MANAGER), eva=eva,
    )  # fmt: skip
