"""One registry of refusals: each code once, with both texts, and every code core raises is in it."""

import ast
import string
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import prewatt.core
from prewatt.core.refusals import Refused, Text, message, register, texts

ROOM = Path(prewatt.core.__path__[0])


def all_of_core() -> None:
    for module in walk_packages(prewatt.core.__path__, "prewatt.core."):
        import_module(module.name)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_a_code_is_registered_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        register({"amount_malformed": Text("again", "又")})


@pytest.mark.parametrize("new", [{"Bad-Code": Text("a", "b")}, {"no_zh": Text("a", " ")}, {"no_en": Text("", "b")}])
def test_a_code_is_snake_case_and_has_both_texts(new: dict[str, Text]) -> None:
    with pytest.raises(ValueError):
        register(new)
    assert not new.keys() & texts.keys()


def test_every_code_has_two_texts_with_the_same_parameters() -> None:
    all_of_core()
    for code, text in texts.items():
        assert fields(text.zh) == fields(text.en), code
        assert any("\u4e00" <= char <= "\u9fff" for char in text.zh), code


def test_every_code_core_raises_is_registered() -> None:
    all_of_core()
    raised: dict[str, str] = {}
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Refused"), args=[ast.Constant(value=str(code)), *_]):
                    raised[code] = path.name
                case ast.Call(func=ast.Attribute(attr="end"), args=[_, ast.Constant(value=str(code))]):
                    raised[code] = path.name
    assert len(raised) > 30
    assert {code: where for code, where in raised.items() if code not in texts} == {}


def test_a_refusal_speaks_both_languages_and_never_fails_to() -> None:
    refused = Refused("amount_too_precise", text="1.005", decimals=2)
    assert refused.message("zh-hans") == refused.message() == "“1.005”的小数位超过 2 位。"
    assert refused.message("en") == "“1.005” has more than 2 decimals."
    assert str(refused) == "amount_too_precise: “1.005” has more than 2 decimals."
    assert "?" in Refused("amount_too_precise").message("en")
    assert message("no_such_code") == "no_such_code"


def test_a_refusal_says_whether_trying_again_can_help() -> None:
    assert not Refused("amount_malformed").retry
    assert Refused("no_reply", retry=True).retry
