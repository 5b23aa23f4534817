"""Who sells tokens to the simulated STS meters of the tests: one vending key, printed in tests/vectors/sts."""

from typing import Any, Final

from prewatt.core.sts import (
    BaseDate,
    CreditKind,
    Dkga,
    Ea,
    KeyChange,
    KeyType,
    Management,
    ManagementKind,
    MeterPan,
    UnitsCredit,
    VendingKey,
    encode,
    luhn_digit,
)
from tests.field.simulator.plant import NOON_MS

VALUE: Final = bytes.fromhex("826de00e63dd9344")
NEW_VALUE: Final = bytes.fromhex("0123456789abcdef")
NOON_TID: Final = (NOON_MS // 60_000) - int(BaseDate.Y2014.start.timestamp()) // 60
NUMBER: Final = "260312500001"
BODY: Final = "1100000001"
DRN: Final = BODY + str(luhn_digit(BODY))
PAN: Final = MeterPan.of_drn(DRN).digits


def vending_key(value: bytes = VALUE, krn: int = 1) -> VendingKey:
    return VendingKey(
        dkga=Dkga.DES, value=value, sgc="600123", krn=krn, kt=KeyType.DUTK, base_date=BaseDate.Y2014, ken=255
    )


OLD = vending_key().decoder_key(meter_pan=PAN, ti="01", ea=Ea.STA)
NEW = vending_key(NEW_VALUE, 2).decoder_key(meter_pan=PAN, ti="01", ea=Ea.STA)


def keypad(**changes: Any) -> dict[str, Any]:
    """The meter as a site file says it: 5 kWh, and a load of 3.6 kW that takes one Wh a second."""
    return {
        "number": NUMBER, "place": "1-610", "profile": "pilot-spm9511", "line": "a", "unit": 99,
        "made_tid": NOON_TID - 500_000,
        "key": {
            "ea": "07", "value": OLD.value.hex(), "meter_pan": PAN, "sgc": "600123", "ti": "01", "krn": 1, "kt": 2,
            "ken": 255, "base_date": 2014,
        },
        "opening": {"balance_wh": 5_000, "energy_wh": 100_000},
        "load": {"kind": "constant", "peak_w": 3_600}, **changes,
    }  # fmt: skip


def credit(tenths: int, minutes: int = 0, key: Any = OLD) -> str:
    """Twenty digits issued so many minutes after noon."""
    token = UnitsCredit(kind=CreditKind.ELECTRICITY, tid=NOON_TID + minutes, rnd=3, amount_tenths=tenths)
    return encode(token, key).digits


def management(kind: ManagementKind, value: int, minutes: int) -> str:
    return encode(Management(kind=kind, tid=NOON_TID + minutes, rnd=3, value=value), OLD).digits


def key_change() -> list[str]:
    return [each.digits for each in KeyChange(old=OLD, new=NEW, rollover=False, three_tokens=False).tokens()]
