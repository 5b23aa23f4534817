"""Explain this token: its fields, the answer to expect of the meter, and the likely reason of a refusal.

Works from what is known: a key, other keys the meter may have had, its TID store, its make. It tries the
keys it is given and no others, and it names the position of a typing error, never the right digit.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from prewatt.core.refusals import Refused, Text
from prewatt.core.sts import fields
from prewatt.core.sts.codec import Decoded, decode
from prewatt.core.sts.fields import Request, malformed, present
from prewatt.core.sts.ids import Ea
from prewatt.core.sts.keys import DecoderKey
from prewatt.core.sts.layout import TOKEN_DIGITS, TOKEN_HIGH, from_digits, remove_class
from prewatt.core.sts.meter import TID_STORE, Answer, MeterProfile, MeterState, judge
from prewatt.core.sts.reading import describe
from prewatt.core.sts.refusals import StsCode
from prewatt.core.sts.tid import check_tid
from prewatt.core.sts.tokens import (
    CONTROL_BITS,
    CurrencyCredit,
    Extended,
    KeyHigh,
    KeyLow,
    KeyMiddle,
    Management,
    MeterTest,
    TokenClass,
    UnitsCredit,
)
from prewatt.core.sts.words import (
    ALL_TESTS,
    ANSWERS,
    CONTROL_NAMES,
    CREDIT_NAMES,
    EXTENDED_NAME,
    FIELD_NAMES,
    KEY_NAMES,
    MANAGEMENT_NAMES,
    NOTES,
    REASON_OF,
    REASONS,
    TEST_NAMES,
    TEST_PROPRIETARY,
    UNITS,
    UNKNOWN_ANSWER,
    UNREAD_NAMES,
)

MAX_OTHER_KEYS: Final = 8  # earlier and later revisions of one meter; not a place to try keys
UNKNOWN: Final = "unknown"
# a token is judged for what it is: which functions a make has is a question for its own profile
_EVERY_FUNCTION: Final = frozenset((token_class, sub) for token_class in range(3) for sub in range(16))
_AT_S: Final = 0  # nothing is pending and nothing is locked, so the meter's clock does not matter
_PLACEHOLDER: Final = DecoderKey(ea=Ea.STA, value=bytes(8))  # class 1 needs no key, but a meter has one


@dataclass(frozen=True, kw_only=True)
class NamedKey:
    """A key the meter had, will have, or might have, with a name a person knows it by."""

    name: str
    key: DecoderKey


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of the meter; None: not known."""

    key: DecoderKey | None = None
    other_keys: tuple[NamedKey, ...] = ()
    tid_store: tuple[int, ...] | None = None
    profile: MeterProfile = MeterProfile(functions=_EVERY_FUNCTION)
    registers: tuple[int, ...] = (0,) * 8

    def __post_init__(self) -> None:
        assert len(self.other_keys) <= MAX_OTHER_KEYS, "a few known keys, no search"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One field, answer, reason or note in both languages; `code` is stable."""

    code: str
    text: Text
    value: object = None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What `explain` found. `answer.code` is an Answer's value, or "unknown". `token_class` stands in clear in every
    token; None for digits that are none."""

    title: Text
    token_class: TokenClass | None
    decoded: Decoded | None
    fields: tuple[Line, ...]
    answer: Line
    reasons: tuple[Line, ...]
    notes: tuple[Line, ...]


def explain(digits: str, known: Known) -> Explanation:
    """Never refuses: what cannot be read is explained."""
    try:
        decoded = decode(digits, known.key)
    except Refused as refusal:
        return _unreadable(digits, known, refusal)
    state = MeterState(key=known.key or _PLACEHOLDER, tid_store=known.tid_store or (), registers=known.registers)
    verdict = judge(state, known.profile, digits, _AT_S)
    reason = REASON_OF.get(verdict.answer)
    return Explanation(
        title=_title(decoded),
        token_class=decoded.token_class,
        decoded=decoded,
        fields=_field_lines(decoded, known.key),
        answer=Line(code=verdict.answer.value, text=ANSWERS[verdict.answer]),
        reasons=() if reason is None else (Line(code=reason, text=REASONS[reason]),),
        notes=_notes(decoded, known, verdict.answer),
    )


