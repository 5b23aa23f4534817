"""No process imports what it has no use for: each import is paid at every start, by each of them."""

import os
import subprocess
import sys

import pytest

from tests.wiring.stage import ROOT

_DJANGO = "import django; django.setup(set_prefix=False); "
_API = {"ninja", "pydantic"}
_HEAVY = {"numpy", "cryptography", "reportlab", "xlsxwriter"}


def imported(code: str, **environment: str) -> set[str]:
    """The top-level packages that a fresh interpreter holds after `code`."""
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "prewatt.wiring.settings", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(told.stdout.split())


@pytest.mark.parametrize(
    ("code", "part", "without"),
    [
        ("import prewatt.wiring.cli", "", {"django", "psycopg", "asyncio", *_API, *_HEAVY}),
        ("import prewatt.wiring.up", "", {"django", *_API, *_HEAVY}),
        ("import prewatt.wiring.parts.simulate", "", {"django", "psycopg", *_API, *_HEAVY}),
        ("import prewatt.wiring.parts.headend", "", {*_API, *_HEAVY}),
        (_DJANGO + "import prewatt.wiring.parts.worker", "worker", {*_API, *_HEAVY}),
        (_DJANGO + "import prewatt.web.stream", "stream", {*_API, *_HEAVY}),
    ],
    ids=["cli", "up", "simulate", "headend", "worker", "stream"],
)
def test_a_process_leaves_alone_what_it_does_not_use(code: str, part: str, without: set[str]) -> None:
    assert not imported(code, PREWATT_PART=part) & without


def test_the_web_process_and_every_other_tool_have_the_api() -> None:
    assert imported(_DJANGO, PREWATT_PART="") >= _API
