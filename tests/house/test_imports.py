"""Which way imports run between the rooms. Reads every import, also inside functions and TYPE_CHECKING."""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.house.reading import Module, Violation, modules, snippet, told

# room -> the rooms it may import besides itself (docs/ARCHITECTURE.md, "Five rooms")
MAY_IMPORT = {
    "core": set[str](),
    "field": {"core"},
    "office": {"core"},
    "web": {"office", "core"},
    "wiring": {"core", "field", "office", "web"},
}
# office app -> floor; an app imports lower floors only
FLOOR = {
    "sqlfiles": -1,  # how a migration finds its SQL; no app, no rows
    "staff": 0,  # every act has an actor and leaves a trail
    "ledger": 1,
    "payments": 1,
    "estate": 2,
    "metering": 3,
    "tokens": 3,
    "vending": 4,
    "billing": 4,
    "alarms": 5,
    "changes": 5,
    "sheets": 5,
    "reports": 6,
}
WEB_FRAMEWORK = {"django", "ninja", "procrastinate", "psycopg", "psycopg_pool", "granian"}
# room -> top-level modules it must not touch, whatever they are for
NEVER = {
    "core": {"asyncio", "socket", "serial", "logging", "random", "time", "threading", "subprocess", "secrets"},
    "field": WEB_FRAMEWORK,
    "office": {"asyncio", "ninja", "granian", "uvloop"},
    "web": {"granian", "uvloop"},
    "wiring": set[str](),
}
# outside the standard library, core takes these, and only there
CORE_TAKES = {
    "cryptography": ("prewatt.core.sts",),
    "numpy": ("prewatt.core.sts", "prewatt.core.tariffs"),
    "numba": ("prewatt.core.sts",),
}
STREAM = "prewatt.web.stream"  # the one ASGI process of the web room
IMPORT_BY_NAME = {"import_module", "import_string", "__import__"}


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import: where, of what, and which name is taken from it ("" for the module itself)."""

    line: int
    target: str
    name: str = ""


def imports(module: Module, known: Iterable[str]) -> Iterator[Import]:
    """All imports of a module; `from package import submodule` counts as an import of the submodule."""
    existing = set(known)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (Import(line=node.lineno, target=alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                if inner in existing:
                    yield Import(line=node.lineno, target=inner)
                else:
                    yield Import(line=node.lineno, target=base, name=alias.name)
        elif isinstance(node, ast.Call) and node.args and _called(node) in IMPORT_BY_NAME:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield Import(line=node.lineno, target=first.value)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    here = module.name.split(".")
    base = here if module.is_package else here[:-1]
    return ".".join([*base[: len(base) - node.level + 1], *((node.module or "").split(".") if node.module else [])])


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _room(name: str) -> str:
    parts = name.split(".")
    return parts[1] if parts[0] == "prewatt" and len(parts) > 1 else ""


def _app(name: str) -> str:
    parts = name.split(".")
    return parts[2] if parts[:2] == ["prewatt", "office"] and len(parts) > 2 else ""


def arrows(module: Module, known: Iterable[str]) -> Iterator[Violation]:
    """Imports that run the wrong way between rooms, office floors or to foreign packages."""
    room = _room(module.name)
    if not room:
        return
    for found in imports(module, known):
        text = (
            _wrong_room(room, found.target)
            or _wrong_floor(module.name, found.target)
            or _wrong_package(module.name, room, found.target)
        )
        if text:
            yield Violation(path=module.path, line=found.line, text=text)


def _wrong_room(room: str, target: str) -> str:
    other = _room(target)
    if not other or other == room or other in MAY_IMPORT.get(room, set()):
        return ""
    if room not in MAY_IMPORT:
        return f"{room} is no room; the rooms are {', '.join(MAY_IMPORT)}"
    return f"{room} must not import {target}; it may import {', '.join(sorted(MAY_IMPORT[room])) or 'no other room'}"


def _wrong_floor(name: str, target: str) -> str:
    app, other = _app(name), _app(target)
    if not app or not other or app == other:
        return ""
    if app not in FLOOR or other not in FLOOR:
        return f"office app {app if app not in FLOOR else other} has no floor; give it one in docs/ARCHITECTURE.md"
    if FLOOR[other] < FLOOR[app]:
        return ""
    return f"{app} (floor {FLOOR[app]}) must not import {other} (floor {FLOOR[other]}); look at its rows from above"


def _wrong_package(name: str, room: str, target: str) -> str:
    top = target.partition(".")[0]
    if top in NEVER.get(room, set()):
        return f"{room} must not import {top}; the caller in wiring hands in what is needed"
    if room == "web" and top == "asyncio" and not name.startswith(STREAM):
        return f"asyncio belongs to {STREAM} alone; pages and API run as WSGI"
    if room != "core" or top == "prewatt" or top in sys.stdlib_module_names:
        return ""
    if name.startswith(CORE_TAKES.get(top, ())):
        return ""
    return f"core is pure: {top} is not of the standard library; allowed are {', '.join(CORE_TAKES)} in their places"


def faces(known: Iterable[Module]) -> Mapping[str, frozenset[str]]:
    """Package -> the names it offers, for packages that list them in `__all__`."""
    found = {}
    for module in known:
        for node in module.tree.body if module.is_package else ():
            match node:
                case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=names) | ast.Tuple(elts=names)):
                    texts = (name.value for name in names if isinstance(name, ast.Constant))
                    found[module.name] = frozenset(text for text in texts if isinstance(text, str))
    return found


def behind_faces(module: Module, known: Iterable[str], offered: Mapping[str, frozenset[str]]) -> Iterator[Violation]:
    """Names taken from an inner file though the package's face offers them, and private files of others."""
    for found in imports(module, known):
        if _room(found.target) in ("", _room(module.name)):
            continue
        if any(part.startswith("_") and not part.startswith("__") for part in found.target.split(".")):
            yield Violation(path=module.path, line=found.line, text=f"{found.target} is private to its package")
        parts = found.target.split(".")
        for end in range(2, len(parts)):
            package = ".".join(parts[:end])
            if found.name in offered.get(package, ()):
                text = f"take {found.name} from {package}, its face, not from {found.target}"
                yield Violation(path=module.path, line=found.line, text=text)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, by Tarjan's algorithm without recursion."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    waiting: list[str] = []
    found = []
    for start in graph:
        work = [(start, iter(sorted(graph[start])))] if start not in index else []
        while work:
            node, ahead = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                waiting.append(node)
            step = next((n for n in ahead if n in graph and (n not in index or n in waiting)), None)
            if step is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = waiting.index(node)
                    group, waiting[at:] = waiting[at:], []
                    if len(group) > 1 or node in graph[node]:
                        found.append(sorted(group))
            elif step in index:
                low[node] = min(low[node], index[step])
            else:
                work.append((step, iter(sorted(graph[step]))))
    return found


