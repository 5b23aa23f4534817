"""The command, its help and its doctor."""

import io
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from prewatt.core import refusals
from prewatt.wiring import cli, config, doctor
from prewatt.wiring.refusals import Exit
from tests.wiring.stage import Running, free_ports

Run = Callable[..., Running]
PINNED = {"up", "web", "stream", "headend", "worker", "simulate", "migrate", "demo", "doctor", "bench"}


def test_every_pinned_sub_command_is_there() -> None:
    assert set(cli.COMMANDS) >= PINNED


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_each_sub_command_explains_itself_in_both_languages(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = []
    for lang in ("en", "zh"):
        monkeypatch.setenv("PREWATT_LANG", lang)
        with pytest.raises(SystemExit) as ended:
            cli.parser().parse_args([name, "--help"])
        assert ended.value.code == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] != texts[1] and all(name in text for text in texts)


@pytest.mark.processes
def test_a_part_alone_needs_a_running_database(home: Path, run: Run) -> None:
    for part in ("web", "stream", "headend", "worker"):
        alone = run("prewatt.wiring.cli", part, home=home)
        errors = alone.errors()
        assert alone.process.returncode == Exit.DATABASE, errors
        assert errors.strip().splitlines()[-1].startswith("error database_not_running: ")


@pytest.mark.processes
def test_the_simulator_is_for_the_demo_only(home: Path, run: Run) -> None:
    alone = run("prewatt.wiring.cli", "simulate", home=home, PREWATT_DEMO="0")
    assert "error demo_switched_off: " in alone.errors().strip().splitlines()[-1]
    assert alone.process.returncode == Exit.USAGE


def examined(home: Path, lang: str = "en", **environment: str) -> dict[str, doctor.Finding]:
    read = config.read({"PREWATT_HOME": str(home), "PREWATT_PORT": str(free_ports()), **environment})
    return {finding.id: finding for finding in doctor.examine(read, lang=lang)}


def test_the_doctor_looks_at_everything_and_finds_this_installation_well(home: Path) -> None:
    found = examined(home)
    assert list(found) == list(doctor.CHECKS)
    assert {name for name in doctor.CHECKS if found[name].state is doctor.State.WRONG} == set()


def test_the_doctor_says_how_to_mend_in_both_languages(home: Path) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = str(stranger.getsockname()[1])
        mends = set()
        for lang in (refusals.ENGLISH, refusals.CHINESE):
            found = examined(home, lang, PREWATT_PORT=port)["ports"]
            assert found.state is doctor.State.WRONG and port in found.seen and "PREWATT_PORT" in found.mend
            mends.add(found.mend)
        assert len(mends) == 2


def test_the_doctor_sees_a_broken_address_and_a_strange_version(home: Path) -> None:
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("12\n", encoding="ascii")
    assert examined(home)["postgres_data"].state is doctor.State.WRONG
    broken = examined(home, PREWATT_DATABASE_URL="postgresql:///x?host=/nonexistent")
    assert broken["database"].state is doctor.State.WRONG


def test_the_doctor_can_speak_to_programs(home: Path) -> None:
    out = io.StringIO()
    read = config.read({"PREWATT_HOME": str(home), "PREWATT_PORT": str(free_ports())})
    assert doctor.run(read, out=out, as_json=True) == Exit.OK
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["id"] for line in lines] == list(doctor.CHECKS)
    assert all(line["state"] in {"ok", "warning"} for line in lines)
