"""`prewatt sts`: the pinned interface, line by line, and bad lines that must not end it."""

import io
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core import refusals
from prewatt.core.sts import StsCode
from prewatt.core.sts.operations import OPERATIONS, answer
from prewatt.core.sts.refusals import TEXTS
from prewatt.wiring import sts
from tests.core.sts.cases import PAN_11, PAN_13, vectors

KEY: dict[str, Any] = {
    "dkga": "04",
    "ea": "07",
    "meter_pan": PAN_11,
    "vending_key": "000102030405060708090a0b0c0d0e0f10111213",
    "sgc": "123456",
    "ti": "01",
    "krn": 1,
    "kt": 2,
    "base_date": 2014,
}
RAW = {"ea": "07", "decoder_key": "0abc12def3456789", "base_date": 2014}
CREDIT = {
    "op": "encode",
    "key": KEY,
    "token_class": 0,
    "subclass": 0,
    "rnd": 5,
    "issued_at": "2020-01-01T10:00:00Z",
    "amount_tenths": 100,
}


def _run(lines: list[str]) -> list[dict[str, Any]]:
    out = io.StringIO()
    assert sts.main(io.StringIO("".join(lines)), out) == 0
    return [json.loads(line) for line in out.getvalue().splitlines()]


def _code(request: object) -> str | None:
    error = answer(request).get("error")
    return None if error is None else error["code"]


def test_all_peer_vectors_pass_through_the_lines_both_ways() -> None:
    cases, requests = vectors("peer_run.json"), []
    for case in cases:
        if case["kind"] == "key_change":
            rollover = case["new_key"]["rollover"]
            request = {"op": "key_change", "key": case["key"], "new_key": case["new_key"], "three_tokens": False}
            requests.append({"id": case["id"], "rollover": rollover, **request})
        else:
            given = {name: value for name, value in case.items() if name not in ("token", "kind")}
            requests.append({"op": "encode", **given})
    made = _run([json.dumps(request) + "\n" for request in requests])
    assert [each["id"] for each in made] == [case["id"] for case in cases]
    back = []
    for case, result in zip(cases, made, strict=True):
        expected = case["tokens"] if case["kind"] == "key_change" else [case["token"]]
        assert result.get("tokens", [result.get("token")]) == expected
        back += [{"id": case["id"], "op": "decode", "key": case["key"], "token": token} for token in expected]
    blocks = [block for result in made for block in result.get("blocks", [result.get("block")])]
    opened = _run([json.dumps(request) + "\n" for request in back])
    assert [each["block"] for each in opened] == blocks
    fields = {each["id"]: each for each in opened}
    for case in cases:
        for name in ("amount_tenths", "power_w", "register", "rnd", "issued_at"):
            if name in case and name not in ("amount_tenths", "power_w"):
                assert fields[case["id"]][name] == case[name]
            elif name in case:
                assert fields[case["id"]][name] >= case[name], "rounded in the customer's favour"


