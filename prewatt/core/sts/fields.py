"""Typed readers of a request object: each gives a value or refuses with the field's name.

JSON null counts as absent. Booleans are not integers here, numbers are not digit strings, and hex is
hex alone (no spaces, no 0x).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from prewatt.core.sts.ids import KEN_NEVER, Dkga, Ea, KeyType, MeterPan, check_kt
from prewatt.core.sts.keys import DecoderKey, VendingKey
from prewatt.core.sts.refusals import StsCode, in_range, refuse
from prewatt.core.sts.tid import BaseDate, check_tid, parse_utc, tid_or_expired

Request = Mapping[str, Any]
_HEX: Final = re.compile(r"[0-9a-fA-F]+", re.ASCII)
MAX_TEXT: Final = 256  # characters; the longest real field, a key in hex, has 40
_GROUPING: Final = str.maketrans("", "", " -")
_LEFT_OUT_DKGA: Final = frozenset({"01", "03"})


def malformed(field: str, expected: str) -> Exception:
    """The refusal for a field of the wrong form."""
    return refuse(StsCode.FIELD_MALFORMED, field=field, expected=expected)


def present(request: Request, field: str) -> bool:
    """True when the field is there and not null."""
    return request.get(field) is not None


def required(request: Request, field: str) -> Any:
    """The field's raw value."""
    value = request.get(field)
    if value is None:
        raise refuse(StsCode.FIELD_MISSING, field=field)
    return value


def text(request: Request, field: str) -> str:
    """A string of at most MAX_TEXT characters."""
    value = required(request, field)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise malformed(field, "a string")
    return value


def token_digits(request: Request) -> str:
    """The token, as people write it: blanks and hyphens between its groups do not count."""
    return text(request, "token").translate(_GROUPING)


def whole(request: Request, field: str) -> int:
    """An integer of any size; the layouts check the range."""
    value = required(request, field)
    if not isinstance(value, int) or isinstance(value, bool):
        raise malformed(field, "an integer")
    return value


def decimal(request: Request, field: str) -> str:
    """A decimal string, or an integer taken as one; never a JSON fraction, which is binary."""
    value = required(request, field)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text(request, field)


def bounded(request: Request, field: str, low: int, high: int) -> int:
    """An integer between low and high."""
    return in_range(field, whole(request, field), low, high)


def flag(request: Request, field: str, default: bool | None = None) -> bool:
    """true, false, 1 or 0."""
    if default is not None and not present(request, field):
        return default
    value = required(request, field)
    if value is True or value is False:
        return bool(value)
    if isinstance(value, int) and value in (0, 1):
        return value == 1
    raise malformed(field, "true, false, 1 or 0")


def hex_text(request: Request, field: str, low: int, high: int) -> str:
    """A string of low..high hex digits."""
    value = text(request, field)
    if not low <= len(value) <= high or _HEX.fullmatch(value) is None:
        raise malformed(field, f"{low} hex digits" if low == high else f"{low} to {high} hex digits")
    return value


def hex_bytes(request: Request, field: str, length: int) -> bytes:
    """Exactly `length` bytes in hex; a key of another length has a refusal of its own."""
    value = text(request, field)
    if _HEX.fullmatch(value) is None:
        raise malformed(field, f"{2 * length} hex digits")
    if len(value) != 2 * length:
        raise refuse(StsCode.KEY_LENGTH, field=field, length=length)
    return bytes.fromhex(value)


def base_date(request: Request) -> BaseDate:
    """The year of a base date."""
    return BaseDate.of(whole(request, "base_date"))


def optional_base_date(request: Request) -> BaseDate | None:
    """The base date when it is given."""
    return base_date(request) if present(request, "base_date") else None


def key_type(request: Request) -> KeyType:
    """KT, 0..3."""
    return check_kt(whole(request, "kt"))


def ea_of(request: Request) -> Ea:
    """ "07" or "11"; "09" has a refusal of its own."""
    code = text(request, "ea")
    if code == "09":
        raise refuse(StsCode.EA_WITHDRAWN)
    if code not in frozenset(Ea):
        raise refuse(StsCode.EA_UNKNOWN)
    return Ea(code)


def dkga_of(request: Request) -> Dkga:
    """ "02" or "04"; "01" and "03" have a refusal of their own."""
    code = text(request, "dkga")
    if code in _LEFT_OUT_DKGA:
        raise refuse(StsCode.DKGA_UNVERIFIED, dkga=code)
    if code not in frozenset(Dkga):
        raise refuse(StsCode.DKGA_UNKNOWN)
    return Dkga(code)


def sub_object(request: Request, field: str) -> Request:
    """A nested object."""
    value = required(request, field)
    if not isinstance(value, Mapping):
        raise malformed(field, "an object")
    return value


def token_time(request: Request, base: BaseDate | None, ken: int) -> int:
    """The TID from `tid` or `issued_at` (both may be given when they agree); the KEN is for times behind it all."""
    given = check_tid(whole(request, "tid")) if present(request, "tid") else None
    if not present(request, "issued_at"):
        if given is None:
            raise refuse(StsCode.FIELD_MISSING, field="issued_at")
        return given
    at = parse_utc(text(request, "issued_at"))
    if base is None:
        raise refuse(StsCode.FIELD_MISSING, field="base_date")
    tid = tid_or_expired(at, base, ken)
    if given is not None and given != tid:
        raise refuse(StsCode.FIELDS_CONFLICT, field="tid", other="issued_at")
    return tid


def read_key(request: Request, field: str) -> DecoderKey:
    """A key object: a vending key to derive from, or a decoder key as it is.

    Where both are given they must agree. The check digits of the PAN are looked at first.
    """
    key = sub_object(request, field)
    if present(key, "meter_pan"):
        MeterPan.parse(text(key, "meter_pan"))
    if present(key, "vending_key") or not present(key, "decoder_key"):
        derived = _derive(key)
        if present(key, "decoder_key") and hex_bytes(key, "decoder_key", derived.ea.key_bytes) != derived.value:
            raise refuse(StsCode.DECODER_KEY_MISMATCH)
        return derived
    ea = ea_of(key)
    return DecoderKey(
        ea=ea,
        value=hex_bytes(key, "decoder_key", ea.key_bytes),
        ken=_ken(key),
        base_date=optional_base_date(key),
        meter_pan=text(key, "meter_pan") if present(key, "meter_pan") else None,
        sgc=text(key, "sgc") if present(key, "sgc") else None,
        ti=text(key, "ti") if present(key, "ti") else None,
        krn=whole(key, "krn") if present(key, "krn") else None,
        kt=key_type(key) if present(key, "kt") else None,
    )


def _derive(key: Request) -> DecoderKey:
    meter_pan = text(key, "meter_pan")
    dkga, ea = dkga_of(key), ea_of(key)
    vending_key = VendingKey(
        dkga=dkga,
        value=hex_bytes(key, "vending_key", dkga.key_bytes),
        sgc=text(key, "sgc"),
        krn=whole(key, "krn"),
        kt=key_type(key),
        base_date=optional_base_date(key),
        ken=_ken(key),
    )
    return vending_key.decoder_key(meter_pan=meter_pan, ti=text(key, "ti"), ea=ea)


def _ken(key: Request) -> int:
    return whole(key, "ken") if present(key, "ken") else KEN_NEVER
