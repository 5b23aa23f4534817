"""The vaults a process opens from its settings."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from prewatt.core.refusals import Refused
from prewatt.office.tokens import opened, tasks
from prewatt.office.tokens.models import CampaignMeter, TokenRequest
from prewatt.office.tokens.rack import Rack
from tests.office.tokens.scene import NOON, credit, scene
from tests.office.tokens.test_campaigns import started

pytestmark = pytest.mark.django_db


def told(**changes: Any) -> dict[str, Any]:
    return {
        "key_file": "", "demo_key_file": False, "passphrase_file": "", "production": True, "software": False,
        "library": "", "token": "", "pin_file": "", **changes,
    }  # fmt: skip


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    opened.forget()
    yield
    opened.forget()


def test_a_demo_makes_its_key_file_once(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "home" / "vault.key"
    settings.PREWATT_VAULT = told(key_file=str(path), demo_key_file=True, production=False)
    assert opened.rack(at=NOON).vault("sealed") and opened.rack(at=NOON) is opened.rack(at=NOON)
    first = path.read_bytes()
    assert (len(first), path.stat().st_mode & 0o777, list(path.parent.iterdir())) == (32, 0o600, [path])
    opened.make_key_file(path)
    assert path.read_bytes() == first


def test_what_does_not_open_is_closed_and_said(
    tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "vault.key"
    opened.make_key_file(path)
    settings.PREWATT_VAULT = told(key_file=str(path))
    caplog.set_level(logging.ERROR)
    with pytest.raises(Refused, match="vault_closed"):
        opened.rack(at=NOON).vault("sealed")
    assert "vault_software_in_production" in caplog.text and path.read_bytes().hex() not in caplog.text
    settings.PREWATT_VAULT = told(key_file=str(path), software=True)
    assert opened.rack(at=NOON).vault("sealed")


def test_the_worker_finishes_what_was_left_and_issues_campaigns(monkeypatch: pytest.MonkeyPatch) -> None:
    play = scene()

    def ours(*, at: object) -> Rack:
        return play.rack

    monkeypatch.setattr(opened, "rack", ours)
    play.asked(credit(), at=NOON - timedelta(days=30))  # the worker goes by the clock of the database
    started(play)
    tasks.sweep(0)
    tasks.issue_campaigns(0)
    assert set(TokenRequest.objects.values_list("state", flat=True)) == {"made"}
    assert [row.state for row in CampaignMeter.objects.all()] == ["issued"]