BAD_LINES = [
    "", "   ", "null", "true", "12", '"x"', "[]", "{", "}", "{}", '{"op":', "NaN", '{"op":NaN}', '{"op":1}',
    '{"op":[]}', '{"op":"nope"}', '{"op":"encode"}', "[" * 5000, '{"a":' * 5000, "\x00", "\ufffd", "1" * 5000,
    '{"op":"tid","base_date":' + "9" * 5000 + "}", "x" * 70_000, '{"op":"decode","token":"\\ud800"}',
    '{"id":1e999,"op":"crc","bytes":"000b19eb230100"}', '{"id":{"deep":[1,{"x":null}]},"op":"nope"}',
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_costs_one_error_and_the_next_is_answered(bad: str) -> None:
    good = json.dumps({"id": "after", **CREDIT})
    first, second = _run([bad + "\n", good + "\n"])
    assert first["error"]["code"] in set(StsCode) and first["error"]["message"]
    assert second["id"] == "after" and len(second["token"]) == 20


def test_a_last_line_without_an_end_is_answered_too() -> None:
    assert _run([json.dumps(CREDIT)])[0]["tid"] == 3155640


def test_bytes_that_are_no_text_spoil_their_own_line_only() -> None:
    raw = b'\xff\xfe{"op"\n' + json.dumps({"id": 2, "op": "drn", "drn": "0100000000008"}).encode() + b"\n"
    out = io.StringIO()
    assert sts.main(io.TextIOWrapper(io.BytesIO(raw), encoding="ascii"), out) == 0
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert first["error"]["code"] == StsCode.LINE_MALFORMED
    assert second == {"id": 2, "valid": True}


def test_the_mark_that_some_shells_put_in_front_of_utf_8_is_passed_over() -> None:
    raw = b'\xef\xbb\xbf{"id": 1, "op": "drn", "drn": "0100000000008"}\r\n'
    out = io.StringIO()
    assert sts.main(io.TextIOWrapper(io.BytesIO(raw), encoding="ascii"), out) == 0
    assert json.loads(out.getvalue()) == {"id": 1, "valid": True}


def test_a_failure_inside_is_answered_and_tells_nothing_of_the_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: object) -> dict[str, Any]:
        raise RuntimeError(f"secret {request}")

    monkeypatch.setitem(OPERATIONS, "encode", broken)
    [result] = _run([json.dumps({"id": 7, **CREDIT}) + "\n"])
    assert result["id"] == 7 and result["error"]["code"] == StsCode.INTERNAL
    assert "secret" not in caplog.text and KEY["vending_key"] not in caplog.text


def test_a_reader_that_goes_away_ends_the_work_quietly() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    assert sts.main(io.StringIO("{}\n{}\n"), Gone()) == 0


def test_output_is_ascii_whatever_the_language() -> None:
    out = io.StringIO()
    sts.main(io.StringIO(json.dumps({"id": "表", "op": "nope", "language": "zh-hans"}) + "\n"), out)
    assert out.getvalue().isascii()
    assert "没有" in json.loads(out.getvalue())["error"]["message"]


def _json_values() -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30)
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=8,
    )  # fmt: skip


FIELDS = [
    "key", "new_key", "token", "token_class", "subclass", "rnd", "issued_at", "tid", "amount_tenths",
    "amount_currency", "power_w", "register", "rate", "factor", "index", "control_value", "flag_index", "flag_value",
    "manufacturer_code_digits", "manufacturer_code", "control", "rollover", "three_tokens", "base_date", "ken",
    "digits", "meter_pan", "drn", "bytes", "currency", "tenths", "amount", "ea", "block", "direction", "tables",
    "meter", "other_keys", "dkga", "vending_key", "decoder_key", "sgc", "ti", "krn", "kt", "language",
]  # fmt: skip


@given(st.sampled_from(sorted(OPERATIONS)), st.dictionaries(st.sampled_from(FIELDS), _json_values(), max_size=8))
def test_no_request_however_odd_raises(op: str, request: dict[str, Any]) -> None:
    result = answer({"id": 1, "op": op, **request})
    assert result["id"] == 1
    json.dumps(result, allow_nan=False)


GOOD: dict[str, dict[str, Any]] = {
    "decoder_key": {"key": KEY},
    "encode": {name: value for name, value in CREDIT.items() if name != "op"},
    "key_change": {"key": KEY, "new_key": {**KEY, "krn": 2, "ken": 255}, "rollover": 0, "three_tokens": False},
    "decode": {"key": RAW, "token": "51043465443420856213"},
    "tid": {"base_date": 2014, "issued_at": "2020-01-01T10:00:00Z"},
    "expiry": {"ken": 85, "base_date": 2014, "issued_at": "2020-01-01T10:00:00Z"},
    "check_digit": {"digits": "60072700000000000"},
    "pan": {"meter_pan": PAN_11},
    "drn": {"drn": "00000000000"},
    "crc": {"bytes": "000b19eb230100", "currency": True},
    "amount16": {"tenths": 100},
    "amount20": {"amount": "1.5"},
    "cipher": {"ea": "11", "key": "00" * 16, "block": "00" * 8, "direction": "decrypt"},
    "explain": {"key": RAW, "token": "51043465443420856213"},
}


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_one_field_of_a_good_request_replaced_by_anything_never_raises(op: str, data: st.DataObject) -> None:
    request = dict(GOOD[op])
    name = data.draw(st.sampled_from(sorted(request)))
    if isinstance(request[name], dict):
        inner = data.draw(st.sampled_from(sorted(request[name])))
        request[name] = {**request[name], inner: data.draw(_json_values())}
    else:
        request[name] = data.draw(_json_values())
    json.dumps(answer({"op": op, **request}), allow_nan=False)


