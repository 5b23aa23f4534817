"""What stands on a model's plate."""

from importlib.resources import files

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.profile import load
from prewatt.core.meters.rating import Across, Rating
from prewatt.core.refusals import Refused

MODEL = "pilot-spm9571"


def text(code: str) -> str:
    return (files("prewatt.core.meters") / "profiles" / f"{code}.toml").read_text(encoding="utf-8")


def plate(code: str) -> Rating:
    found = catalogue()[code].rating
    assert found is not None, code
    return found


def test_the_plate_says_what_the_maker_says_and_no_more() -> None:
    spm = plate("pilot-spm9511")
    assert (spm.voltages_mv, spm.across, spm.phase_mv) == ((220_000, 120_000), Across.PHASE, 220_000)
    assert (spm.currents_ma, spm.accuracy) == (((10_000, 80_000),), "1")
    assert spm.has_baud(2400) and not spm.has_baud(19_200)
    assert (spm.pulses, spm.units) == ((), None) and spm.has_unit(247), "not said, so not refused"
    assert 57_700 in plate("ningju-dtzy1218").voltages_mv
    assert plate("ningju-ddzy1218").currents_ma[0] == (10_000, 0), "its greatest current is not said"
    assert catalogue()["generic-dlt645-order"].rating is None  # nothing is claimed of it


def test_every_plate_says_where_it_is_from() -> None:
    for code, profile in catalogue().items():
        known = profile.rating
        if known is not None:
            assert known.source or known.assumed, code
            assert known.has_baud(profile.baud_default), code


def test_a_voltage_between_two_phases_is_played_as_one_to_neutral() -> None:
    table = '[rating]\nvoltages = [100_000]\nacross = "line"\nassumed = true\n\n[[block]]'
    made = load(without(text(MODEL)).replace("[[block]]", table, 1)).rating
    assert made is not None and made.assumed and made.phase_mv == 57_735


def without(profile: str) -> str:
    head, _, rest = profile.partition("[rating]\n")
    return head + rest.partition("\n\n")[2]


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ("voltages = [220_000]", "profile_no_source"),
        ("voltages = [220_000.5]\nassumed = true", "profile_value"),
        ("voltages = [220_000, 220_000]\nassumed = true", "profile_value"),
        ('voltages = [220_000]\nacross = "both"\nassumed = true', "profile_value"),
        ("currents = [80_000]\nassumed = true", "profile_value"),
        ("currents = [[80_000, 10_000]]\nassumed = true", "profile_value"),
        ("currents = [[1, 2, 3]]\nassumed = true", "profile_value"),
        ("currents = [[]]\nassumed = true", "profile_value"),
        ("pulses = [0]\nassumed = true", "profile_value"),
        ("pulses = [true]\nassumed = true", "profile_value"),
        ("units = [0, 247]\nassumed = true", "profile_value"),
        ("units = [9]\nassumed = true", "profile_value"),
        ("units = [9, 3]\nassumed = true", "profile_value"),
        ("bauds = [2400, 14_400]\nassumed = true", "profile_value"),
        ("bauds = [2400]\nassumed = true", "profile_value"),  # not the one it leaves the works with
        ('accuracy = "a text longer than any class is"\nassumed = true', "profile_value"),
        ("weight = 1\nassumed = true", "profile_unknown_key"),
    ],
)
def test_a_plate_that_no_meter_has_is_refused(table: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        load(without(text(MODEL)).replace("[[block]]", f"[rating]\n{table}\n\n[[block]]", 1))
    assert refused.value.code == code
