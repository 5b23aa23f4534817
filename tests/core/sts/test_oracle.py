"""`prewatt sts` against a second maker of tokens that shares no line with it: all layouts, both ciphers, all edges."""

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.sts.operations import answer
from tests.core.sts import oracle
from tests.core.sts.cases import amounts_16, amounts_20, rnds, tids, vectors, words
from tests.core.sts.oracle import bits

keys = st.one_of(st.binary(min_size=8, max_size=8), st.binary(min_size=16, max_size=16)).map(bytes.hex)
TOPS = {16: (4, 1), 20: (32, 100_000)}  # exponents, and units of the field in the unit asked


def key_of(value: str) -> dict[str, Any]:
    return {"ea": "07" if len(value) == 16 else "11", "decoder_key": value, "base_date": 2014}


def agreed(token_class: int, subclass: int, fields: dict[str, Any], clear48: str, key: str | None) -> dict[str, Any]:
    """What both made of it, after comparing digits and block, and reading the token back."""
    given_key = {} if key is None else {"key": key_of(key)}
    made = answer({"op": "encode", "token_class": token_class, "subclass": subclass, **fields, **given_key})
    assert "error" not in made, made
    assert made["token"] == oracle.digits(token_class, clear48, key)
    assert int(made["block"], 16) == int(clear48, 2) and len(made["block"]) == 12
    read = answer({"op": "decode", "token": made["token"], **given_key})
    assert (read["token_class"], read["subclass"], read["block"]) == (token_class, subclass, made["block"])
    return {**read, "carried": made["carried"]}


def common(subclass: int, rnd: int, tid: int, word: int) -> str:
    return bits(subclass, 4) + bits(rnd, 4) + bits(tid, 24) + bits(word, 16)


def timed(rnd: int, tid: int, **more: Any) -> dict[str, Any]:
    return {"rnd": rnd, "tid": tid, **more}


@given(keys, st.integers(0, 3), rnds, tids, amounts_16)
def test_units(key: str, subclass: int, rnd: int, tid: int, tenths: int) -> None:
    e, m, stands = oracle.steps(4, Fraction(tenths), up=True)
    clear = common(subclass, rnd, tid, e << 14 | m)
    read = agreed(0, subclass, timed(rnd, tid, amount_tenths=tenths), clear, key)
    assert read["amount_tenths"] == read["carried"] == stands >= tenths


@given(keys, st.integers(4, 7), tids, amounts_20)
def test_money(key: str, subclass: int, tid: int, amount_e5: int) -> None:
    e, m, stands = oracle.steps(32, Fraction(abs(amount_e5)), up=amount_e5 >= 0)
    field = bits(int(amount_e5 < 0), 1) + bits(e, 5) + bits(m, 14)
    clear = bits(subclass, 4) + field[:4] + bits(tid, 24) + field[4:]
    whole, rest = divmod(abs(amount_e5), 100_000)
    asked = f"{'-' if amount_e5 < 0 else ''}{whole}.{rest:05d}"
    read = agreed(0, subclass, {"tid": tid, "amount_currency": asked}, clear, key)
    assert read["amount_currency"] == read["carried"]
    assert Fraction(read["carried"]) * 100_000 == (stands if amount_e5 >= 0 else -stands)
    assert Fraction(read["carried"]) >= Fraction(asked), "the customer's way, on both sides of nothing"


@given(keys, st.sampled_from([(0, "power_w"), (6, "power_w")]), rnds, tids, amounts_16)
def test_limits_in_watts(key: str, what: tuple[int, str], rnd: int, tid: int, watts: int) -> None:
    e, m, stands = oracle.steps(4, Fraction(watts), up=True)
    read = agreed(2, what[0], timed(rnd, tid, power_w=watts), common(what[0], rnd, tid, e << 14 | m), key)
    assert read["power_w"] == read["carried"] == stands


@given(keys, rnds, tids, words, st.sampled_from([*range(8), 0xFFFF]))
def test_plain_management_words(key: str, rnd: int, tid: int, word: int, register: int) -> None:
    for subclass, name, value in ((1, "register", register), (2, "rate", word), (7, "factor", word)):
        read = agreed(2, subclass, timed(rnd, tid, **{name: value}), common(subclass, rnd, tid, value), key)
        assert read[name] == read["carried"] == value
    assert agreed(2, 5, timed(rnd, tid), common(5, rnd, tid, 0), key)["carried"] is None


@given(keys, rnds, tids, st.integers(0, 62), st.integers(0, 1023), st.integers(0, 511), st.integers(0, 1))
def test_extended(key: str, rnd: int, tid: int, index: int, value: int, flag: int, on: int) -> None:
    head = bits(10, 4) + bits(rnd, 4) + bits(tid, 24)
    agreed(2, 10, timed(rnd, tid, index=index, control_value=value), head + bits(index, 6) + bits(value, 10), key)
    flagged = timed(rnd, tid, index=63, flag_index=flag, flag_value=on)
    agreed(2, 10, flagged, head + "111111" + bits(flag, 9) + bits(on, 1), key)


