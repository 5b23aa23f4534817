"""The operations of the JSON-lines interface: a request object in, a result object out.

`answer` is pure and never raises for a bad request: what is refused comes back as
{"error": {"code", "message"}}. Names and forms of the fields are pinned (README, integrators).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from prewatt.core.refusals import ENGLISH, Refused
from prewatt.core.sts import fields
from prewatt.core.sts.amounts import (
    decode_amount16,
    decode_amount20,
    encode_amount16,
    encode_amount20,
    parse_currency,
    show_currency,
)
from prewatt.core.sts.codec import decode, encode, needs_key
from prewatt.core.sts.crc import COVERED_BYTES, crc16
from prewatt.core.sts.dea import des_decrypt, des_encrypt
from prewatt.core.sts.explain import explain_request
from prewatt.core.sts.fields import Request, malformed, present
from prewatt.core.sts.ids import PAN_DIGITS, Ea, MeterPan, check_drn, check_ken, is_digits, luhn_digit, split_pan
from prewatt.core.sts.keychange import KeyChange
from prewatt.core.sts.keys import BlockCipher
from prewatt.core.sts.misty1 import Misty1
from prewatt.core.sts.reading import describe, read_token
from prewatt.core.sts.refusals import StsCode, refuse
from prewatt.core.sts.sta import Sta
from prewatt.core.sts.tables import PRODUCTION, SAMPLE
from prewatt.core.sts.tid import check_not_expired, parse_utc, tid_of
from prewatt.core.sts.tokens import CurrencyCredit, TokenClass

Result = dict[str, Any]
_BLOCK_BYTES: Final = 8
_TABLES: Final = {"production": PRODUCTION, "sample": SAMPLE}


def answer(request: object) -> Result:
    """The result of one request, with its `id`; refusals are results too."""
    if not isinstance(request, Mapping):
        return {"id": None, **error(refuse(StsCode.LINE_MALFORMED))}
    identity = {"id": request.get("id")}
    language = request.get("language")
    try:
        return {**identity, **_operation(request)(request)}
    except Refused as refusal:
        return {**identity, **error(refusal, language if isinstance(language, str) else ENGLISH)}


def error(refusal: Refused, language: str = ENGLISH) -> Result:
    """The form of a refusal; `language` "zh…" gives Chinese, everything else English."""
    return {"error": {"code": refusal.code, "message": refusal.message(language)}}


def _operation(request: Request) -> Callable[[Request], Result]:
    name = fields.text(request, "op")
    if name not in OPERATIONS:
        raise refuse(StsCode.OPERATION_UNKNOWN, op=name)
    return OPERATIONS[name]


def _decoder_key(request: Request) -> Result:
    return {"decoder_key": fields.read_key(request, "key").value.hex()}


def _encode(request: Request) -> Result:
    token_class = TokenClass(fields.bounded(request, "token_class", 0, 3))
    key = None if token_class is TokenClass.TEST else fields.read_key(request, "key")
    token = read_token(request, token_class, key)
    made = encode(token, key)
    carried: int | str | None = made.carried
    if isinstance(token, CurrencyCredit) and made.carried is not None:
        carried = show_currency(made.carried)
    return {"token": made.digits, "tid": made.tid, "block": f"{made.bits48:012x}", "carried": carried}


def _key_change(request: Request) -> Result:
    old = fields.read_key(request, "key")
    given = fields.sub_object(request, "new_key")
    fields.required(given, "ken")  # written into the meter: never assumed
    # what a key change leaves as it is need not be said twice
    kept = {name: value for name, value in fields.sub_object(request, "key").items() if name in _KEPT}
    new = fields.read_key({"new_key": {**kept, **given}}, "new_key")
    moved = old.base_date is not None and new.base_date is not None and old.base_date != new.base_date
    change = KeyChange(
        old=old,
        new=new,
        rollover=fields.flag(request if present(request, "rollover") else given, "rollover", moved),
        three_tokens=fields.flag(request, "three_tokens", False),
    )
    if present(request, "issued_at"):
        change.check_time(parse_utc(fields.text(request, "issued_at")))
    made = change.tokens()
    return {"tokens": [each.digits for each in made], "blocks": [f"{each.bits48:012x}" for each in made]}


_KEPT: Final = frozenset({"dkga", "ea", "meter_pan"})


def _decode(request: Request) -> Result:
    digits = fields.token_digits(request)
    key = fields.read_key(request, "key") if present(request, "key") or needs_key(digits) else None
    return describe(decode(digits, key), key)


def _tid(request: Request) -> Result:
    base = fields.base_date(request)
    return {"tid": tid_of(parse_utc(fields.text(request, "issued_at")), base)}


def _expiry(request: Request) -> Result:
    ken = check_ken(fields.whole(request, "ken"))
    check_not_expired(fields.token_time(request, fields.optional_base_date(request), ken), ken)
    return {"accepted": True}


def _check_digit(request: Request) -> Result:
    return {"check_digit": luhn_digit(fields.text(request, "digits"))}


def _pan(request: Request) -> Result:
    digits = fields.text(request, "meter_pan")
    iin: str | None = None
    drn: str | None = None
    if is_digits(digits, PAN_DIGITS, PAN_DIGITS):
        try:
            iin, drn = split_pan(digits)
        except Refused:
            pass  # a foreign IIN: not valid, and nothing to take apart
    return {"valid": _holds(MeterPan.parse, digits), "iin": iin, "drn": drn}


def _drn(request: Request) -> Result:
    return {"valid": _holds(check_drn, fields.text(request, "drn"))}


def _holds(check: Callable[[str], object], digits: str) -> bool:
    try:
        check(digits)
    except Refused:
        return False
    return True


def _crc(request: Request) -> Result:
    covered = bytes.fromhex(fields.hex_text(request, "bytes", 2 * COVERED_BYTES, 2 * COVERED_BYTES))
    return {"crc": f"{crc16(covered, currency=fields.flag(request, 'currency', False)):04x}"}


def _amount16(request: Request) -> Result:
    field = encode_amount16(fields.whole(request, "tenths"))
    return {"field": f"{field:04x}", "carried": decode_amount16(field)}


def _amount20(request: Request) -> Result:
    field = encode_amount20(parse_currency(fields.decimal(request, "amount")))
    return {"field": f"{field:05x}", "carried": show_currency(decode_amount20(field))}


def _cipher(request: Request) -> Result:
    direction = fields.text(request, "direction")
    if direction not in ("encrypt", "decrypt"):
        raise malformed("direction", "encrypt or decrypt")
    ea = fields.text(request, "ea")
    tables = fields.text(request, "tables") if present(request, "tables") else None
    if tables is not None and tables not in _TABLES:
        raise malformed("tables", "sample or production")
    if tables is not None and ea != Ea.STA:
        raise refuse(StsCode.FIELDS_CONFLICT, field="tables", other="ea")
    block = fields.hex_bytes(request, "block", _BLOCK_BYTES)
    if ea == "09":  # one plain DEA block; tokens are not made with it
        key = fields.hex_bytes(request, "key", _BLOCK_BYTES)
        return {"block": (des_encrypt if direction == "encrypt" else des_decrypt)(key, block).hex()}
    known = fields.ea_of(request)
    key = fields.hex_bytes(request, "key", known.key_bytes)
    cipher: BlockCipher = Misty1(key) if known is Ea.MISTY1 else Sta(key, _TABLES[tables or "production"])
    value = int.from_bytes(block, "big")
    return {"block": f"{cipher.encrypt(value) if direction == 'encrypt' else cipher.decrypt(value):016x}"}


OPERATIONS: Final[dict[str, Callable[[Request], Result]]] = {
    "decoder_key": _decoder_key,
    "encode": _encode,
    "key_change": _key_change,
    "decode": _decode,
    "tid": _tid,
    "expiry": _expiry,
    "check_digit": _check_digit,
    "pan": _pan,
    "drn": _drn,
    "crc": _crc,
    "amount16": _amount16,
    "amount20": _amount20,
    "cipher": _cipher,
    "explain": explain_request,
}
