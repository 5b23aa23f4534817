"""The tidy rules: each ban holds in the code, finds a bad snippet, and leaves a good one alone."""

import re
from dataclasses import replace

import pytest

from tests.house.bans import BANS, BROAD_EXCEPT, LEFTOVER, UNPORTABLE, Ban, catching_everything
from tests.house.reading import ROOT, Violation, module, modules, snippet, texts, told

OTHER_SOURCES = (".html", ".css", ".js", ".toml", ".sql", ".sh", ".txt")


def _named(ban: Ban) -> str:
    return ban.name.replace(" ", "_")


@pytest.mark.parametrize("ban", BANS, ids=_named)
def test_the_code_keeps_the_rule(ban: Ban) -> None:
    found = told(
        Violation(path=m.path, line=line, text=f"{what}; instead: {ban.instead}")
        for m in modules(*ban.tops)
        if ban.holds_in(m.path)
        for line, what in ban.find(m)
    )
    assert not found, found


@pytest.mark.parametrize("ban", BANS, ids=_named)
def test_the_rule_finds_what_it_bans(ban: Ban) -> None:
    for bad in ban.bad:
        assert list(ban.find(snippet(bad, path=ban.path))), bad


@pytest.mark.parametrize("ban", BANS, ids=_named)
def test_the_rule_leaves_its_replacement_alone(ban: Ban) -> None:
    path = "prewatt/office/vending/sales.py" if ban.name == "names of nothing" else ban.path
    assert not list(ban.find(snippet(ban.good, path=path)))


@pytest.mark.parametrize("ban", BANS, ids=_named)
def test_the_rule_says_what_to_do_instead_and_holds_where_there_is_code(ban: Ban) -> None:
    assert len(ban.instead) > 10
    assert any(ban.holds_in(m.path) for m in modules(*ban.tops))


def test_a_rule_ends_where_it_is_told_to() -> None:
    ban = replace(BANS[0], tops=("prewatt/office",), but=("/migrations/",))
    assert ban.holds_in("prewatt/office/ledger/books.py")
    assert not ban.holds_in("prewatt/office/ledger/migrations/0001.py")
    assert not ban.holds_in("prewatt/officer/x.py")


def test_every_exception_from_the_broad_except_rule_still_exists_and_has_a_reason() -> None:
    for place, reason in BROAD_EXCEPT.items():
        path, _, function = place.partition(":")
        assert (ROOT / path).is_file(), f"{place} is gone; take it off the list"
        catching = {name for _, name in catching_everything(module(path))}
        assert function in catching, f"{place} catches no longer everything; take it off the list"
        assert len(reason) > 20, f"{place} needs a reason"


def test_no_notes_to_self_are_left_in_templates_styles_and_data() -> None:
    found = told(_matches(LEFTOVER, "do it now, or open an issue"))
    assert not found, found


def test_sql_files_run_on_the_oldest_supported_server() -> None:
    found = told(
        v for v in _matches(UNPORTABLE, "PostgreSQL 15 without contrib must run it") if v.path.endswith(".sql")
    )
    assert not found, found


def _matches(pattern: re.Pattern[str], instead: str) -> list[Violation]:
    return [
        Violation(path=path, line=number, text=f"{match.group()}; instead: {instead}")
        for path, text in texts(suffixes=OTHER_SOURCES)
        for number, line in enumerate(text.splitlines(), start=1)
        if (match := pattern.search(line))
    ]
