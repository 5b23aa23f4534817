"""`prewatt vault` and what `prewatt doctor` says of it: keys come in by a file or standard input, and show nowhere."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from prewatt.core.refusals import Refused
from prewatt.office.staff.models import AuditRow, Role
from prewatt.office.tokens import meters, opened
from prewatt.office.tokens.models import StoredKey, VaultSeal
from prewatt.wiring import cli, config, diagnosis
from prewatt.wiring.parts import init, vault
from prewatt.wiring.refusals import Exit, StartRefused
from tests.cast import assemble
from tests.journeys.running import ROOT
from tests.office.tokens.scene import NEW_VALUE, OLD_VALUE, attributes, person
from tests.office.tokens.test_vaults import SOFTHSM, let_go
from tests.system import need, need_file
from tests.wiring.test_init import FOUNDING, given  # noqa: F401  a fixture

VALUE = OLD_VALUE.hex()
PUBLIC = "0123456789abcdef0123456789abcdef01234567"


def told(path: Path, **changes: Any) -> dict[str, Any]:
    return {
        "key_file": str(path), "demo_key_file": False, "passphrase_file": "", "production": True, "software": True,
        "library": "", "token": "", "pin_file": "", **changes,
    }  # fmt: skip


@pytest.fixture
def site(given: config.Config, settings: Settings, tmp_path: Path) -> Iterator[config.Config]:  # noqa: F811
    """A founded site with a software vault that is allowed, and administrator li."""
    opened.make_key_file(tmp_path / "vault.key")
    settings.PREWATT_VAULT = told(tmp_path / "vault.key")
    opened.forget()
    init._found(FOUNDING, at=datetime.now(UTC))
    yield given
    opened.forget()


def new(**changes: Any) -> vault.NewKey:
    words: dict[str, Any] = {
        "dkga": "04", "sgc": "600123", "krn": 1, "kt": 2, "ken": 255, "base_date": 2014, "source": "-", "label": "",
        "company": "", "by": "li", **changes,
    }  # fmt: skip
    return vault.NewKey(**words)


def load(site: config.Config, text: str = VALUE, **changes: Any) -> dict[str, Any]:
    out = io.StringIO()
    assert vault.load_key(site, new(**changes), given=io.StringIO(text), out=out) == Exit.OK
    told: dict[str, Any] = json.loads(out.getvalue().removeprefix("PREWATT-KEY "))
    return told


def seen(site: config.Config) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and lines of `prewatt vault status`."""
    out = io.StringIO()
    code = vault.status(site, out=out)
    return code, [json.loads(line.partition(" ")[2]) for line in out.getvalue().splitlines()]


@pytest.mark.django_db(transaction=True)
def test_a_key_comes_in_shows_its_check_value_and_ends(site: config.Config, tmp_path: Path) -> None:
    assert seen(site) == (Exit.OK, [{"provider": "sealed", "state": "unused", "message": ""}])
    assert not VaultSeal.objects.exists(), "looking makes nothing"
    made = load(site, f"{VALUE[:20].upper()} {VALUE[20:]}\n")
    code, [first, key] = seen(site)
    assert (code, first["state"], key["state"], key["check_value"]) == (Exit.OK, "open", "open", made["check_value"])
    assert diagnosis.key_vault(site) == f"sealed open; 600123 1 ({made['check_value']})"

    path = tmp_path / "second.hex"
    path.write_text(NEW_VALUE.hex())
    with pytest.raises(StartRefused, match="key_value_exposed"):
        vault.load_key(site, new(krn=2, source=str(path)), given=io.StringIO(), out=io.StringIO())
    path.chmod(0o600)
    other = load(site, "", krn=2, source=str(path), company="Lakeside")
    assert other["check_value"] != made["check_value"]
    assert StoredKey.objects.get(pk=other["id"]).company is not None

    out = io.StringIO()
    assert vault.end_key(site, made["id"], by="li", reason="replaced", out=out) == Exit.OK
    assert json.loads(out.getvalue().removeprefix("PREWATT-KEY "))["ended"] is True
    assert [each["id"] for each in seen(site)[1][1:]] == [other["id"]]
    shown = json.dumps([made, other, seen(site), list(AuditRow.objects.values("before", "after", "reason"))])
    assert VALUE not in shown.lower() and NEW_VALUE.hex() not in shown.lower()


REFUSED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("", {}, "key_value_malformed"),
    (VALUE[:-1], {}, "key_value_malformed"),
    (VALUE[:-1] + "g", {}, "key_value_malformed"),
    (" " * 5_000, {}, "key_value_malformed"),
    (VALUE[:16], {}, "key_length"),
    (PUBLIC, {}, "vault_test_key"),
    (VALUE, {"sgc": "60012"}, "sts_field_malformed"),
    (VALUE, {"krn": 12}, "sts_field_out_of_range"),
    (VALUE, {"base_date": 2020}, "base_date_unknown"),
    (VALUE, {"by": "nobody"}, "login_unknown"),
    (VALUE, {"by": "bob"}, "not_permitted"),
    (VALUE, {"company": "Other"}, "company_unknown"),
    (VALUE, {"source": VALUE}, "key_value_unreadable"),
    (VALUE, {"label": "KEY1"}, "usage"),
    (VALUE, {"source": "", "label": "KEY1"}, "vault_not_set"),
)