def test_every_operation_has_a_good_request_here() -> None:
    assert set(GOOD) == set(OPERATIONS)
    wrong = [op for op, request in GOOD.items() if "error" in answer({"op": op, **request})]
    assert wrong == ["decode"], "the sample token does not fit the production tables; everything else is good"
    assert _code({"op": "decode", **GOOD["decode"]}) == StsCode.TOKEN_CRC


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": None}, StsCode.FIELD_MISSING),
        ({"key": "x"}, StsCode.FIELD_MALFORMED),
        ({"key": {**KEY, "meter_pan": "600727000000000008", "dkga": "99"}}, StsCode.PAN_CHECK_DIGIT),
        ({"key": {**KEY, "dkga": "01"}}, StsCode.DKGA_UNVERIFIED),
        ({"key": {**KEY, "dkga": "03"}}, StsCode.DKGA_UNVERIFIED),
        ({"key": {**KEY, "dkga": "05"}}, StsCode.DKGA_UNKNOWN),
        ({"key": {**KEY, "ea": "09"}}, StsCode.EA_WITHDRAWN),
        ({"key": {**KEY, "ea": "08"}}, StsCode.EA_UNKNOWN),
        ({"key": {**KEY, "dkga": "02", "ea": "11", "vending_key": "00" * 8}}, StsCode.DKGA_EA_MISMATCH),
        ({"key": {**KEY, "vending_key": "00" * 21}}, StsCode.KEY_LENGTH),
        ({"key": {**KEY, "vending_key": "zz" * 20}}, StsCode.FIELD_MALFORMED),
        ({"key": {**KEY, "vending_key": "00 " * 13 + "0"}}, StsCode.FIELD_MALFORMED),
        ({"key": {**KEY, "kt": 3}}, StsCode.COMMON_KEY_UNDEFINED),
        ({"key": {**KEY, "kt": "2"}}, StsCode.FIELD_MALFORMED),
        ({"key": {**KEY, "krn": True}}, StsCode.FIELD_MALFORMED),
        ({"key": {**KEY, "base_date": 2000}}, StsCode.BASE_DATE_UNKNOWN),
        ({"key": {**KEY, "ken": 5}}, StsCode.KEY_EXPIRED),
        ({"key": {**KEY, "decoder_key": "00" * 8}}, StsCode.DECODER_KEY_MISMATCH),
        ({"key": {"ea": "07", "decoder_key": "00" * 8}}, StsCode.FIELD_MISSING),  # a time needs a base date
        ({"token_class": 3}, StsCode.CLASS_RESERVED),
        ({"token_class": 4}, StsCode.FIELD_OUT_OF_RANGE),
        ({"token_class": "0"}, StsCode.FIELD_MALFORMED),
        ({"subclass": 8}, StsCode.SUBCLASS_UNKNOWN),
        ({"subclass": 16}, StsCode.FIELD_OUT_OF_RANGE),
        ({"subclass": 4}, StsCode.FIELDS_CONFLICT),
        ({"amount_tenths": None}, StsCode.FIELD_MISSING),
        ({"amount_tenths": 1.0}, StsCode.FIELD_MALFORMED),
        ({"amount_tenths": "1"}, StsCode.FIELD_MALFORMED),
        ({"amount_tenths": -1}, StsCode.AMOUNT_NEGATIVE),
        ({"amount_tenths": 18_201_625}, StsCode.AMOUNT_TOO_LARGE),
        ({"amount_currency": "1"}, StsCode.FIELDS_CONFLICT),
        ({"rnd": 16}, StsCode.FIELD_OUT_OF_RANGE),
        ({"issued_at": None}, StsCode.FIELD_MISSING),
        ({"issued_at": "2013-12-31T23:59:00Z"}, StsCode.TIME_BEFORE_BASE_DATE),
        ({"issued_at": "2045-11-24T20:16:00Z"}, StsCode.TIME_AFTER_RANGE),
        ({"issued_at": "2020-01-01T10:00:00+02:00"}, StsCode.TIME_NOT_UTC),
        ({"issued_at": 1577872800}, StsCode.FIELD_MALFORMED),
        ({"tid": 5}, StsCode.FIELDS_CONFLICT),
        ({"issued_at": None, "tid": 1 << 24}, StsCode.FIELD_OUT_OF_RANGE),
        ({"token_class": 2, "subclass": 3, "amount_tenths": None}, StsCode.FIELD_MALFORMED),
        ({"token_class": 2, "subclass": 1, "amount_tenths": None, "register": 8}, StsCode.REGISTER_UNKNOWN),
        ({"token_class": 2, "subclass": 11, "amount_tenths": None}, StsCode.SUBCLASS_UNKNOWN),
        ({"token_class": 2, "subclass": 5}, StsCode.FIELDS_CONFLICT),
    ],
)
def test_a_credit_request_is_refused_with_the_code_of_its_fault(change: dict[str, Any], code: StsCode) -> None:
    assert _code({**CREDIT, **change}) == code