def test_imports_run_only_the_way_the_architecture_draws_them() -> None:
    every = list(modules("prewatt"))
    known = [m.name for m in every]
    assert not (found := told(v for m in every for v in arrows(m, known))), found


def test_other_rooms_use_a_package_through_its_face() -> None:
    every = list(modules("prewatt"))
    known, offered = [m.name for m in every], faces(every)
    assert not (found := told(v for m in every for v in behind_faces(m, known, offered))), found


def test_no_imports_run_in_a_circle() -> None:
    every = list(modules("prewatt"))
    known = [m.name for m in every]
    graph = {m.name: {i.target for i in imports(m, known) if i.target in set(known)} - {m.name} for m in every}
    assert circles(graph) == []


WRONG = [
    ("prewatt/core/units.py", "from prewatt.office.ledger import models", "core must not import"),
    ("prewatt/core/units.py", "import time", "core must not import time"),
    ("prewatt/core/units.py", "def f():\n    import django", "django is not of the standard library"),
    ("prewatt/core/wire/modbus.py", "import numpy", "core is pure"),
    ("prewatt/field/headend/line.py", "from prewatt.office import metering", "field must not import"),
    ("prewatt/field/headend/line.py", "import psycopg", "field must not import psycopg"),
    ("prewatt/office/estate/rooms.py", "from prewatt.field import headend", "office must not import"),
    ("prewatt/office/estate/rooms.py", "from ..vending import sales", "estate (floor 2) must not import vending"),
    ("prewatt/office/staff/audit.py", "from prewatt.office.ledger import books", "staff (floor 0) must not import"),
    ("prewatt/office/estate/rooms.py", "import_module('prewatt.web.ui')", "office must not import"),
    (
        "prewatt/web/api/sales.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from prewatt.field.headend import line",
        "web must not import",
    ),
    ("prewatt/web/api/sales.py", "import asyncio", "asyncio belongs to"),
    ("prewatt/web/api/sales.py", "from prewatt.wiring import settings", "web must not import"),
]


@pytest.mark.parametrize(("path", "text", "says"), WRONG)
def test_a_wrong_import_is_found(path: str, text: str, says: str) -> None:
    known = ["prewatt.office.ledger.models", "prewatt.office.vending", "prewatt.office.metering"]
    found = [v.text for v in arrows(snippet(text, path=path), known)]
    assert len(found) == 1 and says in found[0], found


RIGHT = [
    ("prewatt/core/tariffs/rating.py", "import numpy\nfrom decimal import Decimal"),
    ("prewatt/field/headend/line.py", "import asyncio\nimport uvloop\nfrom prewatt.core.meters.jobs import Job"),
    ("prewatt/office/vending/sales.py", "from prewatt.office.ledger import books\nfrom . import limits\nimport django"),
    ("prewatt/web/stream/app.py", "import asyncio\nfrom prewatt.office.metering import latest"),
    ("prewatt/wiring/cli.py", "from prewatt.field import headend\nfrom prewatt.web import api"),
]


@pytest.mark.parametrize(("path", "text"), RIGHT)
def test_a_right_import_is_left_alone(path: str, text: str) -> None:
    assert not list(arrows(snippet(text, path=path), []))


def test_a_name_taken_past_a_face_is_found() -> None:
    face = snippet("from prewatt.core.sts.token import Token\n__all__ = ['Token']", path="prewatt/core/sts/__init__.py")
    past = snippet("from prewatt.core.sts.token import Token", path="prewatt/office/vending/tokens.py")
    known = ["prewatt.core.sts", "prewatt.core.sts.token"]
    assert [v.text for v in behind_faces(past, known, faces([face]))] == [
        "take Token from prewatt.core.sts, its face, not from prewatt.core.sts.token"
    ]
    through = snippet("from prewatt.core.sts import Token", path="prewatt/office/vending/tokens.py")
    assert not list(behind_faces(through, known, faces([face])))


def test_a_circle_is_found_and_a_diamond_is_not() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) == []
