"""The documents: links resolve, files that are named exist, recipes and decisions are there."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.house.reading import ROOT, Violation, files, told

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^(```|~~~)")
NAMED_FILE = re.compile(
    r"`((?:prewatt|tests|docs|scripts)/[\w./-]+\.(?:py|md|toml|sql|html|css|js|csv|json|po))(?::[^`]*)?`"
)
RECIPES = ("meter-model.md", "protocol.md")  # one per seam that exists today
DECISION_NEEDED = "requirements.in"


def documents() -> list[str]:
    """The Markdown files of the project."""
    return [path for path in files() if path.endswith(".md")]


def lines_outside_fences(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not code."""
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        if FENCE.match(line.strip()):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(text: str) -> set[str]:
    """The anchors that headings make, the way code hosts spell them."""
    found = set()
    for _, line in lines_outside_fences(text):
        if match := re.match(r"#+\s+(.*)", line):
            plain = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).strip().lower()
            found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def broken(path: str, text: str, existing: frozenset[str]) -> Iterator[Violation]:
    """Links and named files that lead nowhere."""
    for number, line in lines_outside_fences(text):
        for target in LINK.findall(line):
            if problem := _problem(path, text, target, existing):
                yield Violation(path=path, line=number, text=f"{target}: {problem}")
        for named in NAMED_FILE.findall(line):
            if named not in existing and not path.startswith("docs/recipes/"):
                yield Violation(path=path, line=number, text=f"{named} does not exist")


def _problem(path: str, text: str, target: str, existing: frozenset[str]) -> str:
    if re.match(r"[a-z]+:", target):
        return ""
    file, _, anchor = target.partition("#")
    resolved = _normal(PurePosixPath(path).parent / file) if file else path
    directory = f"{resolved}/"
    if resolved not in existing and not any(name.startswith(directory) for name in existing):
        return "the link leads nowhere"
    if anchor and resolved.endswith(".md"):
        there = text if resolved == path else (ROOT / resolved).read_text(encoding="utf-8")
        return "" if anchor.lower() in anchors(there) else "no such heading"
    return ""


def _normal(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def dependencies() -> list[str]:
    """What the run input names."""
    lines = (ROOT / DECISION_NEEDED).read_text().splitlines()
    return [match.group().lower() for line in lines if (match := re.match(r"[A-Za-z][\w.-]*", line))]


def test_every_link_and_every_named_file_exists() -> None:
    existing = frozenset(files())
    found = told(v for path in documents() for v in broken(path, (ROOT / path).read_text(encoding="utf-8"), existing))
    assert not found, found


@pytest.mark.parametrize("name", RECIPES)
def test_each_seam_has_a_recipe_that_names_its_files_and_its_proof(name: str) -> None:
    path = ROOT / "docs" / "recipes" / name
    assert path.is_file(), f"docs/recipes/{name} is missing"
    text = path.read_text(encoding="utf-8")
    assert "prewatt/core/" in text and "tests/" in text, f"{name}: which files, and which test proves it?"


def test_each_dependency_has_a_decision_that_says_what_was_compared() -> None:
    page = (ROOT / "docs" / "decisions" / "dependencies.md").read_text(encoding="utf-8").lower()
    assert not [name for name in dependencies() if f"| `{name}`" not in page]


def test_the_pages_everyone_reads_first_exist() -> None:
    for path in ("README.md", "CHANGELOG.md", "LICENSE", "docs/ARCHITECTURE.md", "docs/GLOSSARY.md"):
        assert (ROOT / path).is_file(), f"{path} is missing"


@pytest.mark.parametrize(
    "text", ["[a](nowhere.md)", "[a](#no-heading)", "see `prewatt/no/such.py`", "![shot](../images/none.png)"]
)
def test_a_broken_link_is_found(text: str) -> None:
    assert list(broken("docs/X.md", f"# Here\n{text}\n", frozenset({"docs/X.md"})))


@pytest.mark.parametrize(
    "text", ["[a](Y.md)", "[a](#here)", "`prewatt/cli.py:main`", "[a](https://example.org)", "[d](../docs)"]
)
def test_a_good_link_is_left_alone(text: str) -> None:
    existing = frozenset({"docs/X.md", "docs/Y.md", "prewatt/cli.py"})
    assert not list(broken("docs/X.md", f"# Here\n{text}\n```\n[x](nowhere.md)\n```\n", existing))
