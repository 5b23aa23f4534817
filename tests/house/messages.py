"""What the code and the templates ask to be translated."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation.template import templatize

from tests.house.reading import Module

TRANSLATION = "django.utils.translation"
# function -> position of context, msgid and plural among its arguments
SHAPES: dict[str, tuple[int | None, int, int | None]] = {
    "gettext": (None, 0, None),
    "gettext_lazy": (None, 0, None),
    "gettext_noop": (None, 0, None),
    "pgettext": (0, 1, None),
    "pgettext_lazy": (0, 1, None),
    "ngettext": (None, 0, 1),
    "ngettext_lazy": (None, 0, 1),
    "npgettext": (0, 1, 2),
    "npgettext_lazy": (0, 1, 2),
}
STRING = r"""u?(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
TEMPLATE_CALL = re.compile(rf"\b(n?p?gettext|_)\(\s*({STRING}(?:\s*,\s*{STRING})*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Message:
    """One text to be translated, and where it stands."""

    path: str
    line: int
    msgid: str
    context: str | None = None
    plural: str | None = None


def in_python(module: Module) -> Iterator[Message]:
    """The literals given to Django's translation functions, under whatever name they were imported."""
    names = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module == TRANSLATION
        for alias in node.names
        if alias.name in SHAPES
    }
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in names:
                texts = [
                    a.value if isinstance(a, ast.Constant) and isinstance(a.value, str) else None for a in arguments
                ]
                yield from _message(names[name], texts, module.path, node.lineno)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="translation"), attr=name), args=arguments) if (
                name in SHAPES
            ):
                texts = [
                    a.value if isinstance(a, ast.Constant) and isinstance(a.value, str) else None for a in arguments
                ]
                yield from _message(name, texts, module.path, node.lineno)


def in_template(path: str, text: str) -> Iterator[Message]:
    """The texts of {% translate %}, {% blocktranslate %} and _() in a template."""
    source = templatize(text, origin=path)
    for match in TEMPLATE_CALL.finditer(source):
        texts = [ast.literal_eval(literal) for literal in re.findall(STRING, match[2])]
        function = "gettext" if match[1] == "_" else match[1]
        yield from _message(function, texts, path, source.count("\n", 0, match.start()) + 1)


def _message(function: str, texts: list[str | None], path: str, line: int) -> Iterator[Message]:
    context_at, msgid_at, plural_at = SHAPES[function]
    msgid = texts[msgid_at] if msgid_at < len(texts) else None
    if not msgid:
        return  # a variable: what it may hold is listed, as literals, where it is set
    yield Message(
        path=path,
        line=line,
        msgid=msgid,
        context=None if context_at is None else texts[context_at],
        plural=None if plural_at is None else texts[plural_at],
    )