@given(st.integers(0, 99), st.integers(0, 9999), st.integers(0, 2**36 - 1))
def test_meter_tests(two: int, four: int, control: int) -> None:
    for subclass in (0, 2, 11, 15):
        fields = {"manufacturer_code_digits": 2, "manufacturer_code": two, "control": f"{control:x}"}
        agreed(1, subclass, fields, bits(subclass, 4) + bits(control, 36) + bits(two, 8), None)
    short = control % 2**28
    for subclass in (1, 6, 10):
        fields = {"manufacturer_code_digits": 4, "manufacturer_code": four, "control": f"{short:07x}"}
        agreed(1, subclass, fields, bits(subclass, 4) + bits(short, 28) + bits(four, 16), None)


@given(
    st.sampled_from([8, 16]).flatmap(lambda size: st.tuples(*[st.binary(min_size=size, max_size=size)] * 2)),
    st.integers(0, 255), st.integers(1, 9), st.integers(0, 3), st.integers(0, 99), st.integers(0, 999_999),
    st.integers(0, 1), st.booleans(),
)  # fmt: skip
def test_key_changes(
    pair: tuple[bytes, bytes], ken: int, krn: int, kt: int, ti: int, sgc: int, rollover: int, three: bool
) -> None:
    old, new = (value.hex() for value in pair)
    three = three and len(old) == 16
    about = {"ken": ken, "krn": krn, "kt": kt, "ti": f"{ti:02d}", "sgc": f"{sgc:06d}"}
    made = answer({
        "op": "key_change", "key": key_of(old), "new_key": {**key_of(new), **about}, "rollover": rollover,
        "three_tokens": three,
    })  # fmt: skip
    clear = oracle.key_change(new, ken=ken, krn=krn, kt=kt, ti=ti, sgc=sgc, rollover=rollover, three=int(three))
    assert made["tokens"] == [oracle.digits(2, each, old) for each in clear]
    assert [int(each, 16) for each in made["blocks"]] == [int(each, 2) for each in clear]
    read: dict[str, Any] = {}
    for token in made["tokens"]:
        read |= answer({"op": "decode", "key": key_of(old), "token": token})
    assert (read["ken_high"] << 4 | read["ken_low"], read["krn"], read["kt"], read["ti"]) == (ken, krn, kt, f"{ti:02d}")
    assert (read["rollover"], read["three_tokens"]) == (rollover, three)
    if len(clear) > 2:
        assert read["sgc_high"] << 12 | read["sgc_low"] == sgc


@given(st.sampled_from([1993, 2014, 2035]), st.integers(0, 11_649), st.integers(0, 23), st.integers(0, 59))
def test_times(base: int, days: int, hour: int, minutes: int) -> None:
    day = date(base, 1, 1) + timedelta(days=days)
    issued = f"{day:%Y-%m-%d}T{hour:02d}:{minutes:02d}:59Z"
    tid = oracle.minute(base, day, hour, minutes)
    assert answer({"op": "tid", "base_date": base, "issued_at": issued}) == {"id": None, "tid": tid}
    for ken in (0, 85, 170, 254, 255):
        said = answer({"op": "expiry", "ken": ken, "base_date": base, "issued_at": issued})
        if f"{tid:06x}"[:2] > f"{ken:02x}":
            assert said["error"]["code"] == "key_expired"
        else:
            assert said["accepted"] is True


@given(st.integers(4, 7), amounts_20, tids)
def test_the_check_sum_of_money_covers_a_byte_more(subclass: int, amount: int, tid: int) -> None:
    covered = bits(0, 8) + bits(subclass, 4) + bits(abs(amount) % 16, 4) + bits(tid, 24) + bits(abs(amount) % 65536, 16)
    for currency in (False, True):
        said = answer({"op": "crc", "bytes": f"{int(covered, 2):014x}", "currency": currency})
        assert int(said["crc"], 16) == int(oracle.crc(covered, currency=currency), 2)


@pytest.mark.parametrize("field", [16, 20])
@given(st.data())
def test_every_edge_between_two_exponents(field: int, data: st.DataObject) -> None:
    exponents, scale = TOPS[field]
    e = data.draw(st.integers(1, exponents - 1))
    edge = sum(2**14 * 10 ** (n - 1) for n in range(1, e + 1)) + data.draw(st.integers(-11, 11))
    e, m, stands = oracle.steps(exponents, Fraction(edge), up=True)
    if field == 16:
        said = answer({"op": "amount16", "tenths": edge})
        assert (int(said["field"], 16), said["carried"]) == (e << 14 | m, stands)
        return
    said = answer({"op": "amount20", "amount": f"{edge // scale}.{edge % scale:05d}"})
    assert int(said["field"], 16) == e << 14 | m and Fraction(said["carried"]) * scale == stands
    e, m, stands = oracle.steps(exponents, Fraction(edge), up=False)
    said = answer({"op": "amount20", "amount": f"-{edge // scale}.{edge % scale:05d}"})
    assert int(said["field"], 16) == 1 << 19 | e << 14 | m and Fraction(said["carried"]) * scale == -stands


def test_the_oracle_itself_makes_the_tokens_of_the_peer() -> None:
    made = 0
    for case in vectors("peer_run.json")[::8]:
        if case["kind"] != "credit":
            continue
        at = case["issued_at"]
        tid = oracle.minute(case["key"]["base_date"], date.fromisoformat(at[:10]), int(at[11:13]), int(at[14:16]))
        e, m, _ = oracle.steps(4, Fraction(case["amount_tenths"]), up=True)
        clear = common(case["subclass"], case["rnd"], tid, e << 14 | m)
        assert oracle.digits(0, clear, case["key"]["decoder_key"]) == case["token"], case["id"]
        made += 1
    assert made > 20
