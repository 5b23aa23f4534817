"""A text that shall become a site's own model: what is refused, and on which line."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.meters.catalogue import catalogue, shipped_text
from prewatt.core.meters.own import MAX_VERSION, OwnVersion, check_own, line_of, load_own, name_of, parted
from prewatt.core.refusals import Refused

OURS = shipped_text("pilot-spm9511").replace('code = "pilot-spm9511"', 'code = "ours"')
DATA = shipped_text("ningju-ddzy1218").replace('code = "ningju-ddzy1218"', 'code = "ours"')
PLAIN = shipped_text("chint-ddsu666").replace('code = "chint-ddsu666"', 'code = "ours"')


def test_an_own_version_is_named_apart_from_shipped_ones_and_loads_under_that_name() -> None:
    assert (name_of("ours", 3), parted("ours@3")) == ("ours@3", ("ours", 3))
    assert len(name_of("x" * 40, MAX_VERSION)) <= 48, "the column of a meter"
    for other in ("pilot-spm9511", "ours@", "@3", "ours@x", "ours@12345", "ours@\u0663"):
        assert parted(other) is None
    assert load_own(OwnVersion(code="ours@3", text=OURS)).code == "ours@3"
    assert not any("@" in code for code in catalogue())


@pytest.mark.parametrize(
    ("text", "old", "new", "code", "line"),
    [
        (OURS, 'code = "ours"', 'code = "eastron-sdm120"', "profile_code_shipped", 'code = "eastron-sdm120"'),
        (OURS, "phases = 1", "phases = 2", "profile_value", "phases = 2"),
        (OURS, 'type = "bcd48"', 'type = "bcd49"', "profile_unknown_type", 'type = "bcd49"'),
        (OURS, 'type = "bcd48"', 'typ = "bcd48"', "profile_missing", "[[register]]"),
        (OURS, 'quantity = "balance"', 'quantity = "balans"', "profile_unknown_quantity", 'quantity = "balans"'),
        (OURS, "address = 0x0106", "address = 0x0105", "profile_overlap", "address = 0x0105"),
        (OURS, 'scale = "0.01"', 'scale = "none"', "profile_scale", 'scale = "none"'),
        (OURS, 'scale = "0.01"', 'scale = "1e-99999999"', "profile_scale", 'scale = "1e-99999999"'),
        (OURS, 'unit = "kWh"', 'unit = "V"', "profile_unit", 'unit = "V"'),
        (OURS, "assumed = true", "", "profile_no_source", 'quantity = "meter_number"'),
        (OURS, "assumed = true", "=", "profile_malformed", "="),
        (OURS, "count = 17", "count = 47\nspares = 2", "profile_unknown_key", "spares = 2"),
        (OURS, "max_block = 48", "max_block = 12", "profile_block_too_long", "[[block]]"),
        (OURS, "trip = [1, 1]", "trip = [1, 70000]", "profile_value", "trip = [1, 70000]"),
        (OURS, "purchase = 1", "purchase = 0", "profile_value", "purchase = 0"),
        (OURS, "resolution = 10 ", "resolution = 15 ", "profile_value", "resolution = 15"),
        (OURS, "[relay]", "[relay]\nfast = true", "profile_unknown_key", "fast = true"),
        (OURS, "count = 8", "count = 17", "profile_twins", "[[block]]"),
        (OURS, "[model]", "x = " + "[\n" * 3_000 + "]\n" * 3_000 + "\n[model]", "profile_malformed", None),
        (OURS, "phases = 1", "phases = 0x" + "F" * 380, "profile_value", "phases = 0x"),
        (OURS, "phases = 1", "phases = " + "1" * 5_000, "profile_malformed", "phases = 1"),
        (OURS, "phases = 1", "phases = 1\n" + "a." * 50_000 + "b = 1", "profile_malformed", "a.a."),
        (PLAIN, '"energy_import_total"', '"energy_import_peak"', "profile_unpolled", "[model]"),
        (DATA, 'di = "04000402"', 'di = "0400040G"', "profile_identifier", 'di = "0400040G"'),
        (DATA, 'di = "02030000"\nsize = 3', 'di = "04000503"\nsize = 2', "profile_not_in_block", 'di = "02030000"'),
        (DATA, "set = [4, 6]", "set = [4, 16]", "profile_value", "set = [4, 16]"),
        (DATA, 'trip = ["keep_power_off", "trip"]', 'trip = [["trip"]]', "profile_value", 'trip = [["trip"]]'),
    ],
)
def test_a_refusal_names_its_line(text: str, old: str, new: str, code: str, line: str | None) -> None:
    assert old in text
    wrong = text.replace(old, new, 1)
    with pytest.raises(Refused) as refused:
        check_own(wrong)
    assert refused.value.code == code
    at = line_of(wrong, refused.value)
    assert (line is None) == (at is None)
    if at is not None and line is not None:
        assert wrong.splitlines()[at - 1].startswith(line)
    assert refused.value.message("en") != refused.value.message("zh-hans")


TEXTS = [shipped_text(code) for code in catalogue()]
LONG = "0x" + "F" * 4_000
VALUES = ["[]", "{}", "-1", "true", '"x"', "[[1]]", "1.5", LONG, '"1e-99999999"', "1979-05-27", "[{}]", ""]


@given(st.integers(0, 2**32))
def test_whatever_is_done_to_a_text_it_is_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    lines = chance.choice(TEXTS).splitlines()
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(lines))
        if chance.random() < 0.6 and "=" in lines[place]:
            lines[place] = f"{lines[place].split('=')[0]}= {chance.choice(VALUES)}"
        else:
            lines[place] = chance.choice(lines)
    text = "\n".join(lines)
    try:
        check_own(text)
    except Refused as refused:
        at = line_of(text, refused)
        assert at is None or 1 <= at <= len(lines) + 1
