"""A company is founded once, whole, and its key sells at once; production refuses what only a demo may have."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client

from prewatt.office.estate.models import Company, Site
from prewatt.office.staff.models import ApiKey, Operator, Role
from prewatt.office.vending.models import Till
from prewatt.wiring import config, production, up
from prewatt.wiring.demo import trade
from prewatt.wiring.parts import init, password, take_over
from prewatt.wiring.refusals import Exit, StartRefused
from tests.cast import NOON
from tests.wiring.stage import ROOT

FOUNDING = init.Founding(company="Lakeside", currency="CNY", timezone="Asia/Shanghai", site="Lake", admin="li")


def read(**environ: str) -> config.Config:
    return config.read({"PREWATT_DEMO": "0", **environ})


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> config.Config:
    """The configuration of a command that joins the database of this test."""
    from django.db import connection

    found = connection.get_connection_params()
    dsn = " ".join(f"{name}='{found[name]}'" for name in ("dbname", "user", "host", "port") if found.get(name))
    for name in ("PREWATT_DATABASE_URL", "PREWATT_SECRET_KEY", "PREWATT_HOME", "PREWATT_PART"):
        monkeypatch.setenv(name, "")  # what the command sets is taken back afterwards
    return read(PREWATT_DATABASE_URL=dsn)


@pytest.mark.django_db
def test_the_first_key_sees_the_site_and_the_first_password_must_be_changed(client: Client) -> None:
    told = init._found(FOUNDING, at=NOON)

    assert set(told) == {"admin", "password", "api_key"} and told["admin"] == "li"
    admin = Operator.objects.get(username="li")
    assert admin.must_change_password and admin.check_password(told["password"]) and admin.role == Role.ADMINISTRATOR
    key = ApiKey.objects.select_related("operator").get()
    assert told["api_key"] not in (key.key_hash, key.name), "only a hash of it is kept"
    assert key.till_id in Till.objects.filter(needs_shift=False).values_list("pk", flat=True)
    assert key.operator.role == Role.MANAGER
    answer = client.get("/api/v1/circuits", headers={"X-API-Key": told["api_key"]})
    assert answer.status_code == 200 and answer.json()["items"] == []
    site = Site.objects.select_related("company").get()
    assert (site.timezone, site.company.currency, site.company.exponent) == ("Asia/Shanghai", "CNY", 2)


@pytest.mark.django_db
def test_a_second_company_is_not_founded() -> None:
    init._found(FOUNDING, at=NOON)
    with pytest.raises(StartRefused) as refused:
        init._found(FOUNDING, at=NOON)
    assert (refused.value.code, refused.value.exit) == ("company_exists", Exit.USAGE)


@pytest.mark.parametrize(
    "change",
    [{"currency": "XXX"}, {"currency": "cny"}, {"timezone": "Mars/Base"}, {"timezone": "Asia"}, {"company": "  "},
     {"site": "x" * 121}, {"company": "a\x00b"}],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_before_anything_is_made(change: dict[str, str], tmp_path: Path) -> None:
    words = {"company": "L", "currency": "CNY", "timezone": "Asia/Shanghai", "site": "L", "admin": "li", **change}
    home = tmp_path / "home"
    with pytest.raises(StartRefused) as refused:
        init.run(read(PREWATT_HOME=str(home)), init.Founding(**words), out=io.StringIO(), err=io.StringIO())
    assert (refused.value.code, refused.value.exit) == ("founding_invalid", Exit.USAGE) and not home.exists()


@pytest.mark.django_db
def test_a_login_that_cannot_be_used_leaves_nothing_behind() -> None:
    with pytest.raises(StartRefused) as refused:
        init._found(init.Founding(company="L", currency="CNY", timezone="UTC", site="L", admin="Li Na"), at=NOON)
    assert refused.value.code == "founding_invalid" and not Company.objects.exists() and not Operator.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_who_lost_his_password_is_given_one_by_the_house(given: config.Config) -> None:
    told = init._found(FOUNDING, at=datetime.now(UTC))
    Operator.objects.update(must_change_password=False)
    out = io.StringIO()
    assert password.run(given, "li", out=out) == 0
    said = json.loads(out.getvalue().removeprefix("PREWATT-PASSWORD "))
    admin = Operator.objects.get(username="li")
    assert said["login"] == "li" and admin.check_password(said["password"]) and admin.must_change_password
    assert not admin.check_password(told["password"])
    with pytest.raises(StartRefused) as refused:
        password.run(given, "nobody", out=out)
    assert (refused.value.code, refused.value.exit) == ("login_unknown", Exit.USAGE)


@pytest.mark.django_db(transaction=True)
def test_the_import_command_speaks_json_lines_to_the_last(given: config.Config, tmp_path: Path) -> None:
    init._found(FOUNDING, at=datetime.now(UTC))
    (tmp_path / "buildings.csv").write_text("code,name\nA,East\nB B,West\n", encoding="utf-8")

    def lines(path: Path, **options: bool) -> tuple[int, list[dict[str, object]]]:
        out = io.StringIO()
        code = take_over.run(given, path, site="", dry_run=options.get("dry_run", False), out=out)
        return code, [json.loads(line) for line in out.getvalue().splitlines()]

    code, [refusal, last] = lines(tmp_path)
    assert code == 2 and set(refusal) == {"sheet", "row", "code", "message"}
    assert (refusal["sheet"], refusal["row"]) == ("buildings", 3)
    assert last == {"created": {"buildings": 0}, "unchanged": {"buildings": 0}}
    (tmp_path / "buildings.csv").write_text("code,name\nA,East\nB,West\n", encoding="utf-8")
    would = {"created": {"buildings": 2}, "unchanged": {"buildings": 0}}
    assert lines(tmp_path, dry_run=True) == (0, [would]) == lines(tmp_path)
    assert lines(tmp_path) == (0, [{"created": {"buildings": 0}, "unchanged": {"buildings": 2}}])
    code, [whole, last] = lines(tmp_path / "none")
    assert (code, whole["code"], last) == (2, "file_missing", {"created": {}, "unchanged": {}})


SAFE: list[tuple[Mapping[str, str], str]] = [
    ({}, ""),
    ({"PREWATT_BIND": "::1"}, ""),
    ({"PREWATT_BIND": "localhost"}, ""),
    ({"PREWATT_BIND": "0.0.0.0"}, "cookies_insecure"),
    ({"PREWATT_BIND": "0.0.0.0", "PREWATT_PLAIN_HTTP": "1"}, ""),
    ({"PREWATT_BIND": "0.0.0.0", "PREWATT_PUBLIC_URL": "https://power.example"}, ""),
    ({"PREWATT_PUBLIC_URL": "http://power.example"}, "cookies_insecure"),
    ({"PREWATT_SECRET_KEY": "short"}, "secret_insecure"),
    ({"PREWATT_VAULT_KEY_FILE": "vault.key"}, "vault_not_allowed"),
    ({"PREWATT_VAULT_PASSPHRASE_FILE": "word", "PREWATT_VAULT_SOFTWARE": "0"}, "vault_not_allowed"),
    ({"PREWATT_VAULT_KEY_FILE": "vault.key", "PREWATT_VAULT_SOFTWARE": "1"}, ""),
    ({"PREWATT_SECRET_KEY": production.SOURCE_SECRET}, "secret_insecure"),
    ({"PREWATT_SECRET_KEY": "x" * 32}, ""),
    ({"PREWATT_SECRET_KEY": "short", "PREWATT_BIND": "0.0.0.0", "PREWATT_DEMO": "1"}, ""),
]


@pytest.mark.parametrize(("environ", "code"), SAFE)
def test_a_real_site_is_not_served_in_the_clear_or_with_a_known_secret(environ: Mapping[str, str], code: str) -> None:
    try:
        production.check_settings(read(**environ), environ)
    except StartRefused as refused:
        assert (refused.code, refused.exit) == (code, Exit.USAGE)
    else:
        assert code == ""


@pytest.mark.parametrize(("url", "secure"), [("https://power.example", True), ("", False)])
def test_behind_tls_no_cookie_leaves_without_it(url: str, secure: bool) -> None:
    told = subprocess.run(
        [sys.executable, "-c", "from django.conf import settings as s; print(s.SESSION_COOKIE_SECURE,"
         " s.CSRF_COOKIE_SECURE, s.SECURE_HSTS_SECONDS > 0, len(s.CSRF_TRUSTED_ORIGINS) == 1, 'power.example' in"
         " s.ALLOWED_HOSTS)"],
        cwd=ROOT, env={**os.environ, "DJANGO_SETTINGS_MODULE": "prewatt.wiring.settings", "PREWATT_PUBLIC_URL": url},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.split() == [str(secure)] * 5


@pytest.mark.parametrize("text", ["power.example", "ftp://power.example", "https://power.example/x", "https://a b"])
def test_a_public_address_is_scheme_and_host(text: str) -> None:
    with pytest.raises(StartRefused) as refused:
        read(PREWATT_PUBLIC_URL=text)
    assert refused.value.code == "setting_invalid"


def refusal_of(given: config.Config) -> str:
    try:
        production.check_company(given, given.database_url)
        production.check_demo_gone(given, given.database_url)
    except StartRefused as refused:
        assert refused.exit == Exit.USAGE
        return refused.code
    return ""


@pytest.mark.django_db(transaction=True)
def test_the_database_must_be_of_the_kind_that_is_served(given: config.Config, tmp_path: Path) -> None:
    demo = config.read({"PREWATT_DATABASE_URL": given.database_url, "PREWATT_HOME": str(tmp_path)})
    assert (refusal_of(given), refusal_of(demo)) == ("no_company", "")
    init._found(FOUNDING, at=NOON)
    assert (refusal_of(given), refusal_of(demo)) == ("", "not_a_demo")
    Operator.objects.create(
        username="cashier", name="C", role=Role.CASHIER, password=make_password(trade.PASSWORD), created_at=NOON
    )
    assert refusal_of(given) == "demo_in_production"
    Operator.objects.filter(username="cashier").update(is_active=False)
    assert refusal_of(given) == ""
    ApiKey.objects.update(name=production.DEMO_KEY)
    assert refusal_of(given) == "demo_in_production"


def test_what_the_demo_makes_is_what_production_looks_for() -> None:
    assert production.DEMO_PASSWORD == trade.PASSWORD
    assert set(production.DEMO_LOGINS) == {username for username, *_ in trade._PEOPLE}


def test_an_empty_home_is_told_what_is_missing_and_stays_empty(tmp_path: Path) -> None:
    given, out = read(PREWATT_HOME=str(tmp_path / "home")), io.StringIO()
    starts: tuple[Callable[[], int], ...] = (
        lambda: take_over.run(given, tmp_path, site="", dry_run=False, out=out),
        lambda: up.Up(given, out=out, err=io.StringIO()).run(),
    )
    for start in starts:
        with pytest.raises(StartRefused) as refused:
            start()
        assert (refused.value.code, refused.value.exit) == ("no_company", Exit.USAGE)
    assert json.loads(out.getvalue()) == {"created": {}, "unchanged": {}} and not given.home.exists()
