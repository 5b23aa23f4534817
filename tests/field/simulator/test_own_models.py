"""Meter models of the site's own beside the site file: played like any other, held to the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.catalogue import shipped_text
from prewatt.core.meters.drivers import MeterAddress
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.field.simulator import SiteError, Store, World, load_site, own_models
from prewatt.field.simulator.meter import Meter
from prewatt.field.simulator.own_models import check_reads_back
from tests.field.simulator.plant import NOON_MS, NUMBER, meter, site_dict
from tests.field.simulator.test_driver import Master

OURS = shipped_text("pilot-spm9511").replace('code = "pilot-spm9511"', 'code = "ours"')
WIRED = sorted(code for code, profile in catalogue().items() if profile.wired)


def files(directory: Path, *names: str, text: str = OURS, profile: str = "ours") -> Path:
    """A site file with such models beside it."""
    parts = {**meter(), "profile": profile, "circuits": [{"index": 1, "opening": {"energy_wh": 7_000}}]}
    (directory / "site.json").write_text(json.dumps({**site_dict(parts), "models": list(names)}))
    (directory / "models").mkdir()
    (directory / "models" / "ours.toml").write_text(text)
    (directory / "ours@2.toml").write_text(text)
    return directory / "site.json"


def known(path: Path) -> dict[str, Profile]:
    return own_models.own_models(load_site(path).models, path.parent)


@pytest.mark.parametrize(
    ("named", "profile"), [("models", "ours"), ("models/ours.toml", "ours"), ("ours@2.toml", "ours@2")]
)
def test_a_meter_of_the_sites_own_model_is_played_and_read(named: str, profile: str, tmp_path: Path) -> None:
    path = files(tmp_path, named, profile=profile)
    profiles = known(path)
    assert list(profiles) == [profile]
    a_world = World(load_site(path), Store(tmp_path), now_ms=NOON_MS, profiles={**catalogue(), **profiles})
    master = Master(a_world.lines["a"], "rtu", profile=profiles[profile], address=MeterAddress(unit=1, number=NUMBER))
    outcome = master.do(Job(intent=Intent.READ_REGISTERS))
    assert (outcome.verdict, outcome.values[Quantity.ENERGY_IMPORT_TOTAL]) == (Verdict.DONE, 7_000)
    assert a_world.describe(NOON_MS, {})[0]["profile"] == profile


@pytest.mark.parametrize(
    ("names", "text", "code", "said"),
    [
        (["models", "models/ours.toml"], OURS, "duplicate", "ours is there twice"),
        (["nowhere.toml"], OURS, "unreadable", "nowhere.toml"),
        (["models"], OURS.replace('"ours"', '"acrel-ddsy1352"', 1), "bad_model", "profile_code_shipped"),
        (["models"], OURS + "\n[nonsense]\n", "bad_model", "profile_"),
        (["models"], "[model", "bad_model", "ours.toml:1"),
        (["ours@2.toml"], OURS.replace('"ours"', '"theirs"', 1), "bad_model", "is a version of ours"),
    ],
)  # fmt: skip
def test_what_is_no_model_is_refused_with_its_place(
    names: list[str], text: str, code: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(SiteError, match=said) as refused:
        known(files(tmp_path, *names, text=text))
    assert refused.value.code == code


@pytest.mark.parametrize("wrong", [7, ["ok.toml", 7], [""], ["x"] * 101])
def test_models_are_a_list_of_names(wrong: Any, tmp_path: Path) -> None:
    path = files(tmp_path)
    path.write_text(json.dumps({**site_dict(meter()), "models": wrong}))
    with pytest.raises(SiteError):
        load_site(path)


@pytest.mark.parametrize("code", WIRED)
def test_every_register_of_a_shipped_model_reads_back(code: str) -> None:
    check_reads_back(catalogue()[code], code)


def test_a_register_that_says_something_else_than_the_meter_holds_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The meter's registers are those of the shipped text, and it is read by one whose power has another scale."""
    played = own_models._played

    def as_shipped(profile: Profile) -> Meter:
        one = played(catalogue()["pilot-spm9511"])
        one.circuits[1].connect_load(1_200)
        one.profile = profile
        return one

    monkeypatch.setattr(own_models, "_played", as_shipped)
    wrong = OURS.replace('type = "i32be"\nunit = "W"', 'type = "i32be"\nscale = "0.1"\nunit = "W"')
    with pytest.raises(SiteError, match="holds 1200 in power_active, and 120 is read") as refused:
        known(files(tmp_path, "models", text=wrong))
    assert refused.value.code == "bad_model"