@pytest.mark.django_db(transaction=True)
def test_what_is_refused_leaves_no_key_and_tells_no_value(site: config.Config) -> None:
    person("bob", Role.MANAGER)
    for text, changes, code in REFUSED:
        with pytest.raises(Refused) as refused:
            vault.load_key(site, new(**changes), given=io.StringIO(text), out=io.StringIO())
        assert refused.value.code == code, (changes, refused.value.code)
        assert VALUE not in repr(refused.value) + refused.value.message("en") + repr(refused.value.params)
    assert not StoredKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_lost_key_file_is_told_and_nothing_is_made_in_its_place(
    site: config.Config, settings: Settings, tmp_path: Path
) -> None:
    load(site)
    path = tmp_path / "vault.key"
    kept = path.read_bytes()
    path.unlink()
    code, [first, key] = seen(site)
    assert (code, first["state"], key["state"]) == (Exit.UNEXPECTED, "vault_secret_missing", "vault_closed")
    assert first["message"] and not path.exists()
    opened.make_key_file(path)
    assert seen(site)[1][0]["state"] == "vault_secret_wrong"
    path.write_bytes(kept)
    assert seen(site)[0] == Exit.OK
    settings.PREWATT_VAULT = told(path, software=False)
    with pytest.raises(diagnosis.Wrong, match="vault_software_in_production"):
        diagnosis.key_vault(site)
    settings.PREWATT_VAULT = told(path, key_file="")
    with pytest.raises(StartRefused, match="vault_not_set"):
        load(site, NEW_VALUE.hex(), krn=2)


@pytest.mark.django_db(transaction=True)
def test_a_key_that_meters_hold_is_not_ended(site: config.Config) -> None:

    made = load(site)
    cast = assemble()
    meters.register(cast.shop_101.meter, attributes(), actor=person("eva", Role.ADMINISTRATOR), at=datetime.now(UTC))
    assert seen(site)[1][1]["meters"] == 1
    with pytest.raises(Refused, match="vending_key_in_use"):
        vault.end_key(site, made["id"], by="li", reason="replaced", out=io.StringIO())
    with pytest.raises(StartRefused, match="key_unknown"):
        vault.end_key(site, 999, by="li", reason="replaced", out=io.StringIO())


def test_no_option_takes_a_value() -> None:
    words = ["vault", "load-key", "--sgc", "600123", "--krn", "1", "--by", "li"]
    assert cli.parser().parse_args([*words, "--value-file", "-"]).value_file == "-"
    with pytest.raises(StartRefused, match="usage"):
        cli.parser().parse_args([*words, "--value", VALUE])
    with pytest.raises(StartRefused, match="usage"):
        cli.parser().parse_args(["vault"])


def test_a_refusal_of_the_office_ends_a_command_as_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._refuse(Refused("vault_test_key"), Exit.USAGE) == 2
    assert capsys.readouterr().err.startswith("error vault_test_key: ")


@pytest.mark.django_db(transaction=True)
def test_a_key_in_a_device_by_the_steps_of_the_recipe(
    site: config.Config, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both vaults hold the same key, so both say the same check value."""
    program, library = need("softhsm2-util"), need_file(SOFTHSM, install="softhsm2")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n", encoding="utf-8")
    for name, text in (("pin", "1234\n"), ("key.hex", VALUE)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    for name, text in (
        ("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf")), ("PREWATT_PKCS11_LIBRARY", str(library)),
        ("PREWATT_PKCS11_TOKEN", "recipe"), ("PREWATT_PKCS11_PIN_FILE", str(tmp_path / "pin")),
    ):  # fmt: skip
        monkeypatch.setenv(name, text)
    script = ROOT / "docs" / "recipes" / "files" / "key-into-device.py"
    for command in (
        [str(program), "--init-token", "--free", "--label", "recipe", "--pin", "1234", "--so-pin", "5678"],
        [sys.executable, str(script), "vk-1", str(tmp_path / "key.hex")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 and VALUE not in done.stdout + done.stderr, done.stderr
    settings.PREWATT_VAULT = told(
        tmp_path / "vault.key", library=str(library), token="recipe", pin_file=str(tmp_path / "pin")
    )
    opened.forget()
    let_go()
    in_device = load(site, "", source="", label="vk-1")
    in_base = load(site, sgc="600124")
    assert (in_device["provider"], in_base["provider"]) == ("pkcs11", "sealed")
    code, lines = seen(site)
    assert code == Exit.OK and [each["state"] for each in lines[2:]] == ["open", "open"]
    assert in_device["check_value"] == in_base["check_value"]
    with pytest.raises(Refused, match="vault_cannot"):
        load(site, "", source="", label="vk-1", dkga="02")
    opened.forget()
    let_go()
