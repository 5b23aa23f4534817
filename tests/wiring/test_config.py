"""The environment is read once, checked at once, and a value that cannot be used is refused by name."""

from pathlib import Path

import pytest

from prewatt.core.refusals import CHINESE, ENGLISH
from prewatt.field.simulator.certificate import own_certificate
from prewatt.wiring import diagnosis, links
from prewatt.wiring.config import NAMES, read
from prewatt.wiring.refusals import Exit, StartRefused, language


def test_nothing_said_gives_the_pinned_defaults() -> None:
    config = read({})
    assert config.home == Path("var").absolute() and not config.home_named
    assert (config.bind, config.port, config.stream_port, config.sim_port) == ("127.0.0.1", 8000, 8001, 8002)
    assert (config.demo, config.database_url, config.poll_s, config.register_s) == (True, "", 60, 1800)
    assert (config.url, config.stream_url, config.sim_url) == (
        "http://127.0.0.1:8000",
        "http://127.0.0.1:8001",
        "http://127.0.0.1:8002",
    )


def test_the_other_ports_follow_the_first_and_each_can_be_set() -> None:
    config = read({"PREWATT_PORT": "9100", "PREWATT_SIM_PORT": "9200"})
    assert (config.port, config.stream_port, config.sim_port) == (9100, 9101, 9200)