def _unreadable(digits: str, known: Known, refusal: Refused) -> Explanation:
    answer: Answer | None = Answer.FORMAT
    reasons: tuple[Line, ...]
    if refusal.code == StsCode.TOKEN_MALFORMED:
        reasons = (_malformed(digits),)
    elif refusal.code == StsCode.TOKEN_CRC:
        answer, reasons = Answer.CRC, _why_crc(digits, known)
    elif refusal.code == StsCode.FIELD_MISSING:
        answer, reasons = None, (_reason("no_key"),)
    elif refusal.code == StsCode.TOKEN_FIELD:
        reasons = (_reason("field_invalid"),)
    else:
        reasons = (_reason("reserved"),)
    text = UNKNOWN_ANSWER if answer is None else ANSWERS[answer]
    token_class = None if refusal.code == StsCode.TOKEN_MALFORMED else TokenClass(remove_class(from_digits(digits))[0])
    return Explanation(
        title=UNREAD_NAMES[token_class],
        token_class=token_class,
        decoded=None,
        fields=(),
        answer=Line(code=UNKNOWN if answer is None else answer.value, text=text),
        reasons=reasons,
        notes=(),
    )


def _reason(code: str, **params: object) -> Line:
    text = REASONS[code]
    return Line(code=code, text=Text(text.en.format(**params), text.zh.format(**params)))


def _malformed(digits: str) -> Line:
    if not digits.isascii() or not digits.isdigit():
        return _reason("not_digits")
    if len(digits) != TOKEN_DIGITS:
        return _reason("digit_count", count=len(digits))
    assert int(digits) > TOKEN_HIGH, "nothing else is malformed"
    return _reason("too_large")


def _why_crc(digits: str, known: Known) -> tuple[Line, ...]:
    """Likeliest first: another key we know of, a typing error, another meter."""
    found = [_reason("other_key", name=other.name) for other in known.other_keys if _opens(digits, other.key)]
    positions = _typing_errors(digits, known.key)
    if positions:
        found.append(_reason("typing_error", positions=", ".join(str(at + 1) for at in positions)))
    return (*found, _reason("wrong_meter_or_key"))


def _opens(digits: str, key: DecoderKey | None) -> bool:
    try:
        decode(digits, key)
    except Refused:
        return False
    return True


def _typing_errors(digits: str, key: DecoderKey | None) -> tuple[int, ...]:
    """Places (0-based) where one other digit, or a swap with the next one, makes a readable token.

    At most 199 trials under the key of this meter; three tokens in a thousand show one by chance.
    """
    found: set[int] = set()
    for at in range(TOKEN_DIGITS):
        head, tail = digits[:at], digits[at + 1 :]
        candidates = [head + other + tail for other in "0123456789" if other != digits[at]]
        if tail and tail[0] != digits[at]:
            candidates.append(head + tail[0] + digits[at] + tail[1:])
        if any(_opens(each, key) for each in candidates):
            found.add(at)
    return tuple(sorted(found))


def _title(decoded: Decoded) -> Text:
    match decoded.token:
        case UnitsCredit() as token:
            name, unit = CREDIT_NAMES[token.kind], UNITS[token.kind]
            amount = f"{token.amount_tenths // 10}.{token.amount_tenths % 10}"
            return Text(f"{name.en}, {amount} {unit.en}", f"{name.zh} {amount} {unit.zh}")
        case CurrencyCredit() as token:
            return CREDIT_NAMES[token.kind]
        case MeterTest() as token:
            return TEST_NAMES[token.subclass] if token.subclass < len(TEST_NAMES) else TEST_PROPRIETARY
        case Management() as token:
            return MANAGEMENT_NAMES[token.kind]
        case Extended():
            return EXTENDED_NAME
        case KeyHigh():
            return KEY_NAMES[1]
        case KeyLow():
            return KEY_NAMES[2]
        case KeyMiddle(subclass=9):
            return KEY_NAMES[4]
        case _:
            return KEY_NAMES[3]


def _field_lines(decoded: Decoded, key: DecoderKey | None) -> tuple[Line, ...]:
    values = describe(decoded, key)
    lines = []
    for code, value in values.items():
        if code not in FIELD_NAMES:
            continue
        # a part of a key is the key's business: it is named, not shown
        lines.append(Line(code=code, text=FIELD_NAMES[code], value=None if code == "key_part" else value))
    if isinstance(decoded.token, MeterTest) and decoded.subclass in (0, 1):
        lines.append(_tests_line(decoded.token))
    return tuple(lines)


def _tests_line(token: MeterTest) -> Line:
    bits = CONTROL_BITS[token.maker_digits]
    if token.control == (1 << bits) - 1:
        names = [ALL_TESTS]
    else:
        numbered = [bit for bit in range(bits) if token.control >> bit & 1]
        unnamed = [Text(f"test {bit + 1}", f"测试 {bit + 1}") for bit in range(bits)]
        names = [CONTROL_NAMES[bit] if bit < len(CONTROL_NAMES) else unnamed[bit] for bit in numbered]
    label = FIELD_NAMES["tests"]
    english, chinese = ", ".join(name.en for name in names), "、".join(name.zh for name in names)
    return Line(code="tests", text=Text(f"{label.en}: {english}", f"{label.zh}：{chinese}"))


