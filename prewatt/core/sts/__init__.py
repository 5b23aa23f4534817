"""STS prepayment tokens: an implementation of the public algorithms of IEC 62055-41.

Not certified by the STS Association. Real vending needs membership, keys and a certified module.
There is no key search in here and there will be none.

Start with `VendingKey.decoder_key`, then `encode`, `decode` and `KeyChange`; `VirtualMeter` answers
like a meter; `prewatt.core.sts.batch` makes tokens by the million; `prewatt.core.sts.explain` says
what a token is and why a meter would refuse it; `prewatt.core.sts.operations.answer` is the
JSON-lines interface. Facts and worked numbers: docs/algorithms/sts.md.
"""

from prewatt.core.sts.amounts import (
    AMOUNT16_MAX,
    AMOUNT20_MAX_E5,
    decode_amount16,
    decode_amount20,
    encode_amount16,
    encode_amount20,
    parse_currency,
    show_currency,
)
from prewatt.core.sts.codec import Decoded, Encoded, decode, encode, needs_key
from prewatt.core.sts.ids import KEN_NEVER, Dkga, Ea, KeyType, MeterPan, check_drn, luhn_digit
from prewatt.core.sts.keychange import KeyChange
from prewatt.core.sts.keys import DecoderKey, VendingKey
from prewatt.core.sts.memory import PowerFailed, TwoSlotMemory, VirtualMeter
from prewatt.core.sts.meter import (
    CURRENCY_FUNCTIONS,
    ENERGY_FUNCTIONS,
    TID_STORE,
    Answer,
    MeterProfile,
    MeterState,
    Verdict,
    judge,
    new_meter,
)
from prewatt.core.sts.refusals import StsCode
from prewatt.core.sts.tid import BaseDate, check_not_expired, is_reserved, next_tid, parse_utc, tid_of, time_of
from prewatt.core.sts.tokens import (
    ALL_REGISTERS,
    CreditKind,
    CurrencyCredit,
    Extended,
    KeyHigh,
    KeyLow,
    KeyMiddle,
    KeySupplyGroup,
    Management,
    ManagementKind,
    MeterTest,
    Token,
    TokenClass,
    UnitsCredit,
)

__all__ = [
    "ALL_REGISTERS",
    "AMOUNT16_MAX",
    "AMOUNT20_MAX_E5",
    "CURRENCY_FUNCTIONS",
    "ENERGY_FUNCTIONS",
    "KEN_NEVER",
    "TID_STORE",
    "Answer",
    "BaseDate",
    "CreditKind",
    "CurrencyCredit",
    "Decoded",
    "DecoderKey",
    "Dkga",
    "Ea",
    "Encoded",
    "Extended",
    "KeyChange",
    "KeyHigh",
    "KeyLow",
    "KeyMiddle",
    "KeySupplyGroup",
    "KeyType",
    "Management",
    "ManagementKind",
    "MeterPan",
    "MeterProfile",
    "MeterState",
    "MeterTest",
    "PowerFailed",
    "StsCode",
    "Token",
    "TokenClass",
    "TwoSlotMemory",
    "UnitsCredit",
    "VendingKey",
    "Verdict",
    "VirtualMeter",
    "check_drn",
    "check_not_expired",
    "decode",
    "decode_amount16",
    "decode_amount20",
    "encode",
    "encode_amount16",
    "encode_amount20",
    "is_reserved",
    "judge",
    "luhn_digit",
    "needs_key",
    "new_meter",
    "next_tid",
    "parse_currency",
    "parse_utc",
    "show_currency",
    "tid_of",
    "time_of",
]
