"""What the tidy test bans, each with its replacement, and a bad and a good snippet that prove the rule."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.house.reading import Module

Lines = Iterator[tuple[int, str]]  # line number and what was found there

LONGEST_FILE = 500  # lines
LONGEST_FUNCTION = 70  # lines
LONGEST_LINE = 120  # characters; a Chinese one counts once
AMOUNT = re.compile(r"(_minor|_wh|amount|balance|credit|energy)$")
SECONDS = re.compile(r"_(s|ms|us)$")
CLOCKS = {"now", "utcnow", "today", "localdate", "localtime"}
CLOCK_HOLDERS = {"datetime", "date", "timezone"}
LEFTOVER = re.compile(r"\b(" + "|".join(("FIX" + "ME", "TO" + "DO", "X" + "XX", "HA" + "CK")) + r")\b")
MODEL_WRITES = {"save", "delete", "create", "bulk_create", "bulk_update", "get_or_create", "update_or_create"}
NAMES_OF_NOTHING = {"utils", "util", "helpers", "helper", "managers", "services", "misc", "common"}

# function -> why it may catch everything: the loop of a process must outlive what it runs
HEADEND = "prewatt/field/headend"
BROAD_EXCEPT: dict[str, str] = {
    "prewatt/wiring/sts.py:_answer_line": "process loop: one request must not take the others with it",
    "prewatt/wiring/wire.py:_answer_line": "process loop: one capture must not take the others with it",
    f"{HEADEND}/headend.py:HeadEnd._enter": "process loop: the head-end waits whatever the database driver raises",
    f"{HEADEND}/headend.py:HeadEnd._round": "process loop: the database is away, what is known is kept",
    f"{HEADEND}/headend.py:HeadEnd._listen": "process loop: the listening connection is away, polling goes on",
    f"{HEADEND}/headend.py:HeadEnd._leave": "process end: leases that cannot be given back run out alone",
    f"{HEADEND}/line.py:Line._serve": "process loop: a fault in one conversation must not end the bus",
    f"{HEADEND}/line.py:Line._command": "a fault after a write left must become UNKNOWN, never a lost job",
}


@dataclass(frozen=True, kw_only=True)
class Ban:
    """One rule. `tops` are the directories it holds in, `but` the paths in them where it does not."""

    name: str
    find: Callable[[Module], Lines]
    instead: str
    bad: tuple[str, ...]
    good: str
    tops: tuple[str, ...] = ("prewatt",)
    but: tuple[str, ...] = ()
    path: str = "prewatt/office/vending/snippet.py"  # where the snippets pretend to live

    def holds_in(self, path: str) -> bool:
        return path.startswith(tuple(f"{top}/" for top in self.tops)) and not any(part in path for part in self.but)


def name_of(node: ast.expr) -> str:
    """The last name of `a.b.c` or `c`; "" for anything else."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def calls(module: Module) -> Iterator[ast.Call]:
    """Every call in a module."""
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.Call))


def floats(module: Module) -> Lines:
    """`float` by name, but for annotations of things that end in a unit of time."""
    timed: set[int] = set()
    for node in ast.walk(module.tree):
        match node:
            case ast.arg(arg=name, annotation=ast.expr() as kind) if SECONDS.search(name):
                timed.update(map(id, ast.walk(kind)))
            case ast.AnnAssign(target=target) if SECONDS.search(name_of(target)):
                timed.update(map(id, ast.walk(node)))
            case ast.keyword(arg=str(name), value=value) if SECONDS.search(name):
                timed.update(map(id, ast.walk(value)))
            case ast.Assign(targets=[target], value=value) if SECONDS.search(name_of(target)):
                timed.update(map(id, ast.walk(value)))
            case ast.FunctionDef(name=name, returns=ast.expr() as kind) if SECONDS.search(name):
                timed.update(map(id, ast.walk(kind)))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id == "float" and id(node) not in timed:
            yield node.lineno, "float"


def rounds(module: Module) -> Lines:
    """The built-in round."""
    return (
        (node.lineno, "round()")
        for node in calls(module)
        if isinstance(node.func, ast.Name) and node.func.id == "round"
    )


