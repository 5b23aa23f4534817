"""The project's files as the house rules read them, and how a rule tells what it found."""

import ast
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VENDORED = "/vendor/"  # other people's files, kept as they came


@dataclass(frozen=True, kw_only=True, order=True)
class Violation:
    """One place that breaks a rule, and what to do instead."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True, kw_only=True)
class Module:
    """One Python file. `path` is relative to the checkout, `name` as it is imported."""

    path: str
    text: str
    tree: ast.Module = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        parts = self.path.removesuffix(".py").split("/")
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def is_package(self) -> bool:
        return self.path.endswith("/__init__.py")

    @property
    def is_migration(self) -> bool:
        return "/migrations/" in self.path


def snippet(text: str, *, path: str = "prewatt/office/vending/snippet.py") -> Module:
    """A module that exists only in a test of the rule itself."""
    return Module(path=path, text=text, tree=ast.parse(text))


@cache
def files() -> tuple[str, ...]:
    """Every file that is or would be committed, relative to the checkout."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
        paths = listed.split("\0")
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive has no git
        paths = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not _is_made(path)]
    return tuple(sorted({path for path in paths if path and (ROOT / path).is_file()}))


def _is_made(path: Path) -> bool:
    made = {".git", ".venv", "var", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
    return bool(made.intersection(path.relative_to(ROOT).parts)) or path.suffix in {".mo", ".pyc"}


@cache
def module(path: str) -> Module:
    """One Python file, parsed."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return Module(path=path, text=text, tree=ast.parse(text, filename=path))


def modules(*tops: str) -> Iterator[Module]:
    """The Python files below these directories of the checkout."""
    for path in files():
        if path.endswith(".py") and path.startswith(tuple(f"{top}/" for top in tops)):
            yield module(path)


def texts(*, suffixes: tuple[str, ...] | None = None) -> Iterator[tuple[str, str]]:
    """Path and text of every text file that is not vendored; files that are no text are left out."""
    for path in files():
        if VENDORED in f"/{path}" or (suffixes is not None and not path.endswith(suffixes)):
            continue
        try:
            yield path, (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def told(violations: Iterable[Violation]) -> str:
    """All violations at once, one on a line, for the message of an assertion."""
    found = sorted(set(violations))
    return f"{len(found)} found:\n" + "\n".join(map(str, found)) if found else ""