# one fault per check, in the order of the list; each change leaves the others' fields alone
ORDERED_FAULTS: list[tuple[dict[str, Any], dict[str, Any], StsCode]] = [
    ({"op": "nope"}, {}, StsCode.OPERATION_UNKNOWN),
    ({}, {"meter_pan": "600727000000000008"}, StsCode.PAN_CHECK_DIGIT),
    ({}, {"dkga": "03"}, StsCode.DKGA_UNVERIFIED),
    ({}, {"ea": "09"}, StsCode.EA_WITHDRAWN),
    ({}, {"vending_key": "00"}, StsCode.KEY_LENGTH),
    ({}, {"base_date": 2000}, StsCode.BASE_DATE_UNKNOWN),
    ({}, {"kt": 3}, StsCode.COMMON_KEY_UNDEFINED),
    ({}, {"decoder_key": "00" * 8}, StsCode.DECODER_KEY_MISMATCH),
    ({"subclass": 9}, {}, StsCode.SUBCLASS_UNKNOWN),
    ({"issued_at": "2020-01-01T10:00:00+02:00"}, {}, StsCode.TIME_NOT_UTC),
    ({"amount_tenths": -1}, {}, StsCode.AMOUNT_NEGATIVE),
    ({}, {"ken": 3}, StsCode.KEY_EXPIRED),
]


@pytest.mark.parametrize("second", range(len(ORDERED_FAULTS)))
@pytest.mark.parametrize("first", range(len(ORDERED_FAULTS)))
def test_of_two_faults_the_one_that_stands_higher_is_named(first: int, second: int) -> None:
    request, key = dict(CREDIT), dict(KEY)
    for fault in (first, second):
        request |= ORDERED_FAULTS[fault][0]
        key |= ORDERED_FAULTS[fault][1]
    assert _code({**request, "key": key}) == ORDERED_FAULTS[min(first, second)][2]


def test_the_faults_stand_in_the_order_of_the_list() -> None:
    codes = [code for _, _, code in ORDERED_FAULTS]
    assert codes == [code for code in StsCode if code in codes]


