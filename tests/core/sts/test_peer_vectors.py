"""The 576 tokens an independent implementation made, and the values printed in public sources."""

from typing import Any

import pytest

from prewatt.core.sts import (
    BaseDate,
    CreditKind,
    DecoderKey,
    Dkga,
    Ea,
    KeyChange,
    KeyType,
    Management,
    ManagementKind,
    Token,
    UnitsCredit,
    VendingKey,
    decode,
    encode,
    parse_utc,
    tid_of,
)
from prewatt.core.sts.misty1 import Misty1
from prewatt.core.sts.operations import answer
from tests.core.sts.cases import vectors

PEER = vectors("peer_run.json")
PRINTED = vectors("printed.json")


def _ids(cases: list[dict[str, Any]]) -> list[str]:
    return [case["id"] for case in cases]


def _key(given: dict[str, Any]) -> DecoderKey:
    vending_key = VendingKey(
        dkga=Dkga(given["dkga"]),
        value=bytes.fromhex(given["vending_key"]),
        sgc=given["sgc"],
        krn=given["krn"],
        kt=KeyType(given["kt"]),
        base_date=BaseDate(given["base_date"]),
        ken=given.get("ken", 255),
    )
    return vending_key.decoder_key(meter_pan=given["meter_pan"], ti=given["ti"], ea=Ea(given["ea"]))


def _token(case: dict[str, Any]) -> Token:
    tid = tid_of(parse_utc(case["issued_at"]), BaseDate(case["key"]["base_date"]))
    if case["kind"] == "credit":
        kind = CreditKind(case["subclass"])
        return UnitsCredit(kind=kind, tid=tid, rnd=case["rnd"], amount_tenths=case["amount_tenths"])
    value = case["power_w"] if "power_w" in case else case["register"]
    return Management(kind=ManagementKind(case["subclass"]), tid=tid, rnd=case["rnd"], value=value)


def test_there_are_576_cases_of_the_peer() -> None:
    assert len(PEER) == 576


@pytest.mark.parametrize("case", PEER, ids=_ids(PEER))
def test_the_peer_and_we_make_the_same_keys_and_tokens(case: dict[str, Any]) -> None:
    key = _key(case["key"])
    assert key.value.hex() == case["key"]["decoder_key"]
    if case["kind"] != "key_change":
        token = _token(case)
        made = encode(token, key)
        assert made.digits == case["token"]
        assert decode(case["token"], key).bits48 == made.bits48
        return
    new = _key({**case["key"], **case["new_key"]})
    assert new.value.hex() == case["new_key"]["decoder_key"]
    change = KeyChange(old=key, new=new, rollover=bool(case["new_key"]["rollover"]))
    assert [each.digits for each in change.tokens()] == case["tokens"]
    assert tuple(decode(digits, key).token for digits in case["tokens"]) == change.parts()


@pytest.mark.parametrize("case", PRINTED, ids=_ids(PRINTED))
def test_values_printed_in_public_sources_are_reproduced(case: dict[str, Any]) -> None:
    assert answer({"id": case["id"], **case["request"]}) == {"id": case["id"], **case["result"]}


def test_the_printed_currency_token_decodes_to_what_it_carries() -> None:
    key = {"ea": "07", "decoder_key": "4530edb79b5f083d"}
    found = answer({"op": "decode", "key": key, "token": "07420412750539184100"})
    assert found == {
        "id": None,
        "token_class": 0,
        "subclass": 4,
        "block": "4065f0d4dff6",
        "tid": 6680788,
        "amount_currency": "100.00624",
    }


@pytest.mark.parametrize("case", vectors("rfc2994.json"))
def test_misty1_reproduces_rfc_2994_both_ways(case: dict[str, str]) -> None:
    cipher = Misty1(bytes.fromhex(case["key"]))
    assert f"{cipher.encrypt(int(case['plain'], 16)):016x}" == case["cipher"]
    assert f"{cipher.decrypt(int(case['cipher'], 16)):016x}" == case["plain"]
