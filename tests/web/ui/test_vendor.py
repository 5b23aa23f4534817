"""The files of others are those we chose, unedited; and nothing of ours loads anything else."""

import re
from pathlib import Path

import pytest

from prewatt.web.ui import vendor

TEMPLATES = vendor.HERE / "templates"
OURS = [*TEMPLATES.rglob("*.html"), *(vendor.HERE / "static" / "ui").iterdir()]


@pytest.mark.parametrize("folder", [vendor.VENDOR, vendor.TEST_VENDOR], ids=["pages", "tests"])
def test_the_copies_agree_with_their_list(folder: Path) -> None:
    assert vendor.differences(folder) == []


def test_an_edited_a_missing_and_a_smuggled_file_are_named(tmp_path: Path) -> None:
    for name in ("a.js", "b.js"):
        (tmp_path / name).write_text(name)
    sums = "".join(f"{vendor.sha256(tmp_path / name)}  {name}\n" for name in ("a.js", "b.js"))
    (tmp_path / vendor.SUMS).write_text(sums + f"{'0' * 64}  gone.js\n")
    (tmp_path / "a.js").write_text("edited")
    (tmp_path / "smuggled.js").write_text("x")
    assert vendor.differences(tmp_path) == ["a.js", "gone.js", "smuggled.js"]


def test_every_release_brings_its_licence() -> None:
    names = {path.name for path in vendor.VENDOR.iterdir()} | {path.name for path in vendor.TEST_VENDOR.iterdir()}
    for product in ("tabler", "tabler-icons", "htmx", "echarts", "inter", "axe"):
        assert f"{product}.LICENSE" in names


def test_the_sprite_holds_every_icon_and_glyph_the_pages_name() -> None:
    symbols = set(re.findall(r'<symbol id="([^"]+)"', vendor.SPRITE.read_text()))
    asked = {
        f"i-{name}"
        for path in TEMPLATES.rglob("*.html")
        for name in re.findall(r"""{% icon ["']([\w-]+)["']""", path.read_text())
    }
    assert asked and asked <= symbols
    assert {f"s-{state}" for state in ("normal", "alarm1", "alarm2", "arrears", "unopened", "lost")} <= symbols


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_page_of_ours_names_another_host_or_carries_inline_code(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|src=.//", text)
    if path.suffix == ".html":
        assert not re.search(r"""\sstyle=|\son\w+=|hx-on|javascript:|<style""", text)
        for tag in re.findall(r"<script\b[^>]*>", text):
            assert "src=" in tag, tag
