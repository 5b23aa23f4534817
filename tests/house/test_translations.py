"""Every text of the interface exists in Chinese: msgids are English, the zh_Hans catalogue translates them."""

import re
from collections.abc import Iterator

import polib
import pytest

from tests.house.messages import Message, in_python, in_template
from tests.house.reading import ROOT, Violation, files, modules, snippet, told

LOCALE = "prewatt/web/ui/locale"
CHINESE = f"{LOCALE}/zh_Hans/LC_MESSAGES/django.po"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")
HAN = re.compile(r"[\u4e00-\u9fff]")


def messages() -> Iterator[Message]:
    """Every text in the code and the templates of the product."""
    for module in modules("prewatt"):
        yield from in_python(module)
    for path in files():
        if path.startswith("prewatt/") and "/templates/" in path:
            yield from in_template(path, (ROOT / path).read_text(encoding="utf-8"))


def missing(asked: Iterator[Message], catalogue: polib.POFile) -> Iterator[Violation]:
    """Texts that the catalogue does not hold, or not in the number they are asked for."""
    entries = {(entry.msgctxt, entry.msgid): entry for entry in catalogue if not entry.obsolete}
    for message in asked:
        entry = entries.get((message.context, message.msgid))
        where = f" (context {message.context})" if message.context else ""
        if entry is None:
            yield Violation(
                path=message.path, line=message.line, text=f"not in the catalogue: {message.msgid!r}{where}"
            )
        elif message.plural and entry.msgid_plural != message.plural:
            yield Violation(path=message.path, line=message.line, text=f"plural differs: {message.plural!r}")


def unfinished(path: str, catalogue: polib.POFile) -> Iterator[Violation]:
    """Entries without a translation, fuzzy, or with other placeholders than the original."""
    for entry in catalogue:
        if entry.obsolete:
            continue
        texts = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
        if not texts or not all(texts):
            yield Violation(path=path, line=entry.linenum, text=f"no translation of {entry.msgid!r}")
        elif "fuzzy" in entry.flags:
            yield Violation(path=path, line=entry.linenum, text=f"fuzzy: {entry.msgid!r}")
        else:
            originals = {*PLACEHOLDER.findall(entry.msgid), *PLACEHOLDER.findall(entry.msgid_plural or "")}
            for text in texts:
                if not set(PLACEHOLDER.findall(text)) <= originals or (
                    not entry.msgid_plural
                    and sorted(PLACEHOLDER.findall(text)) != sorted(PLACEHOLDER.findall(entry.msgid))
                ):
                    yield Violation(
                        path=path, line=entry.linenum, text=f"other placeholders: {entry.msgid!r}: {text!r}"
                    )


def catalogues() -> list[str]:
    """Every committed catalogue."""
    return [path for path in files() if path.startswith(f"{LOCALE}/") and path.endswith(".po")]


def test_every_text_of_the_interface_is_in_the_chinese_catalogue() -> None:
    assert CHINESE in catalogues(), f"{CHINESE} does not exist"
    found = told(missing(messages(), polib.pofile(str(ROOT / CHINESE))))
    assert not found, found


def test_every_entry_of_the_catalogues_is_translated() -> None:
    found = told(
        v for path in catalogues() if "/en/" not in path for v in unfinished(path, polib.pofile(str(ROOT / path)))
    )
    assert not found, found


def test_originals_are_written_in_english() -> None:
    found = told(
        Violation(
            path=m.path, line=m.line, text=f"the original is English, Chinese stands in the catalogue: {m.msgid!r}"
        )
        for m in messages()
        if HAN.search(m.msgid)
    )
    assert not found, found


def test_no_catalogue_holds_a_text_twice() -> None:
    for path in catalogues():
        keys = [(entry.msgctxt, entry.msgid) for entry in polib.pofile(str(ROOT / path)) if not entry.obsolete]
        assert sorted(map(str, set(keys))) == sorted(map(str, keys)), path


def _catalogue(*entries: polib.POEntry) -> polib.POFile:
    made = polib.POFile()
    made.extend(entries)
    return made


@pytest.mark.parametrize(
    "source",
    [
        "from django.utils.translation import gettext as _\nx = _('Sell')",
        "from django.utils.translation import pgettext_lazy\nx = pgettext_lazy('delivery', 'Waiting')",
        "from django.utils.translation import ngettext\nx = ngettext('one', '%(n)d', n)",
    ],
)
def test_a_text_in_the_code_that_is_not_in_the_catalogue_is_found(source: str) -> None:
    assert (
        len(list(missing(in_python(snippet(source)), _catalogue(polib.POEntry(msgid="Waiting", msgstr="等待"))))) == 1
    )


@pytest.mark.parametrize(
    "source",
    [
        '{% load i18n %}<b>{% translate "Sell" %}</b>',
        "{% load i18n %}{% blocktranslate with a=b %}Sell {{ a }}{% endblocktranslate %}",
        '{% load i18n %}{% translate "Sell" context "verb" %}',
        '{% load i18n %}{% include "x" with title=_("Sell") %}',
    ],
)
def test_a_text_in_a_template_that_is_not_in_the_catalogue_is_found(source: str) -> None:
    assert len(list(missing(in_template("x.html", source), _catalogue()))) == 1


def test_a_text_in_the_catalogue_is_left_alone() -> None:
    source = '{% load i18n %}{% translate "Sell" %}{% blocktranslate %}Hello {{ a }}{% endblocktranslate %}'
    made = _catalogue(
        polib.POEntry(msgid="Sell", msgstr="售电"), polib.POEntry(msgid="Hello %(a)s", msgstr="%(a)s 你好")
    )
    assert not list(missing(in_template("x.html", source), made))
    assert not list(unfinished("x.po", made))


@pytest.mark.parametrize(
    "entry",
    [
        polib.POEntry(msgid="Sell", msgstr=""),
        polib.POEntry(msgid="Sell", msgstr="售电", flags=["fuzzy"]),
        polib.POEntry(msgid="Sell %(a)s", msgstr="售电"),
        polib.POEntry(msgid="Sell %(a)s", msgstr="售电 %(b)s"),
    ],
)
def test_an_unfinished_entry_is_found(entry: polib.POEntry) -> None:
    assert list(unfinished("x.po", _catalogue(entry)))
