"""One word per thing: what the glossary's "Not" column forbids does not name models or their fields."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.reading import ROOT, Module, Violation, modules, snippet, told

GLOSSARY = ROOT / "docs" / "GLOSSARY.md"
COLUMNS = 4
# Words that are forbidden for one thing and right for another; the table cannot tell them apart
RIGHT_ELSEWHERE = {
    "account": "the ledger's own word; only ledger may use it",
    "admin": "Django's own name for a module",
    "breaker": "right when it is external",
    "code": "an API and a refusal have codes",
    "factor": "a power factor",
    "mode": "a supply point's mode is pre- or postpaid",
    "order": "the credit instruction for a meter",
    "overdraft": "permitted negative credit",
    "arrears": "debt",
    "port": "a TCP port",
    "refund": "money paid back",
    "return": "credit taken out of a meter",
    "sequence": "a row's place in a list",
    "step": "a delivery's steps",
    "tariff": "part of a longer name",
    "task": "a background job's name in the queue",
    "template": "a page template",
    "timestamp": "a time",
    "transaction": "the database's own word",
    "unit": "a Modbus unit, a credit unit",
    "user": "Django's own name of its base class",
    "value": "a stored value",
    "wish": "what the operator wants",
    "delete": "a verb of the database",
}
ACCOUNT_HOLDERS = ("prewatt/office/ledger/",)


def rows() -> list[tuple[str, list[str]]]:
    """Each row of the table: the code word, and the words that must not be used for it."""
    found = []
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == COLUMNS and cells[0] != "Code":
            words = [re.sub(r"\(.*?\)", "", word).strip() for word in cells[3].split(",")]
            found.append((cells[0], [word for word in words if word]))
    return found


def forbidden() -> dict[str, str]:
    """Forbidden word -> what to say instead. `T1..T4` stands for its ends and what lies between."""
    found = {}
    for code, words in rows():
        for word in words:
            for single in [f"t{n}" for n in range(1, 5)] if ".." in word else [word.lower()]:
                if single not in RIGHT_ELSEWHERE:
                    found[single] = code.replace("`", "")
    return found


def misnamed(module: Module, words: dict[str, str]) -> Iterator[Violation]:
    """Model classes and fields named with a forbidden word, alone or as the thing that is referred to."""
    for node in module.tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        if (lower := node.name.lower()) in words:
            yield Violation(path=module.path, line=node.lineno, text=f"class {node.name}; say {words[lower]}")
        for field in node.body:
            name = _field_name(field)
            word = name.removesuffix("_id").removesuffix("_number").removesuffix("_at")
            if word in words:
                yield Violation(path=module.path, line=field.lineno, text=f"field {name}; say {words[word]}")


def _field_name(node: ast.stmt) -> str:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call()):
            return name
        case ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return ""


def accounts(module: Module) -> Iterator[Violation]:
    """Account is the ledger's word alone."""
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and node.name.lower().endswith("account"):
            if not module.path.startswith(ACCOUNT_HOLDERS):
                yield Violation(
                    path=module.path, line=node.lineno, text=f"class {node.name}; accounts are the ledger's"
                )


def test_models_and_fields_use_the_words_of_the_glossary() -> None:
    words = forbidden()
    every = [m for m in modules("prewatt/office") if m.path.endswith("/models.py") or "/models/" in m.path]
    assert every
    found = told(v for m in every for rule in (misnamed(m, words), accounts(m)) for v in rule)
    assert not found, found


def test_the_values_between_rooms_use_the_words_of_the_glossary() -> None:
    words = forbidden()
    found = told(v for m in modules("prewatt/core") for v in misnamed(m, words))
    assert not found, found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("class Tenant(Model): pass", "class Tenant; say Customer"),
        ("class Meter(Model):\n    channel = IntegerField()", "field channel; say Circuit"),
        ("class Sale(Model):\n    device_id = BigIntegerField()", "field device_id; say Meter (number)"),
        ("class Rate(Model):\n    t1 = IntegerField()", "field t1; say sharp, peak, flat, valley"),
    ],
)
def test_a_forbidden_word_is_found(text: str, says: str) -> None:
    assert [v.text for v in misnamed(snippet(text), forbidden())] == [says]


def test_an_account_outside_the_ledger_is_found() -> None:
    assert list(accounts(snippet("class CardAccount(Model): pass")))
    assert not list(accounts(snippet("class Account(Model): pass", path="prewatt/office/ledger/models.py")))


def test_every_row_of_the_glossary_has_both_languages() -> None:
    lines = [line for line in GLOSSARY.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 50
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == COLUMNS and all(cells[:3]), line


def test_every_exception_from_the_glossary_is_still_one() -> None:
    listed = {word.lower() for _, words in rows() for word in words} | {"account", "wish"}
    allowed_without_row = set(RIGHT_ELSEWHERE) - listed
    assert allowed_without_row <= {"breaker", "transaction", "tariff"}, allowed_without_row