def divisions(module: Module) -> Lines:
    """`/` where a side is named like an amount: it makes a float of an integer."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            sides = [name_of(side) for side in (node.left, node.right)]
            if any(AMOUNT.search(side) for side in sides):
                yield node.lineno, f"division of {' / '.join(side or '...' for side in sides)}"


def clocks(module: Module) -> Lines:
    """Reading the clock, directly or as a model field's default."""
    from_timezone = {
        alias.asname or alias.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.timezone"
        for alias in node.names
        if alias.name in CLOCKS
    }
    for node in ast.walk(module.tree):
        match node:
            case ast.Attribute(value=holder, attr=attr) if attr in CLOCKS and name_of(holder) in CLOCK_HOLDERS:
                yield node.lineno, f"{name_of(holder)}.{attr}"
            case ast.Attribute(value=ast.Name(id="time"), attr="time"):
                yield node.lineno, "time.time"
            case ast.Name(id=name) if name in from_timezone:
                yield node.lineno, f"timezone.{name}"
            case ast.keyword(arg="auto_now" | "auto_now_add" as arg):
                yield node.value.lineno, str(arg)


def prints(module: Module) -> Lines:
    """The built-in print, unless it is given a stream."""
    for node in calls(module):
        if isinstance(node.func, ast.Name) and node.func.id == "print":
            if not any(keyword.arg == "file" for keyword in node.keywords):
                yield node.lineno, "print()"


def broad_excepts(module: Module) -> Lines:
    """Bare except and except Exception, outside the functions listed in BROAD_EXCEPT."""
    for line, function in catching_everything(module):
        if f"{module.path}:{function}" not in BROAD_EXCEPT:
            yield line, f"broad except in {function}"


def catching_everything(module: Module) -> Lines:
    """Line and function of each handler that catches everything and does not pass it on."""
    for function, node in _handlers(module):
        if isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None:
            continue  # cleans up and lets everything pass on
        caught = [node.type] if not isinstance(node.type, ast.Tuple) else node.type.elts
        if any(kind is None or name_of(kind) in ("Exception", "BaseException") for kind in caught):
            yield node.lineno, function


def _handlers(module: Module) -> Iterator[tuple[str, ast.ExceptHandler]]:
    def walk(node: ast.AST, name: str) -> Iterator[tuple[str, ast.ExceptHandler]]:
        for child in ast.iter_child_nodes(node):
            inner = name
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{name}.{child.name}".lstrip(".")
            if isinstance(child, ast.ExceptHandler):
                yield inner or "module", child
            yield from walk(child, inner)

    yield from walk(module.tree, "")


def whole_saves(module: Module) -> Lines:
    """`save()` that writes every column, also those another process just changed."""
    for node in calls(module):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "save":
            if not any(keyword.arg in ("update_fields", None) for keyword in node.keywords):
                yield node.lineno, "save() without update_fields"


def signals(module: Module) -> Lines:
    """Django's signals."""
    for node in ast.walk(module.tree):
        match node:
            case ast.ImportFrom(module=str(source)) if source.startswith("django.dispatch") or source.endswith(
                ".signals"
            ):
                yield node.lineno, f"signals from {source}"
            case ast.Import(names=names) if any(
                alias.name.endswith((".signals", "django.dispatch")) for alias in names
            ):
                yield node.lineno, "signals"


def names_of_nothing(module: Module) -> Lines:
    """Files and packages whose name says nothing."""
    for part in module.name.split("."):
        if part in NAMES_OF_NOTHING:
            yield 1, f"a module named {part}"


def stars(module: Module) -> Lines:
    """from x import *"""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield node.lineno, "star import"


def long_files(module: Module) -> Lines:
    """Files over the limit."""
    lines = module.text.count("\n")
    if lines > LONGEST_FILE:
        yield LONGEST_FILE, f"file of {lines} lines"


def long_lines(module: Module) -> Lines:
    """Lines over the limit."""
    for number, line in enumerate(module.text.splitlines(), start=1):
        if len(line) > LONGEST_LINE:
            yield number, f"line of {len(line)} characters"


