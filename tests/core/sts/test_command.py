"""The command itself, as another system runs it: pipes, bytes, one answer before the next question."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pytest

ROOT = Path(__file__).parents[3]
QUESTION = b'{"id":%d,"op":"tid","base_date":1993,"issued_at":"2004-04-21T10:01:00Z"}\n'


@pytest.fixture
def engine() -> Iterator[subprocess.Popen[bytes]]:
    # a bare environment: no UTF-8 locale, none of our settings
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), "LC_ALL": "C"}
    command = [sys.executable, "-m", "prewatt.wiring.cli", "sts"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        yield process
        process.kill()


def _ask(engine: subprocess.Popen[bytes], line: bytes) -> dict[str, object]:
    pipe = cast(IO[bytes], engine.stdin)
    pipe.write(line)
    pipe.flush()
    answer: dict[str, object] = json.loads(cast(IO[bytes], engine.stdout).readline())
    return answer


def test_each_line_is_answered_before_the_next_is_asked(engine: subprocess.Popen[bytes]) -> None:
    for number in range(3):
        assert _ask(engine, QUESTION % number) == {"id": number, "tid": 5944921}


def test_garbage_costs_one_error_each_and_the_end_of_the_input_ends_it_well(engine: subprocess.Popen[bytes]) -> None:
    for garbage in (b"\xff\xfe\x00\n", b"\n", b'{"op":"decode","token":"\xe8\xa1\xa8"}\n', b"x" * 200_000 + b"\n"):
        assert "error" in _ask(engine, garbage)
        assert _ask(engine, QUESTION % 7)["tid"] == 5944921
    cast(IO[bytes], engine.stdin).close()
    assert engine.wait(timeout=30) == 0


def test_a_reader_that_leaves_does_not_make_it_fail(engine: subprocess.Popen[bytes]) -> None:
    assert _ask(engine, QUESTION % 1)["id"] == 1
    cast(IO[bytes], engine.stdout).close()
    pipe = cast(IO[bytes], engine.stdin)
    try:
        pipe.write(QUESTION % 2 * 5)
        pipe.close()
    except BrokenPipeError:
        pass  # it may have left already
    assert engine.wait(timeout=30) == 0
