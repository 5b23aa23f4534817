"""A site's own versions of meter models: kept whole, never changed, seen where they belong."""

from typing import Any

import pytest
from django.db import DatabaseError, transaction

from prewatt.core.meters.catalogue import catalogue, shipped_text
from prewatt.core.meters.own import name_of
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Company, Meter, ProfileVersion, Site
from prewatt.office.estate.profiles import all_profiles, offered, save_version, site_profiles, text_of, usable, versions
from prewatt.office.estate.wires import add_meter
from prewatt.office.staff.models import AuditRow
from tests.cast import NOON, Cast, assemble

pytestmark = pytest.mark.django_db
TEXT = shipped_text("pilot-spm9511").replace('code = "pilot-spm9511"', 'code = "our-9511"')
UNBILLABLE = (
    shipped_text("chint-ddsu666").replace('"chint-ddsu666"', '"ours"')
    .replace('"energy_import_total"', '"energy_import_peak"')
)  # fmt: skip


@pytest.fixture
def cast() -> Cast:
    return assemble()


def save(cast: Cast, text: str = TEXT, **changes: Any) -> ProfileVersion:
    told = {"based_on": "pilot-spm9511", "note": "as the maker wrote", "everywhere": False, "actor": "operator:1"}
    return save_version(changes.pop("site", cast.site), text=text, at=NOON, **{**told, **changes})


def test_a_saved_version_is_a_model_like_any_other_and_the_trail_says_who_made_it(cast: Cast) -> None:
    row = save(cast)
    name = name_of(row.code, row.version)
    assert name == "our-9511@1"
    own, shipped = all_profiles()[name], catalogue()["pilot-spm9511"]
    assert own.code == name
    assert own.registers == shipped.registers
    assert usable(name, cast.site.pk) == own
    assert text_of(name, cast.site.pk) == TEXT
    assert set(all_profiles()) == {*catalogue(), name}
    deed = AuditRow.objects.get(action="estate.profile_version")
    assert (deed.actor, deed.object_id, deed.reason) == ("operator:1", "our-9511", "as the maker wrote")
    assert deed.after == {"profile": name, "based_on": "pilot-spm9511", "everywhere": False}


def test_a_change_is_a_new_version_and_the_old_one_stays_for_its_meters(cast: Cast) -> None:
    save(cast)
    second = save(cast, TEXT.replace("quiet_ms = 20", "quiet_ms = 35"), based_on="our-9511@1")
    assert second.version == 2
    assert (all_profiles()["our-9511@1"].quiet_ms, all_profiles()["our-9511@2"].quiet_ms) == (20, 35)
    assert [each for each in offered(cast.site.pk) if "@" in each] == ["our-9511@2"]
    assert [each.version for each in versions(cast.site.pk, "our-9511")] == [2, 1]
    for act in (
        lambda: ProfileVersion.objects.filter(pk=second.pk).update(text=TEXT),
        lambda: ProfileVersion.objects.filter(pk=second.pk).delete(),
    ):
        with pytest.raises(DatabaseError, match="append_only"), transaction.atomic():
            act()


@pytest.mark.parametrize(
    ("text", "note", "code"),
    [
        (TEXT.replace("phases = 1", "phases = 2"), "why", "profile_value"),
        (UNBILLABLE, "why", "profile_unpolled"),
        (shipped_text("pilot-spm9511"), "why", "profile_code_shipped"),
        ("", "why", "profile_missing"),
        (TEXT, "   ", "profile_note_needed"),
        (TEXT, "x" * 256, "profile_note_needed"),
    ],
)
def test_what_is_not_sound_is_not_kept(cast: Cast, text: str, note: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        save(cast, text, note=note)
    assert refused.value.code == code
    assert not ProfileVersion.objects.exists()


def test_the_same_text_again_is_no_new_version(cast: Cast) -> None:
    save(cast)
    with pytest.raises(Refused, match="profile_unchanged"):
        save(cast)


def test_a_version_is_seen_at_its_site_or_at_all_sites_of_its_company_and_nowhere_else(cast: Cast) -> None:
    sister = Site.objects.create(company=cast.company, code="S2", name="sister")
    other = Company.objects.create(name="other", currency="CNY", exponent=2)
    strange = Site.objects.create(company=other, code="S1", name="strange")
    save(cast)
    save(cast, TEXT.replace("our-9511", "all-9511"), everywhere=True)
    assert {each for each in site_profiles(cast.site.pk) if "@" in each} == {"our-9511@1", "all-9511@1"}
    assert {each for each in site_profiles(sister.pk) if "@" in each} == {"all-9511@1"}
    assert {each for each in site_profiles(strange.pk) if "@" in each} == set()
    for site, name in ((sister, "our-9511@1"), (strange, "all-9511@1")):
        with pytest.raises(Refused, match="meter_profile_unknown"):
            usable(name, site.pk)
        with pytest.raises(Refused, match="meter_profile_unknown"):
            text_of(name, site.pk)
    with pytest.raises(Refused, match="profile_code_elsewhere"):
        save(cast, TEXT.replace("quiet_ms = 20", "quiet_ms = 21"), site=strange)
    later = save(cast, TEXT.replace("our-9511", "all-9511").replace("quiet_ms = 20", "quiet_ms = 21"))
    assert later.site_id is None, "the first version says for whom a code is"


def test_a_new_meter_can_have_the_sites_own_model_and_no_other_sites(cast: Cast) -> None:
    save(cast)
    told: dict[str, Any] = {
        "number": "202611210001", "unit": 99, "ct_ratio": 1, "room": None, "common": False, "actor": "operator:1",
        "at": NOON,
    }  # fmt: skip
    meter = add_meter(cast.line, profile="our-9511@1", **told)
    assert Meter.objects.get(pk=meter.pk).profile == "our-9511@1"
    sister = Site.objects.create(company=cast.company, code="S2", name="sister")
    save(cast, TEXT.replace("our-9511", "her-9511"), site=sister)
    with pytest.raises(Refused, match="meter_profile_unknown"):
        add_meter(cast.line, profile="her-9511@1", **{**told, "number": "202611210002", "unit": 98})


def test_a_model_for_all_sites_is_kept_by_who_holds_the_company(cast: Cast) -> None:
    with pytest.raises(Refused, match="profile_of_company"):
        save(cast, everywhere=True, holds_company=False)
    save(cast, everywhere=True)
    with pytest.raises(Refused, match="profile_of_company"):
        save(cast, TEXT.replace("quiet_ms = 20", "quiet_ms = 21"), holds_company=False)
    assert save(cast, TEXT.replace("our-9511", "ours"), holds_company=False).site_id == cast.site.pk
