"""Fixtures of the process tests."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.wiring.stage import Running, start, sweep


@pytest.fixture
def home() -> Iterator[Path]:
    """A short PREWATT_HOME that everybody may enter, as a server has it (pytest's own directories are private)."""
    made = Path(tempfile.mkdtemp(prefix="pw-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    """Start processes that surely end with the test."""
    started: list[Running] = []

    def begin(module: str, *words: str, home: Path, **environment: str) -> Running:
        running = start(module, *words, home=home, **environment)
        started.append(running)
        return running

    yield begin
    for running in started:
        sweep(running)
