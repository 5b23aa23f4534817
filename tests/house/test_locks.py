"""The locks: hashes for everything, addresses for nothing, and nothing left out."""

import re
from collections.abc import Iterator

import pytest

from tests.house.reading import ROOT, Violation, files, told

LOCKS = (
    "requirements.lock", "requirements-dev.lock", "requirements-pkcs11.lock", "requirements-compiled.lock",
    "requirements-mqtt.lock",
)  # fmt: skip
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[^ ;\\]+)( ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")
# File names of locks that record an address on each line, whatever their content
BANNED_FILES = {"uv.lock", "pylock.toml", "poetry.lock", "Pipfile.lock", "yarn.lock", "pnpm-lock.yaml"}
ADDRESS = re.compile(r"://|--(extra-)?index-url|--find-links|--trusted-host|\bfile:", re.IGNORECASE)


def pins(name: str) -> dict[str, str]:
    """Package -> version."""
    matches = (PIN.match(line) for line in (ROOT / name).read_text().splitlines())
    return {match["name"]: match["version"] for match in matches if match}


def wrong_lines(path: str, text: str) -> Iterator[Violation]:
    """Lines that are neither a pin nor a hash, and pins without any hash."""
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if ADDRESS.search(line):
            yield Violation(path=path, line=number, text="an address; compile with `make locks`")
        elif not PIN.match(line) and not HASH.match(line):
            yield Violation(path=path, line=number, text=f"neither a pin nor a hash: {line}")
        elif PIN.match(line) and not (number < len(lines) and HASH.match(lines[number])):
            yield Violation(path=path, line=number, text="a pin without a hash")


def wanted(name: str) -> set[str]:
    """The packages an input file names, normalised."""
    names = set()
    for line in (ROOT / name).read_text().splitlines():
        match = re.match(r"[A-Za-z][A-Za-z0-9._-]*", line)
        if match:
            names.add(re.sub(r"[-_.]+", "-", match.group()).lower())
    return names


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_pins_and_hashes_only(name: str) -> None:
    found = told(wrong_lines(name, (ROOT / name).read_text()))
    assert not found, found


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_its_input_names(name: str) -> None:
    assert wanted(name.replace(".lock", ".in")) <= set(pins(name))


def test_the_development_lock_holds_the_run_lock_unchanged() -> None:
    run, dev, optional, compiled, mqtt = (pins(name) for name in LOCKS)
    pinned = run | optional | compiled | mqtt
    assert {name: dev.get(name) for name in pinned} == pinned


def test_what_compiles_fits_the_run_lock() -> None:
    run, compiled = pins("requirements.lock"), pins("requirements-compiled.lock")
    assert {name: run[name] for name in run.keys() & compiled.keys()}.items() <= compiled.items()


def test_who_runs_a_site_does_not_get_what_only_compiles() -> None:
    assert not {"numba", "llvmlite"} & set(pins("requirements.lock"))


def test_no_other_kind_of_lock_is_kept() -> None:
    assert not [path for path in files() if path.rpartition("/")[2] in BANNED_FILES]


@pytest.mark.parametrize(
    "text",
    [
        "--index-url https://registry.example/simple\n",
        "django==5.2.19 \\\n",
        "django>=5.2\n",
        "django @ file:///wheels/django.whl\n",
    ],
)
def test_a_bad_lock_is_found(text: str) -> None:
    assert list(wrong_lines("x.lock", text))
