"""Every refusal that can be raised has a text in both languages, and is given what the text shows."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest

from tests.house.bans import calls, name_of
from tests.house.reading import ROOT, Module, Violation, files, modules, snippet, told

RAISED_IN_SQL = re.compile(r"RAISE\s+EXCEPTION\s+'(\w+)'\s+USING\s+ERRCODE\s*=\s*'PW001'", re.IGNORECASE)
SHOWN = re.compile(r"\{(\w+)")
SNAKE_CASE = re.compile(r"^[a-z][a-z0-9_]*$")


@dataclass(frozen=True, kw_only=True)
class Said:
    """The texts of one code, as far as they are written as literals."""

    path: str
    line: int
    en: str
    zh: str


def registered(every: Iterable[Module]) -> tuple[dict[str, Said], set[str]]:
    """Codes with their texts; and, from modules that register by other means, every word that may be a code."""
    texts: dict[str, Said] = {}
    others: set[str] = set()
    for module in every:
        registers = any(name_of(call.func) == "register" for call in calls(module))
        for node in ast.walk(module.tree) if registers else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SNAKE_CASE.match(node.value):
                others.add(node.value)
            if isinstance(node, ast.Dict):
                texts.update(_texts(module, node))
    return texts, others


def _texts(module: Module, node: ast.Dict) -> Iterator[tuple[str, Said]]:
    for key, value in zip(node.keys, node.values, strict=True):
        match key, value:
            case ast.Constant(value=str(code)), ast.Call(func=function, args=args, keywords=keywords):
                if name_of(function) not in ("Text", "_Refusal"):
                    continue
                named: dict[str, ast.expr] = dict(zip(("en", "zh"), args, strict=False))
                named.update({keyword.arg: keyword.value for keyword in keywords if keyword.arg})
                words = {name: each.value for name, each in named.items() if isinstance(each, ast.Constant)}
                en, zh = words.get("en"), words.get("zh")
                if isinstance(en, str) and isinstance(zh, str):
                    yield code, Said(path=module.path, line=node.lineno, en=en, zh=zh)


def raised(module: Module) -> Iterator[tuple[str, int, set[str] | None]]:
    """Code, line and parameters (None: not all known) of each refusal made with a literal code."""
    for call in calls(module):
        if name_of(call.func) in ("Refused", "StartRefused") and call.args:
            code = call.args[0]
            given = {keyword.arg for keyword in call.keywords}
            if isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield code.value, call.lineno, None if None in given else {name for name in given if name}
        elif name_of(call.func) == "Outcome":
            for keyword in call.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant) and keyword.value.value:
                    yield str(keyword.value.value), call.lineno, None


def wordless(module: Module, texts: dict[str, Said], others: set[str]) -> Iterator[Violation]:
    """Refusals without a text, and texts that show what they are not given."""
    for code, line, given in raised(module):
        if code not in texts and code not in others:
            yield Violation(path=module.path, line=line, text=f"{code} has no text; register it in both languages")
        elif code in texts and given is not None:
            lacking = set(SHOWN.findall(texts[code].en)) - given
            if lacking:
                yield Violation(path=module.path, line=line, text=f"{code} shows {sorted(lacking)} but is not given it")


def test_every_refusal_has_a_text_and_what_the_text_shows() -> None:
    every = list(modules("prewatt"))
    texts, others = registered(every)
    assert len(texts) > 50
    found = told(v for m in every for v in wordless(m, texts, others))
    assert not found, found


def test_every_refusal_of_the_database_has_a_text() -> None:
    texts, others = registered(modules("prewatt"))
    found = told(
        Violation(path=path, line=text.count("\n", 0, match.start()) + 1, text=f"{match[1]} has no text")
        for path in files()
        if path.startswith("prewatt/") and path.endswith(".sql")
        for text in [(ROOT / path).read_text(encoding="utf-8")]
        for match in RAISED_IN_SQL.finditer(text)
        if match[1] not in texts and match[1] not in others
    )
    assert not found, found


def test_both_languages_show_the_same_things() -> None:
    texts, _ = registered(modules("prewatt"))
    found = told(
        Violation(path=said.path, line=said.line, text=f"{code}: {said.en!r} and {said.zh!r} show different things")
        for code, said in texts.items()
        if set(SHOWN.findall(said.en)) != set(SHOWN.findall(said.zh)) or not said.zh or not said.en
    )
    assert not found, found


WITH_TEXTS = "register({'plan_missing': Text(en='No plan for {room}.', zh='{room} 没有电价方案。')})\n"


@pytest.mark.parametrize(
    ("raises", "says"),
    [
        ("raise Refused('plan_gone')", "plan_gone has no text"),
        ("raise Refused('plan_missing')", "plan_missing shows ['room']"),
        ("x = Outcome(verdict=v, code='meter_odd')", "meter_odd has no text"),
    ],
)
def test_a_refusal_without_words_is_found(raises: str, says: str) -> None:
    texts, others = registered([snippet(WITH_TEXTS)])
    found = [v.text for v in wordless(snippet(raises), texts, others)]
    assert len(found) == 1 and says in found[0]


def test_a_refusal_with_words_is_left_alone() -> None:
    texts, others = registered([snippet(WITH_TEXTS)])
    assert not list(wordless(snippet("raise Refused('plan_missing', room='101', retry=True)"), texts, others))