def _notes(decoded: Decoded, known: Known, answer: Answer) -> tuple[Line, ...]:
    codes = []
    timed = isinstance(decoded.token, UnitsCredit | CurrencyCredit | Management | Extended)
    if timed and known.tid_store is None and answer is not Answer.FORMAT:
        codes.append("tid_store_unknown")
    if decoded.token_class is TokenClass.CREDIT and known.key is not None and known.key.kt is None:
        codes.append("key_type_unknown")
    if decoded.token_class is TokenClass.TEST:
        codes.append("carries_no_tid")
    if not timed and decoded.token_class is TokenClass.MANAGEMENT:
        codes.append("old_key_until_last")
    return tuple(Line(code=code, text=NOTES[code]) for code in codes)


# The JSON-lines form


def explain_request(request: Request) -> dict[str, Any]:
    """{"token", "key"?, "other_keys"?: [{"name", "key"}], "meter"?: {"kt", "ken", "tid_store",
    "manufacturer_code_digits", "manufacturer_code", "max_power_w", "credit_tenths"}} -> both languages."""
    digits = fields.token_digits(request)
    found = explain(digits, _read_known(request))
    decoded: dict[str, Any] = {"subclass": None, "block": None}
    if found.decoded is not None:
        decoded = {"subclass": found.decoded.subclass, "block": f"{found.decoded.bits48:012x}"}
    return {
        "token_class": None if found.token_class is None else found.token_class.value,
        **decoded,
        "title": {"en": found.title.en, "zh": found.title.zh},
        "fields": [{"name": line.code, "value": line.value, **_both(line.text)} for line in found.fields],
        "answer": {"code": found.answer.code, **_both(found.answer.text)},
        "reasons": [{"code": line.code, **_both(line.text)} for line in found.reasons],
        "notes": [{"code": line.code, **_both(line.text)} for line in found.notes],
    }


def _both(text: Text) -> dict[str, str]:
    return {"en": text.en, "zh": text.zh}


def _read_known(request: Request) -> Known:
    key = fields.read_key(request, "key") if present(request, "key") else None
    meter = fields.sub_object(request, "meter") if present(request, "meter") else {}
    if key is not None and present(meter, "ken"):
        key = replace(key, ken=fields.whole(meter, "ken"))
    if key is not None and present(meter, "kt"):
        key = replace(key, kt=fields.key_type(meter))
    profile = MeterProfile(functions=_EVERY_FUNCTION)
    if present(meter, "manufacturer_code"):
        digits = fields.bounded(meter, "manufacturer_code_digits", 2, 4)
        if digits not in CONTROL_BITS:
            raise malformed("manufacturer_code_digits", "2 or 4")
        code = fields.bounded(meter, "manufacturer_code", 0, 10**digits - 1)
        profile = replace(profile, maker_digits=digits, maker_code=code)
    if present(meter, "max_power_w"):
        profile = replace(profile, power_limit_high_w=fields.whole(meter, "max_power_w"))
    registers = (fields.whole(meter, "credit_tenths") if present(meter, "credit_tenths") else 0, *(0,) * 7)
    return Known(
        key=key,
        other_keys=_read_other_keys(request),
        tid_store=_read_store(meter),
        profile=profile,
        registers=registers,
    )


def _read_other_keys(request: Request) -> tuple[NamedKey, ...]:
    if not present(request, "other_keys"):
        return ()
    given = request["other_keys"]
    if not isinstance(given, list) or len(given) > MAX_OTHER_KEYS or not all(isinstance(each, dict) for each in given):
        raise malformed("other_keys", f"a list of at most {MAX_OTHER_KEYS} objects")
    return tuple(NamedKey(name=fields.text(each, "name"), key=fields.read_key(each, "key")) for each in given)


def _read_store(meter: Request) -> tuple[int, ...] | None:
    if not present(meter, "tid_store"):
        return None
    given = meter["tid_store"]
    if not isinstance(given, list) or len(given) > TID_STORE:
        raise malformed("tid_store", f"a list of at most {TID_STORE} integers")
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in given):
        raise malformed("tid_store", f"a list of at most {TID_STORE} integers")
    return tuple(sorted(check_tid(each) for each in given))