@pytest.mark.parametrize(
    ("token_class", "subclass", "fields"),
    [
        (0, 3, {"amount_tenths": 77}),
        (0, 7, {"amount_currency": "-12.34524"}),
        (2, 0, {"power_w": 5000}),
        (2, 1, {"register": 65535}),
        (2, 2, {"rate": 65535}),
        (2, 5, {}),
        (2, 6, {"power_w": 16383}),
        (2, 7, {"factor": 1}),
        (2, 10, {"index": 62, "control_value": 1023}),
        (2, 10, {"index": 63, "flag_index": 511, "flag_value": 1}),
        (1, 0, {"manufacturer_code_digits": 2, "manufacturer_code": 99, "control": "000000001"}),
        (1, 1, {"manufacturer_code_digits": 4, "manufacturer_code": 9999, "control": "fffffff"}),
        (1, 2, {"manufacturer_code_digits": 2, "manufacturer_code": 0, "control": "123456789"}),
        (1, 8, {"manufacturer_code_digits": 4, "manufacturer_code": 1, "control": "0000002"}),
    ],
)
@pytest.mark.parametrize("ea", ["07", "11"])
def test_each_layout_goes_through_the_lines_and_comes_back_by_the_same_names(
    token_class: int, subclass: int, fields: dict[str, Any], ea: str
) -> None:
    key = {"ea": ea, "decoder_key": "0abc12def3456789" * (1 if ea == "07" else 2)}
    request: dict[str, Any] = {
        "op": "encode",
        "token_class": token_class,
        "subclass": subclass,
        "tid": 4_000_000,
        "rnd": 3,
        **fields,
    }
    made = answer(request if token_class == 1 else {**request, "key": key})
    assert "error" not in made
    decoded = answer({"op": "decode", "token": made["token"], **({} if token_class == 1 else {"key": key})})
    assert {name: decoded[name] for name in fields} == fields
    assert (decoded["token_class"], decoded["subclass"], decoded["block"]) == (token_class, subclass, made["block"])
    assert decoded.get("tid") == made["tid"] == (None if token_class == 1 else 4_000_000)


def test_the_extended_read_token_also_goes_as_its_whole_44_bits() -> None:
    whole = answer({"op": "encode", "token_class": 1, "subclass": 2, "control": "12345678900"})
    split = {"manufacturer_code_digits": 2, "manufacturer_code": 0, "control": "123456789"}
    assert whole == answer({"op": "encode", "token_class": 1, "subclass": 2, **split})


def test_any_44_bits_make_an_extended_read_token_for_its_fields_are_not_proven() -> None:
    made = answer({"op": "encode", "token_class": 1, "subclass": 2, "control": "fffffffffff"})
    assert answer({"op": "decode", "token": made["token"]})["block"] == "2fffffffffff"


@pytest.mark.parametrize("op", ["decode", "explain"])
def test_a_token_may_be_given_in_groups_as_it_is_printed(op: str) -> None:
    token = answer(CREDIT)["token"]
    groups = [token[at : at + 4] for at in range(0, 20, 4)]
    plain = answer({"op": op, "key": KEY, "token": token})
    assert plain == answer({"op": op, "key": KEY, "token": " ".join(groups)})
    assert plain == answer({"op": op, "key": KEY, "token": "-".join(groups)})
    assert _code({"op": "decode", "key": KEY, "token": " ".join(groups[:4])}) == StsCode.TOKEN_MALFORMED


def test_a_maker_code_may_be_given_as_digits() -> None:
    by_text = {"op": "encode", "token_class": 1, "subclass": 1, "manufacturer_code": "0034", "control": "1"}
    assert answer(by_text) == answer({**by_text, "manufacturer_code": 34})
    assert _code({**by_text, "manufacturer_code": "34"}) == StsCode.FIELD_MALFORMED
    assert _code({**by_text, "manufacturer_code_digits": 2}) == StsCode.FIELDS_CONFLICT


