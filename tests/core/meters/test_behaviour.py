"""How a model counts energy that flows back."""

from importlib.resources import files

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.behaviour import Reverse
from prewatt.core.meters.profile import load
from prewatt.core.refusals import Refused

ADDS = "pilot-spm9571"


def text(code: str) -> str:
    return (files("prewatt.core.meters") / "profiles" / f"{code}.toml").read_text(encoding="utf-8")


def test_a_model_that_adds_must_not_stand_behind_rooftop_solar() -> None:
    known = {code: each.behaviour for code, each in catalogue().items() if each.behaviour is not None}
    assert {code for code, each in known.items() if each.harms_solar} >= {ADDS, "ningju-ddzy1218", "acrel-adf300"}
    assert not known["ningju-dtzy1218"].harms_solar and known["ningju-dtzy1218"].reverse is Reverse.SEPARATE
    unknown = ("chint-ddsu666", "pilot-spm9511", "pilot-spm9513", "pilot-spm2506-6", "acrel-dtsy1352-nk")
    assert not set(unknown) & known.keys(), "nothing is claimed of them"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('reverse = "adds"', 'reverse = "sometimes"', "profile_value"),
        ('reverse = "adds"', "", "profile_missing"),
        ('reverse = "adds"', 'reverse = "adds"\nforward = 1', "profile_unknown_key"),
    ],
)
def test_a_table_with_another_word_is_refused(old: str, new: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        load(text(ADDS).replace(old, new))
    assert refused.value.code == code
