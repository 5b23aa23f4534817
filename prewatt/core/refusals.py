"""Refusals: stable codes with a text in both languages, and whether trying again can help.

Every room raises `Refused`; the module that owns a subject registers its codes and texts once.
Tests and callers look at `code`, never at a text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CHINESE: Final = "zh-hans"
ENGLISH: Final = "en"


@dataclass(frozen=True, slots=True)
class Text:
    """What a person reads; `{name}` stands for a parameter of the refusal."""

    en: str
    zh: str


texts: dict[str, Text] = {}


class _Params(dict[str, object]):
    """A text must never fail to render because a parameter was left out."""

    def __missing__(self, key: str) -> str:
        return "?"


def register(new: Mapping[str, Text]) -> None:
    """Add codes to the registry; a code registered twice or a text left empty is a programming error."""
    for code, text in new.items():
        if code in texts:
            raise ValueError(f"refusal code registered twice: {code}")
        if not code.isidentifier() or code != code.lower():
            raise ValueError(f"refusal code is not snake_case: {code}")
        if not text.en.strip() or not text.zh.strip():
            raise ValueError(f"refusal code lacks a text: {code}")
    texts.update(new)


def message(code: str, lang: str = CHINESE, params: Mapping[str, object] | None = None) -> str:
    """The text of a code in `lang` ("zh…" or anything else for English); an unknown code is shown as itself."""
    text = texts.get(code)
    if text is None:
        return code
    template = text.zh if lang.lower().startswith("zh") else text.en
    return template.format_map(_Params(params or {}))


class Refused(Exception):
    """A request that was understood and is not carried out; nothing was changed.

    `retry` says that the same request can succeed later without anybody changing it.
    """

    def __init__(self, code: str, *, retry: bool = False, **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.retry = retry
        self.params: dict[str, object] = dict(params)

    def message(self, lang: str = CHINESE) -> str:
        return message(self.code, lang, self.params)

    def __str__(self) -> str:
        return f"{self.code}: {self.message(ENGLISH)}"
