"""The settings of the broker where meters speak, and what the doctor says of it."""

import socket
from pathlib import Path

import pytest

from prewatt.wiring import config, doctor, links
from prewatt.wiring.refusals import StartRefused


def read(home: Path, **environment: str) -> config.Config:
    return config.read({"PREWATT_HOME": str(home), **environment})


def test_without_an_address_there_is_no_broker(tmp_path: Path) -> None:
    assert links.broker(read(tmp_path)) is None
    assert links.look_at_broker(read(tmp_path)) == "-"


def test_the_address_says_the_port_and_whether_it_is_tls(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    told = {"PREWATT_MQTT_USER": "headend", "PREWATT_MQTT_PASSWORD_FILE": str(password)}
    plain = links.broker(read(tmp_path, PREWATT_MQTT_URL="mqtt://broker.example", **told))
    assert plain is not None and (plain.host, plain.port, plain.tls) == ("broker.example", 1883, None)
    assert (plain.user, plain.password) == ("headend", "correct horse") and "horse" not in repr(plain)
    sealed = links.broker(read(tmp_path, PREWATT_MQTT_URL="mqtts://broker.example", **told))
    assert sealed is not None and sealed.port == 8883 and sealed.tls is not None and sealed.tls.check_hostname


@pytest.mark.parametrize(
    "url", ["broker.example", "http://broker.example", "mqtt://", "mqtt://a:b@broker.example", "mqtt://broker:0"]
)
def test_what_is_no_address_of_a_broker_is_refused_without_saying_it_again(tmp_path: Path, url: str) -> None:
    with pytest.raises(StartRefused) as refused:
        read(tmp_path, PREWATT_MQTT_URL=url)
    assert refused.value.code == "setting_invalid" and "a:b@" not in str(refused.value)


def test_a_password_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    given = read(tmp_path, PREWATT_MQTT_URL="mqtt://broker.example", PREWATT_MQTT_PASSWORD_FILE=str(tmp_path / "no"))
    with pytest.raises(StartRefused) as refused:
        links.broker(given)
    assert refused.value.code == "setting_invalid"


def test_without_its_package_the_head_end_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StartRefused) as refused:
        links.broker(read(tmp_path, PREWATT_MQTT_URL="mqtt://broker.example"))
    assert refused.value.code == "mqtt_package_missing"


def test_the_doctor_warns_of_a_broker_that_does_not_answer(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        given = read(tmp_path, PREWATT_MQTT_URL=f"mqtt://127.0.0.1:{taken.getsockname()[1]}")
        found = {each.id: each for each in doctor.examine(given, lang="en")}
    assert found["mqtt"].state is doctor.State.WARNING and "recipes/mqtt.md" in found["mqtt"].mend
