"""The files of others that our pages load: which, in which version, and how to fetch them again.

`python -m prewatt.web.ui.vendor` packs the named npm releases afresh, copies the named files into
`static/vendor/`, writes the sha256 list, and derives the icon sprite. With `--check` it only compares
the files with the list. A page never loads anything from another host, so these copies are the ones
that run; the list makes an edited copy visible.
"""

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENDOR = HERE / "static" / "vendor"
SPRITE = HERE / "static" / "ui" / "icons.svg"
GLYPHS = HERE / "glyphs.svg"
TEST_VENDOR = HERE.parents[2] / "tests" / "browser" / "vendor"
SUMS = "SHA256SUMS"


@dataclass(frozen=True, kw_only=True)
class Release:
    """One npm release; `files` maps a path inside the package to our file name."""

    package: str
    version: str
    files: dict[str, str]
    into: Path = VENDOR


RELEASES: tuple[Release, ...] = (
    Release(
        package="@tabler/core",
        version="1.6.1",
        files={"dist/css/tabler.min.css": "tabler.min.css"},  # packed without its licence text, see `fetch`
    ),
    Release(
        package="htmx.org",
        version="4.0.1",
        files={"dist/htmx.min.js": "htmx.min.js", "LICENSE": "htmx.LICENSE"},
    ),
    Release(
        package="echarts",
        version="6.1.0",
        files={
            "dist/echarts.common.min.js": "echarts.common.min.js",
            "LICENSE": "echarts.LICENSE",
            "NOTICE": "echarts.NOTICE",
        },
    ),
    Release(
        package="@fontsource-variable/inter",
        version="5.3.0",
        files={"files/inter-latin-wght-normal.woff2": "inter-latin-wght-normal.woff2", "LICENSE": "inter.LICENSE"},
    ),
    Release(
        package="axe-core",
        version="4.14.1",
        files={"axe.min.js": "axe.min.js", "LICENSE": "axe.LICENSE"},
        into=TEST_VENDOR,
    ),
)
ICONS = ("@tabler/icons", "3.51.0")
ICON_NAMES: tuple[str, ...] = tuple(
    "home layout-grid bolt users gauge bell report-analytics settings chevron-down chevron-right chevron-left search"
    " user printer help clock x check send refresh plug-connected-x plus download file-spreadsheet arrow-left"
    " arrow-right arrow-back-up alert-triangle building receipt cash qrcode credit-card building-bank history"
    " player-pause player-play key lock edit filter external-link logout world router tag copy circle-check"
    " info-circle eye calendar keyboard list menu-2 cash-banknote adjustments building-store id clipboard-list".split()
)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def differences(folder: Path) -> list[str]:
    """What does not agree with the folder's list: changed, missing and unlisted files, by name."""
    lines = (folder / SUMS).read_text().splitlines()
    listed = {name: digest for digest, _gap, name in (line.partition("  ") for line in lines)}
    present = {p.name: sha256(p) for p in folder.iterdir() if p.is_file() and p.name not in (SUMS, "README.md")}
    return sorted(name for name in listed.keys() | present.keys() if listed.get(name) != present.get(name))


def _unpack(package: str, version: str, scratch: Path) -> Path:
    """The folder of one npm release, packed by npm itself (which checks the registry's integrity value)."""
    done = subprocess.run(
        ["npm", "pack", "--silent", "--ignore-scripts", f"{package}@{version}"],
        cwd=scratch,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    target = scratch / package.replace("/", "_")
    with tarfile.open(scratch / done.stdout.split()[-1]) as archive:
        archive.extractall(target, filter="data")
    return next(p for p in target.iterdir() if p.is_dir())


def _sprite(icons: Path) -> str:
    """One SVG of symbols `i-<name>`, with our own state glyphs `s-<state>` in front."""
    symbols = [line for line in GLYPHS.read_text().splitlines() if line.startswith("<symbol")]
    for name in ICON_NAMES:
        source = (icons / "icons" / "outline" / f"{name}.svg").read_text()
        inner = re.sub(r"\s*\n\s*", "", source[source.index(">", source.index("<svg")) + 1 : source.rindex("</svg>")])
        symbols.append(
            f'<symbol id="i-{name}" viewBox="0 0 24 24" stroke-linecap="round" stroke-linejoin="round">{inner}</symbol>'
        )
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def fetch() -> None:
    """Fetch every release again and rewrite copies, sprite and lists."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for release in RELEASES:
            package = _unpack(release.package, release.version, scratch)
            release.into.mkdir(parents=True, exist_ok=True)
            for source, name in release.files.items():
                body = (package / source).read_bytes()
                if name.endswith((".js", ".css")):  # the maps are not shipped; a reference to them would be a 404
                    body = re.sub(rb"\n?(//# sourceMappingURL=\S+|/\*# sourceMappingURL=\S+ \*/)\s*$", b"\n", body)
                (release.into / name).write_bytes(body)
        icons = _unpack(*ICONS, scratch)
        for name in ("tabler.LICENSE", "tabler-icons.LICENSE"):  # one holder, one MIT text, named in both packages
            (VENDOR / name).write_bytes((icons / "LICENSE").read_bytes())
        SPRITE.write_text(_sprite(icons))
    for into in {release.into for release in RELEASES}:
        names = sorted(p.name for p in into.iterdir() if p.is_file() and p.name not in (SUMS, "README.md"))
        (into / SUMS).write_text("".join(f"{sha256(into / name)}  {name}\n" for name in names))


def main(arguments: Sequence[str]) -> int:
    if list(arguments) == ["--check"]:
        wrong = [str(folder / name) for folder in (VENDOR, TEST_VENDOR) for name in differences(folder)]
        sys.stdout.write("".join(f"differs: {name}\n" for name in wrong) or "all vendored files agree\n")
        return 1 if wrong else 0
    fetch()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
