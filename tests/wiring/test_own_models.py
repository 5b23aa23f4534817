"""The doctor names a model that a site made its own and that this release does not take, and how to mend it."""

from pathlib import Path

import pytest

from prewatt.core.meters.catalogue import shipped_text
from prewatt.office.estate.models import Meter, ProfileVersion
from prewatt.office.estate.profiles import refused_versions, save_version
from prewatt.wiring import config, diagnosis, doctor
from tests.cast import NOON, assemble
from tests.office.metering.test_mailbox import conninfo

TEXT = shipped_text("pilot-spm9511").replace('code = "pilot-spm9511"', 'code = "ours"')


@pytest.mark.django_db
def test_a_model_that_this_release_refuses_is_named_with_its_meters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "instance_runs", lambda _config: True)
    monkeypatch.setattr(diagnosis, "running_database", lambda _config: conninfo())
    monkeypatch.setattr(diagnosis, "set_up_django", lambda _config, _dsn: None)
    read = config.read({"PREWATT_HOME": str(tmp_path)})
    cast = assemble()
    save_version(cast.site, text=TEXT, based_on="", note="n", everywhere=False, actor="operator:1", at=NOON)
    assert diagnosis.own_models(read) == "-", "what is well is not named"
    # as an older release kept it, whose parser knew this key
    ProfileVersion.objects.create(
        company=cast.site.company, site=cast.site, code="ours", version=2, note="n", actor="operator:1",
        text=TEXT.replace("[relay]", "wheels = 4\n\n[relay]", 1), created_at=NOON,
    )  # fmt: skip
    assert diagnosis.own_models(read) == "-", "without a meter it harms nobody"
    Meter.objects.filter(pk=cast.shop_103.meter_id).update(profile="ours@2")
    [found] = refused_versions()
    assert (found.name, found.meters) == ("ours@2", 1)
    with pytest.raises(diagnosis.Wrong, match=rf"ours@2 \(1\): {found.refused.code}, "):
        diagnosis.own_models(read)
    assert all("docs/recipes/meter-model.md" in text for text in doctor.CHECKS["own_models"].mend)
