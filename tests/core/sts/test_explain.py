"""Explain this token: fields, expected answer, likely reason, in both languages."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from prewatt.core.refusals import Text
from prewatt.core.sts import (
    BaseDate,
    CreditKind,
    DecoderKey,
    KeyChange,
    KeyType,
    Management,
    ManagementKind,
    MeterProfile,
    MeterTest,
    UnitsCredit,
    encode,
    words,
)
from prewatt.core.sts.explain import Explanation, Known, NamedKey, explain
from prewatt.core.sts.operations import answer
from tests.core.sts.cases import STA_KEY, decoder_key

CREDIT = encode(UnitsCredit(kind=CreditKind.ELECTRICITY, tid=100_000, rnd=5, amount_tenths=1234), STA_KEY).digits
LIMIT = encode(Management(kind=ManagementKind.POWER_LIMIT, tid=100_000, rnd=5, value=5000), STA_KEY).digits
FULL_STORE = tuple(range(200_000, 200_050))


def _codes(found: Explanation) -> tuple[str, list[str]]:
    return found.answer.code, [line.code for line in found.reasons]


def test_a_good_token_is_told_in_both_languages() -> None:
    found = explain(CREDIT, Known(key=STA_KEY, tid_store=()))
    assert found.title == Text("electricity credit, 123.4 kWh", "购电（电量） 123.4 kWh")
    values = {line.code: line.value for line in found.fields}
    assert values == {"rnd": 5, "tid": 100_000, "amount_tenths": 1234, "issued_at": "2014-03-11T10:40:00Z"}
    assert _codes(found) == ("accept", [])
    assert found.notes == ()


@pytest.mark.parametrize(
    ("known", "code", "reason"),
    [
        (Known(key=STA_KEY, tid_store=(100_000,)), "used", "already_entered"),
        (Known(key=STA_KEY, tid_store=FULL_STORE), "old", "older_than_store"),
        (Known(key=replace(STA_KEY, ken=0), tid_store=()), "key_expired", "key_needs_change"),
        (Known(key=replace(STA_KEY, kt=KeyType.DDTK), tid_store=()), "ddtk_error", "default_key"),
        (Known(key=STA_KEY, tid_store=(), registers=(9_999_999, *(0,) * 7)), "overflow", "register_full"),
        (Known(key=STA_KEY, profile=MeterProfile(functions=frozenset())), "function_error", "function_missing"),
        (Known(), "unknown", "no_key"),
    ],
)
def test_a_refusal_is_foretold_with_its_reason(known: Known, code: str, reason: str) -> None:
    found = explain(CREDIT, known)
    if code in ("accept", "old", "used", "ddtk_error", "overflow"):
        assert found.decoded is not None
    assert _codes(found) == (code, [reason])


@pytest.mark.parametrize(
    ("digits", "reason"),
    [
        (CREDIT[:19], "digit_count"),
        (CREDIT[:19] + "x", "not_digits"),
        ("9" * 20, "too_large"),
    ],
)
def test_malformed_digits_are_told_apart(digits: str, reason: str) -> None:
    assert _codes(explain(digits, Known(key=STA_KEY))) == ("format_error", [reason])


def test_a_mistyped_digit_is_named_by_its_place_and_never_by_its_value() -> None:
    wrong = CREDIT[:6] + str((int(CREDIT[6]) + 1) % 10) + CREDIT[7:]
    found = explain(wrong, Known(key=STA_KEY))
    assert _codes(found) == ("crc_error", ["typing_error", "wrong_meter_or_key"])
    assert "position 7" in found.reasons[0].text.en and "第 7 位" in found.reasons[0].text.zh
    assert CREDIT not in str(found)


def test_two_swapped_neighbours_are_found() -> None:
    at = next(at for at in range(19) if CREDIT[at] != CREDIT[at + 1])
    swapped = CREDIT[:at] + CREDIT[at + 1] + CREDIT[at] + CREDIT[at + 2 :]
    assert _codes(explain(swapped, Known(key=STA_KEY)))[1][0] == "typing_error"


def test_a_token_of_an_earlier_key_is_recognised_among_the_keys_given() -> None:
    earlier = decoder_key(krn=1)
    digits = encode(UnitsCredit(kind=CreditKind.ELECTRICITY, tid=5000, rnd=5, amount_tenths=1), earlier).digits
    known = Known(key=decoder_key(krn=2), other_keys=(NamedKey(name="revision 1", key=earlier),))
    found = explain(digits, known)
    assert _codes(found) == ("crc_error", ["other_key", "wrong_meter_or_key"])
    assert "revision 1" in found.reasons[0].text.en


def test_more_keys_than_a_meter_can_have_had_are_not_tried() -> None:
    with pytest.raises(AssertionError):
        Known(other_keys=tuple(NamedKey(name=str(n), key=STA_KEY) for n in range(9)))


def test_a_part_of_a_key_is_named_and_not_shown() -> None:
    first, _ = KeyChange(old=decoder_key(), new=decoder_key(krn=2), rollover=True).tokens()
    found = explain(first.digits, Known(key=decoder_key()))
    lines = {line.code: line for line in found.fields}
    assert lines["key_part"].value is None
    assert f"{first.bits48 & 0xFFFFFFFF:08x}" not in str(found.fields)
    assert found.answer.code == "key_part_1"
    assert [note.code for note in found.notes] == ["old_key_until_last"]


def test_the_tests_of_a_test_token_are_named() -> None:
    some = explain(encode(MeterTest(subclass=0, maker_code=0, control=0b101)).digits, Known())
    assert "load switch, cumulative kWh register" in some.fields[-1].text.en
    all_of_them = explain(encode(MeterTest(subclass=1, maker_code=0, control=(1 << 28) - 1)).digits, Known())
    assert "every test" in all_of_them.fields[-1].text.en
    assert all_of_them.answer.code == "accept"


@pytest.mark.parametrize(
    ("digits", "token_class", "word"),
    [
        (CREDIT, 0, "credit"),
        ("00000000000218106001", 1, "test"),
        (LIMIT, 2, "management"),
        ("00000000000402653184", 3, "reserved"),
        ("123", None, "no token"),
    ],
)
def test_of_a_token_that_does_not_open_the_class_is_told(digits: str, token_class: int | None, word: str) -> None:
    found = answer({"op": "explain", "token": digits})
    assert (found["token_class"], found["subclass"], found["fields"]) == (token_class, None, [])
    assert word in found["title"]["en"] and found["title"]["zh"]


def test_what_is_not_known_is_said() -> None:
    bare = DecoderKey(ea=STA_KEY.ea, value=STA_KEY.value)
    assert [note.code for note in explain(CREDIT, Known(key=bare)).notes] == ["tid_store_unknown", "key_type_unknown"]


def test_the_json_form_takes_what_is_known_of_the_meter() -> None:
    key = {"ea": "07", "decoder_key": STA_KEY.value.hex(), "base_date": 2014}
    found = answer({"id": 1, "op": "explain", "token": CREDIT, "key": key, "meter": {"kt": 2, "tid_store": [100_000]}})
    assert (found["token_class"], found["subclass"]) == (0, 0)
    assert found["answer"]["code"] == "used"
    assert found["reasons"][0]["code"] == "already_entered"
    assert all(found["answer"][language] for language in ("en", "zh"))
    limit = encode(Management(kind=ManagementKind.POWER_LIMIT, tid=5, rnd=5, value=9000), STA_KEY).digits
    meter = {"max_power_w": 8000, "tid_store": []}
    assert answer({"op": "explain", "token": limit, "key": key, "meter": meter})["answer"]["code"] == "range_error"
    test = encode(MeterTest(subclass=0, maker_code=34, control=1)).digits
    meter = {"manufacturer_code_digits": 2, "manufacturer_code": 35}
    assert answer({"op": "explain", "token": test, "meter": meter})["answer"]["code"] == "maker_code_error"


@pytest.mark.parametrize(
    "extra",
    [
        {"other_keys": "x"},
        {"other_keys": [1]},
        {"other_keys": [{"name": "a"}] * 9},
        {"meter": []},
        {"meter": {"tid_store": [True]}},
        {"meter": {"tid_store": [-1]}},
        {"meter": {"tid_store": [0] * 51}},
        {"meter": {"kt": 4}},
        {"meter": {"manufacturer_code": 1, "manufacturer_code_digits": 3}},
    ],
)
def test_malformed_knowledge_is_refused(extra: dict[str, object]) -> None:
    key = {"ea": "07", "decoder_key": STA_KEY.value.hex()}
    assert "error" in answer({"op": "explain", "token": CREDIT, "key": key, **extra})


def test_every_word_exists_in_both_languages() -> None:
    tables: list[Mapping[Any, Text]] = [words.ANSWERS, words.REASONS, words.NOTES, words.FIELD_NAMES]
    tables += [words.CREDIT_NAMES, words.MANAGEMENT_NAMES, words.KEY_NAMES]
    for table in tables:
        for code, text in table.items():
            assert text.en.strip() and text.zh.strip(), code
    assert set(words.REASON_OF.values()) <= set(words.REASONS)
    assert BaseDate.Y2014.code == "14"