def long_functions(module: Module) -> Lines:
    """Functions over the limit, decorators not counted."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield node.lineno, f"function {node.name} of {lines} lines"


def leftovers(module: Module) -> Lines:
    """Notes to self in comments."""
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type == tokenize.COMMENT and (found := LEFTOVER.search(token.string)):
            yield token.start[0], found.group()


def async_functions(module: Module) -> Lines:
    """Asynchronous functions where everything is synchronous."""
    return ((n.lineno, f"async def {n.name}") for n in ast.walk(module.tree) if isinstance(n, ast.AsyncFunctionDef))


def model_writes(module: Module) -> Lines:
    """Writing to models: `.objects.create()`, `.save()`, `.delete()`, `.filter().update()`."""
    for node in calls(module):
        if not isinstance(node.func, ast.Attribute):
            continue
        chain = ast.unparse(node.func.value)
        from_manager = ".objects" in chain or ".filter(" in chain or ".exclude(" in chain
        if node.func.attr == "save" and not chain.endswith(("workbook", "session", "image")):
            yield node.lineno, f"{chain}.save()"
        elif from_manager and node.func.attr in MODEL_WRITES | {"update"}:
            yield node.lineno, f"{chain}.{node.func.attr}()"


def unportable_sql(module: Module) -> Lines:
    """SQL that the floor (PostgreSQL 15 without contrib) or sharding would refuse."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if found := UNPORTABLE.search(node.value):
                yield node.lineno, found.group()


def silent_skips(module: Module) -> Lines:
    """Tests that are left out without failing in CI."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in ("skip", "skipif", "importorskip", "xfail"):
            if name_of(node.value) in ("pytest", "mark"):
                yield node.lineno, f"{name_of(node.value)}.{node.attr}"


def databases(module: Module) -> Lines:
    """A database asked for where none is started: pytest-django would skip the test without a word."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Attribute(attr="django_db") | ast.arg(arg="db" | "transactional_db"):
                yield node.lineno, "a test that needs the database"
            case ast.ImportFrom(module=str(source)) if source.startswith("prewatt.office"):
                yield node.lineno, f"import of {source}"


UNPORTABLE = re.compile(r"\b(MERGE\s+INTO|CREATE\s+EXTENSION|WITHOUT\s+OVERLAPS|uuidv7\(\))", re.IGNORECASE)