def test_key_change_parts_are_shown_by_the_agreed_names() -> None:
    new = {**KEY, "sgc": "654321", "ti": "07", "krn": 2, "ken": 0xA5}
    request = {"op": "key_change", "key": KEY, "new_key": new, "rollover": 1, "three_tokens": True}
    tokens = answer(request)["tokens"]
    value = answer({"op": "decoder_key", "key": new})["decoder_key"]
    first, second, third = (answer({"op": "decode", "key": KEY, "token": token}) for token in tokens)
    names = ("ken_high", "krn", "kt", "rollover", "three_tokens", "key_part")
    assert [first[name] for name in names] == [0xA, 2, 2, 1, True, value[:8]]
    assert [second[name] for name in ("ken_low", "ti", "key_part")] == [5, "07", value[8:]]
    assert [third[name] for name in ("sgc", "sgc_low", "sgc_high")] == ["654321", 654321 & 0xFFF, 654321 >> 12]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"new_key": {**KEY, "krn": 2}}, StsCode.FIELD_MISSING),  # a KEN is written, never assumed
        ({"new_key": {**KEY, "ken": 255, "meter_pan": PAN_13}}, StsCode.KEY_CHANGE_OTHER_METER),
        ({"new_key": {**KEY, "ken": 255, "kt": 0}}, StsCode.KEY_CHANGE_KEY_TYPE),
        ({"new_key": {**KEY, "ken": 256}}, StsCode.FIELD_OUT_OF_RANGE),
        ({"rollover": 2}, StsCode.FIELD_MALFORMED),
        ({"three_tokens": "no"}, StsCode.FIELD_MALFORMED),
    ],
)
def test_a_key_change_is_refused_with_the_code_of_its_fault(change: dict[str, Any], code: StsCode) -> None:
    assert _code({"op": "key_change", **GOOD["key_change"], **change}) == code


@pytest.mark.parametrize(
    ("request_", "result"),
    [
        ({"op": "tid", "base_date": 1993, "issued_at": "2004-04-21T10:01:00Z"}, {"tid": 5944921}),
        ({"op": "expiry", "ken": 90, "tid": 5944921}, {"accepted": True}),
        ({"op": "check_digit", "digits": "60072700000000000"}, {"check_digit": 9}),
        ({"op": "pan", "meter_pan": PAN_13}, {"valid": True, "iin": "0000", "drn": "0100000000008"}),
        ({"op": "pan", "meter_pan": "600727000000000008"}, {"valid": False, "iin": "600727", "drn": "00000000000"}),
        ({"op": "pan", "meter_pan": "12"}, {"valid": False, "iin": None, "drn": None}),
        ({"op": "pan", "meter_pan": "123456789012345678"}, {"valid": False, "iin": None, "drn": None}),
        ({"op": "drn", "drn": "00000000001"}, {"valid": False}),
        ({"op": "crc", "bytes": "000b19eb230100"}, {"crc": "c207"}),
        ({"op": "amount16", "tenths": 16385}, {"field": "4001", "carried": 16394}),
        ({"op": "amount20", "amount": "-0.000001"}, {"field": "00000", "carried": "0"}),
        ({"op": "amount20", "amount": 100}, {"field": "0dff6", "carried": "100.00624"}),
    ],
)
def test_the_small_operations(request_: dict[str, Any], result: dict[str, Any]) -> None:
    assert answer({"id": "x", **request_}) == {"id": "x", **result}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ea": "10"}, StsCode.EA_UNKNOWN),
        ({"key": "00" * 8}, StsCode.KEY_LENGTH),
        ({"block": "00"}, StsCode.KEY_LENGTH),
        ({"direction": "up"}, StsCode.FIELD_MALFORMED),
        ({"tables": "sample"}, StsCode.FIELDS_CONFLICT),
        ({"ea": "07", "key": "00" * 8, "tables": "mine"}, StsCode.FIELD_MALFORMED),
    ],
)
def test_the_cipher_operation_is_strict(change: dict[str, Any], code: StsCode) -> None:
    assert _code({"op": "cipher", **GOOD["cipher"], **change}) == code


@pytest.mark.parametrize("ea", ["07", "09", "11"])
def test_the_cipher_operation_inverts(ea: str) -> None:
    chance = random.Random(ea)
    key, block = chance.randbytes(16 if ea == "11" else 8).hex(), chance.randbytes(8).hex()
    made = answer({"op": "cipher", "ea": ea, "key": key, "block": block, "direction": "encrypt"})["block"]
    assert made != block
    back = answer({"op": "cipher", "ea": ea, "key": key, "block": made, "direction": "decrypt"})["block"]
    assert back == block


def test_every_refusal_has_its_texts_and_its_place() -> None:
    assert list(TEXTS) == list(StsCode)
    for code in StsCode:
        assert refusals.texts[code.value] == TEXTS[code]
        assert not refusals.message(code.value, "en", {}).count("{")
