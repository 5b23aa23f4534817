"""No committed file names the machine it was written on, or where packages were fetched from."""

import re
from collections.abc import Iterator

import pytest

from tests.house.reading import VENDORED, Violation, texts, told

# Put together from pieces, so that this file does not name them either
DIRECTORIES = ("work", "root", "home/[a-z]+", "Users/[a-z]+", "opt/pypi[a-z-]*", "opt/wheels")
MACHINE = re.compile(r"(?<![\w./~}-])/(" + "|".join(DIRECTORIES) + r")/(?=[\w.*<-])")
HOSTS = (
    "pypi" + r"\.org",
    "pythonhosted" + r"\.org",
    "registry\\." + "npmjs",
    "registry\\." + "yarnpkg",
    "npm" + "mirror",
)
REGISTRY = re.compile("|".join(HOSTS))
SCRATCH = re.compile(r"(?<![\w./~}-])/" + "tmp" + r"/(?=[\w.*<-])")
BINARY_LIKE = (".svg", ".min.js", ".min.css", ".map")


def named(path: str, text: str) -> Iterator[Violation]:
    """Machine paths and registry hosts in one file."""
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, instead in (
            (MACHINE, "a path of one machine; make it relative to the checkout"),
            (SCRATCH, "a scratch path of one machine; use a temporary directory"),
            (REGISTRY, "a registry host; any mirror must do"),
        ):
            if found := pattern.search(line):
                yield Violation(path=path, line=number, text=f"{found.group()}: {instead}")


def test_no_file_names_this_machine_or_a_registry() -> None:
    every = [(path, text) for path, text in texts() if not path.endswith(BINARY_LIKE)]
    assert len(every) > 20
    found = told(v for path, text in every for v in named(path, text))
    assert not found, found


@pytest.mark.parametrize(
    "line",
    [
        "cd /" + "work/main",
        "HOME=/" + "root/x",
        'open("/' + 'tmp/x")',
        "https://" + "pypi" + ".org/simple",
        "see https://registry." + "npmjs.org/htmx",
    ],
)
def test_a_machine_path_is_found(line: str) -> None:
    assert list(named("x", line))


@pytest.mark.parametrize(
    "line", ["tests/work/x", "the root of /var/lib/prewatt", "https://example.org/work/", "a/tmp/x"]
)
def test_other_paths_are_left_alone(line: str) -> None:
    assert not list(named("x", line))


def test_vendored_files_are_kept_as_they_came() -> None:
    assert not [path for path, _ in texts() if VENDORED in f"/{path}"]