BANS = (
    Ban(
        name="float",
        find=floats,
        tops=("prewatt/core", "prewatt/office"),
        instead="integers of the smallest unit; unit prices are Decimal; only durations ending in _s may be float",
        bad=("def price(amount: float) -> int: ...\n",),
        good="def wait(timeout_s: float) -> int: ...\nbeat = Beat(age_s=float(x))\nlimit_s: float = float(y)\n",
    ),
    Ban(
        name="round",
        find=rounds,
        tops=("prewatt/core", "prewatt/office", "prewatt/web"),
        instead="Money and Energy of core.units are the only places that round",
        bad=("fee = round(x)\n",),
        good="fee = money.rounded(x)\n",
    ),
    Ban(
        name="division",
        find=divisions,
        instead="// with a stated direction, or the methods of core.units",
        bad=("half = sale.amount_minor / 2\n",),
        good="half = sale.amount_minor // 2\npath = root / 'x'\n",
    ),
    Ban(
        name="clock",
        find=clocks,
        but=("prewatt/web/", "prewatt/wiring/"),
        instead="time is an argument named `at` (in field: an injected clock)",
        bad=(
            "from datetime import datetime\nx = datetime.now()\n",
            "from django.utils.timezone import now\nx = now()\n",
            "from django.utils import timezone\nmade = DateTimeField(default=timezone.now)\n",
            "made = DateTimeField(auto_now_add=True)\n",
            "import time\nx = time.time()\n",
        ),
        good="def due(at: datetime) -> bool: return at > self.until\n",
    ),
    Ban(
        name="print",
        find=prints,
        instead="write to the stream you were given, or log",
        bad=("print('hello')\n",),
        good="print('hello', file=out)\nout.write('hello')\n",
    ),
    Ban(
        name="broad except",
        find=broad_excepts,
        instead="catch what you can handle; process loops are listed in tests/house/bans.py with a reason",
        bad=(
            "def f():\n    try:\n        g()\n    except (ValueError, Exception):\n        pass\n",
            "try:\n    g()\nexcept:\n    pass\n",
            "try:\n    g()\nexcept BaseException as e:\n    raise X from e\n",
        ),
        good="try:\n    g()\nexcept BaseException:\n    h()\n    raise\ntry:\n    g()\nexcept ValueError:\n    pass\n",
    ),
    Ban(
        name="whole save",
        find=whole_saves,
        tops=("prewatt/office", "prewatt/web"),
        instead="save(update_fields=[...]) or a compare-and-set: filter(state=...).update(...)",
        bad=("sale.save()\n",),
        good="sale.save(update_fields=['state'])\n",
    ),
    Ban(
        name="signals",
        find=signals,
        instead="call the verb, or look at rows in a state from above; nobody can read what happens on a signal",
        bad=("from django.db.models.signals import post_save\n",),
        good="from prewatt.office.ledger import books\n",
    ),
    Ban(
        name="names of nothing",
        find=names_of_nothing,
        tops=("prewatt", "tests"),
        instead="name the module after the verbs or the thing in it",
        bad=("x = 1\n",),
        good="",
        path="prewatt/office/vending/utils.py",
    ),
    Ban(
        name="star import",
        find=stars,
        tops=("prewatt", "tests", "scripts"),
        instead="name what you take",
        bad=("from os import *\n",),
        good="from os import path\n",
    ),
    Ban(
        name="long file",
        find=long_files,
        tops=("prewatt", "tests", "scripts"),
        but=("/migrations/",),
        instead="split where the second subject moves in",
        bad=("x = 1\n" * (LONGEST_FILE + 1),),
        good="x = 1\n" * LONGEST_FILE,
    ),
    Ban(
        name="long line",
        find=long_lines,
        tops=("prewatt", "tests", "scripts"),
        but=("/migrations/",),
        instead="break it where the thought breaks",
        bad=("x = '" + "x" * LONGEST_LINE + "'\n",),
        good="x = '" + "电" * (LONGEST_LINE - 6) + "'\n",
    ),
    Ban(
        name="long function",
        find=long_functions,
        tops=("prewatt", "tests", "scripts"),
        but=("/migrations/",),
        instead="keep the branching here and move the steps into functions of their own",
        bad=("def f():\n" + "    x = 1\n" * LONGEST_FUNCTION,),
        good="def f():\n" + "    x = 1\n" * (LONGEST_FUNCTION - 1),
    ),
    Ban(
        name="leftover",
        find=leftovers,
        tops=("prewatt", "tests", "scripts"),
        instead="do it now, or open an issue",
        bad=("x = 1  # " + "TO" + "DO: more\n",),
        good="x = 1  # because the meter counts from one\n",
    ),
    Ban(
        name="async in synchronous rooms",
        find=async_functions,
        tops=("prewatt/office", "prewatt/web"),
        but=("prewatt/web/stream",),
        instead="a plain function: pages, API and verbs run as WSGI; only the live stream is asynchronous",
        bad=("async def page(request): ...\n",),
        good="def page(request): ...\n",
    ),
    Ban(
        name="writing to models in web",
        find=model_writes,
        tops=("prewatt/web",),
        instead="call a verb of the office",
        bad=(
            "Sale.objects.filter(pk=1).update(state='x')\n",
            "Sale.objects.create(x=1)\n",
            "sale.save(update_fields=['x'])\n",
        ),
        good="names.update(x=1)\nsales.sell(request.operator)\nresponse.cookies.update(a)\n",
        path="prewatt/web/console/snippet.py",
    ),
    Ban(
        name="unportable SQL",
        find=unportable_sql,
        tops=("prewatt/office", "prewatt/wiring"),
        instead="INSERT ... ON CONFLICT, core functions, EXCLUDE over one-element ranges: docs/decisions/postgresql.md",
        bad=("run('''merge into x using y''')\n",),
        good="run('INSERT INTO x SELECT 1 ON CONFLICT DO NOTHING')\n",
    ),
    Ban(
        name="silent skip",
        find=silent_skips,
        tops=("tests",),
        but=("tests/system.py",),
        instead="need() or missing() of tests/system.py: said loudly to a user, a failure in CI",
        bad=("import pytest\npytest.skip('no mbpoll')\n", "@pytest.mark.skipif(x, reason='')\ndef test_x(): ...\n"),
        good="from tests.system import need\nmbpoll = need('mbpoll')\n",
        path="tests/field/test_snippet.py",
    ),
    Ban(
        name="database in pure rooms",
        find=databases,
        tops=("tests/core", "tests/field"),
        instead="move the test to tests/office or tests/journeys: pure runs start no database",
        bad=("@pytest.mark.django_db\ndef test_x(): ...\n", "def test_x(db): ...\n"),
        good="def test_x(): ...\n",
        path="tests/core/test_snippet.py",
    ),
)
