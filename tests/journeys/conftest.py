"""The demo site is loaded once for all journeys; each module goes on from a copy of its own."""

from pathlib import Path

import pytest

from tests.journeys.running import Running


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after its first start and a clean stop."""
    running = Running.in_directory(tmp_path_factory.mktemp("loaded")).start()
    assert running.stop() == 0
    return running.home
