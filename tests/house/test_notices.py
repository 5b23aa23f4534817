"""The notices name what the lock installs, in its version; the version is that of the changelog."""

import re

import prewatt
from scripts import notices
from tests.house.reading import ROOT


def test_the_notices_are_those_of_the_lock() -> None:
    assert notices.NOTICES.read_text(encoding="utf-8") == notices.written(), "run scripts/notices.py"


def test_every_package_states_a_licence_that_lets_prewatt_be_given_on() -> None:
    strict = re.compile(r"\bA?GPL|SSPL|BUSL|proprietary|unknown", re.IGNORECASE)
    stated = {name: notices.licence(name) for name, _ in notices.pins()}
    assert len(stated) > 20
    found = {name: text for name, text in stated.items() if strict.search(text.replace("LGPL", ""))}
    assert not found, found


def test_the_version_is_the_newest_of_the_changelog() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert prewatt.__version__ == headings[0]


def test_the_licence_and_how_to_tell_of_a_weakness_are_there() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")[:200]
    security = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "THIRD-PARTY-NOTICES.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(word in security for word in ("Reporting", "PREWATT_PUBLIC_URL", "PREWATT_BACKUP_KEY"))