def test_an_open_address_is_shown_as_one_a_browser_can_use() -> None:
    assert read({"PREWATT_BIND": "0.0.0.0"}).url == "http://127.0.0.1:8000"
    assert read({"PREWATT_BIND": "::"}).url == "http://[::1]:8000"
    assert read({"PREWATT_BIND": "0.0.0.0"}).sim_url == "http://127.0.0.1:8002"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PREWATT_PORT", "eight"),
        ("PREWATT_PORT", "0"),
        ("PREWATT_PORT", "65536"),
        ("PREWATT_PORT", "-1"),
        ("PREWATT_PORT", "8e3"),
        ("PREWATT_PORT", "８０００"),
        ("PREWATT_STREAM_PORT", "99999"),
        ("PREWATT_SIM_PORT", "x"),
        ("PREWATT_DEMO", "maybe"),
        ("PREWATT_POLL_S", "0"),
        ("PREWATT_POLL_S", "1.5"),
        ("PREWATT_REGISTER_S", "86401"),
        ("PREWATT_BIND", "300.1.1.1"),
        ("PREWATT_BIND", "two words"),
        ("PREWATT_HOME", "a\nb"),
        ("PREWATT_LANG", "fr"),
        ("PREWATT_LOG_LEVEL", "LOUD"),
        ("PREWATT_NOTIFIER", "pigeon"),
        ("PREWATT_SECURITY", "abacus"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(StartRefused) as refused:
        read({name: value})
    assert (refused.value.code, refused.value.exit) == ("setting_invalid", Exit.USAGE)
    assert name in refused.value.message(ENGLISH) and name in refused.value.message(CHINESE)
    assert "\n" not in refused.value.message(ENGLISH)
    assert name in NAMES


def test_a_real_site_is_not_served_with_the_simulated_security_provider() -> None:
    assert (read({}).security, read({"PREWATT_DEMO": "0"}).security) == ("simulated", "none")
    assert read({"PREWATT_SECURITY": "none"}).security == "none"
    with pytest.raises(StartRefused) as refused:
        read({"PREWATT_DEMO": "0", "PREWATT_SECURITY": "simulated"})
    assert (refused.value.code, refused.value.exit) == ("security_simulated", Exit.USAGE)


def test_ports_that_meet_are_refused() -> None:
    with pytest.raises(StartRefused) as refused:
        read({"PREWATT_PORT": "8000", "PREWATT_SIM_PORT": "8001"})
    assert refused.value.code == "ports_overlap"
    with pytest.raises(StartRefused) as refused:
        read({"PREWATT_PORT": "8000", "PREWATT_DIAL_IN_PORT": "8000"})
    assert refused.value.code == "ports_overlap"


def test_nobody_dials_in_unless_a_port_is_given_and_then_from_anywhere() -> None:
    assert read({}).dial_in_port == 0
    config = read({"PREWATT_DIAL_IN_PORT": "9300"})
    assert (config.dial_in_port, config.dial_in_bind, config.bind) == (9300, "0.0.0.0", "127.0.0.1")
    assert read({"PREWATT_DIAL_IN_PORT": "9300", "PREWATT_DIAL_IN_BIND": "::"}).dial_in_bind == "::"


def test_a_port_with_tls_needs_a_certificate_that_can_be_read_and_a_place_of_its_own(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    there = {"PREWATT_HOME": str(tmp_path), "PREWATT_DIAL_IN_TLS_PORT": "9301"}
    with pytest.raises(StartRefused) as refused:
        read(there)
    assert "PREWATT_DIAL_IN_CERTIFICATE_FILE" in refused.value.message("en")
    named = {**there, "PREWATT_DIAL_IN_CERTIFICATE_FILE": str(nonsense)}
    assert links.tls_port(read({"PREWATT_HOME": str(tmp_path)})) is None
    with pytest.raises(StartRefused) as refused:
        links.tls_port(read(named))
    assert refused.value.code == "setting_invalid" and "CERTIFICATE_FILE" in refused.value.message("en")
    own = own_certificate(tmp_path, "us", "127.0.0.1", now_ms=1_700_000_000_000)
    opened = links.tls_port(read({**named, "PREWATT_DIAL_IN_CERTIFICATE_FILE": str(own)}))
    assert opened is not None and opened.port == 9301
    with pytest.raises(StartRefused) as refused:
        links.tls_port(read({
            **named, "PREWATT_DIAL_IN_CERTIFICATE_FILE": str(own), "PREWATT_DIAL_IN_CLIENT_CA_FILE": str(nonsense)
        }))  # fmt: skip
    assert "PREWATT_DIAL_IN_CLIENT_CA_FILE" in refused.value.message("en")
    with pytest.raises(StartRefused) as refused:
        read({**named, "PREWATT_DIAL_IN_PORT": "9301"})
    assert refused.value.code == "ports_overlap"


def test_the_doctor_names_a_certificate_that_callers_would_not_believe(tmp_path: Path) -> None:
    old = own_certificate(tmp_path, "us", "127.0.0.1", now_ms=1_000_000_000_000)
    config = read({
        "PREWATT_HOME": str(tmp_path), "PREWATT_DIAL_IN_TLS_PORT": "9301",
        "PREWATT_DIAL_IN_CERTIFICATE_FILE": str(old),
    })  # fmt: skip
    with pytest.raises(diagnosis.Wrong, match="PREWATT_DIAL_IN_CERTIFICATE_FILE: 2001-09-08..2011-09-07"):
        links.look(config)


@pytest.mark.parametrize("value", ["mysql://h/d", "https://h", "user:secret", "postgresql://[::1/x"])
def test_an_address_that_is_none_is_a_matter_of_the_settings(value: str) -> None:
    with pytest.raises(StartRefused) as refused:
        read({"PREWATT_DATABASE_URL": value})
    assert (refused.value.code, refused.value.exit) == ("database_url_invalid", Exit.USAGE)
    assert "secret" not in refused.value.message(ENGLISH)


@pytest.mark.parametrize(
    ("environ", "lang"),
    [
        ({}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8"}, CHINESE),
        ({"LANG": "de_DE.UTF-8"}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, ENGLISH),
        ({"LANG": "en_US.UTF-8", "PREWATT_LANG": "zh"}, CHINESE),
    ],
)
def test_the_language_follows_the_terminal_unless_told(environ: dict[str, str], lang: str) -> None:
    assert language(environ) == lang


@pytest.mark.parametrize("name", ["PREWATT_LINK_CA_FILE", "PREWATT_LINK_CERTIFICATE_FILE"])
def test_a_file_of_tls_that_cannot_be_read_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    for path in (nonsense, tmp_path / "missing.pem"):
        with pytest.raises(StartRefused) as refused:
            links.transports(read({"PREWATT_HOME": str(tmp_path), name: str(path)}))
        assert refused.value.code == "setting_invalid" and name in refused.value.message("en")
    assert "serial-8e1" in links.transports(read({"PREWATT_HOME": str(tmp_path)}))
