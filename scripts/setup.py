"""Make .venv ready: the locked packages, the project itself, the translations. Standard library only.

    python3.11 scripts/setup.py           what it takes to run
    python3.11 scripts/setup.py --dev     what it takes to test

Packages are installed from the lock by hash and only when the lock changed (its digest is kept in
the environment), so a second run costs a tenth of a second. The project is made importable by a
path file and a console script instead of an editable install: that needs no build tool, and so
nothing from the network that is not in the lock.
"""

import argparse
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {False: ROOT / "requirements.lock", True: ROOT / "requirements-dev.lock"}
OLDEST = (3, 11)
# Left to be compiled when they are imported: two thirds of the time for what no process of ours loads
SELDOM_IMPORTED = (
    r"/(pip|setuptools|locale|tests?|testing|gis|mypy|mypyc|typeshed|django-stubs|playwright|numba|llvmlite)/"
)
# Read by sh first and by Python then: a "#!" line may hold neither blanks nor more than some 120 characters.
ENTRY = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys

from prewatt.wiring.cli import main

sys.exit(main())
"""


class SetupError(Exception):
    """What is wrong and how to mend it."""


def main() -> int:
    """Exit 0: ready. Exit 2: not, and the last line says how to mend it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dev", action="store_true", help="also what the tests need")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="where the environment is made")
    given = parser.parse_args()
    try:
        set_up(given.venv.absolute(), dev=given.dev)
    except SetupError as error:
        print(f"error setup_failed: {error}", file=sys.stderr)
        return 2
    return 0


def set_up(home: Path, *, dev: bool) -> None:
    """Bring the environment in `home` up to date; safe beside another run of itself."""
    if sys.version_info[:2] < OLDEST:
        raise SetupError(
            f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; try make PYTHON=/path/to/python3.11"
        )
    lock = os.open(ROOT, os.O_RDONLY)  # locking the directory leaves no file behind
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not works(home):
            create(home)
        install(home, dev=dev)
        link(home)
        compile_modules(home)
        compile_translations(home)
    finally:
        os.close(lock)


def works(home: Path) -> bool:
    """True when the environment's Python starts and is ours, not that of a copied or moved checkout."""
    python = home / "bin" / "python"
    if not python.exists() or not (home / "bin" / "pip").exists():
        return False
    probe = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=False)
    # pip's script names its interpreter in the first line, or in the second when the path is long
    named = "\n".join((home / "bin" / "pip").read_text().splitlines()[:2])
    return probe.stdout.strip() == str(home) and str(home) in named


def create(home: Path) -> None:
    """A new environment. One that does not start (moved, half made) is replaced."""
    print(f"making {home.name}", file=sys.stderr)
    shutil.rmtree(home, ignore_errors=True)
    try:
        venv.create(home, with_pip=True, symlinks=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(
            f"python -m venv failed ({error}); on Debian and Ubuntu: apt-get install python3-venv"
        ) from error


def install(home: Path, *, dev: bool) -> None:
    """The locked packages, by hash, wheels only. The development lock holds the run lock as well."""
    wanted = {flag: digest(lock) for flag, lock in LOCKS.items()}
    stamp = home / "prewatt-lock"
    have = stamp.read_text().split() if stamp.exists() else []
    if wanted[True] in have or (not dev and wanted[False] in have):
        return
    print(f"installing {LOCKS[dev].name}", file=sys.stderr)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run(
        [*pip, "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", LOCKS[dev]],
        cwd=ROOT,
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode:
        raise SetupError(f"pip could not install {LOCKS[dev].name}; is the network reachable? Run the command again.")
    keep = [wanted[False], wanted[True]] if dev else [wanted[False]]
    replace(stamp, "\n".join(keep) + "\n")


def digest(lock: Path) -> str:
    """The lock and the Python it was installed for."""
    version = "{}.{}.{}".format(*sys.version_info[:3]).encode()
    return hashlib.sha256(version + lock.read_bytes()).hexdigest()


def link(home: Path) -> None:
    """Make `import prewatt` and `.venv/bin/prewatt` work from everywhere."""
    major, minor = sys.version_info[:2]
    replace(home / "lib" / f"python{major}.{minor}" / "site-packages" / "prewatt-checkout.pth", f"{ROOT}\n")
    script = home / "bin" / "prewatt"
    replace(script, ENTRY.format(python=home / "bin" / "python"))
    script.chmod(0o755)


def replace(path: Path, text: str) -> None:
    """Write a file at once or not at all; leave it alone when nothing changes."""
    if path.exists() and path.read_text() == text:
        return
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    os.replace(fresh, path)


def compile_modules(home: Path) -> None:
    """Python's bytecode, of the packages once for each lock and of the project where a source is newer.

    Each of our processes imports some thousand modules. Where PYTHONDONTWRITEBYTECODE is set (many container images do
    so) pip and Python leave all of them uncompiled, and each process would compile them anew: 2 s of processor time
    instead of 0.5, at every start of each of the five. `compileall` writes also then.
    """
    stamp, locked = home / "prewatt-compiled", (home / "prewatt-lock").read_text()
    if not stamp.exists() or stamp.read_text() != locked:
        run_compiler(home, "lib", "-x", SELDOM_IMPORTED, where=home)
        replace(stamp, locked)
    sources = (ROOT / "prewatt").rglob("*.py")
    if any(is_stale(source) for source in sources):
        run_compiler(home, "prewatt", where=ROOT)


def is_stale(source: Path) -> bool:
    """True when a module was never compiled, or before its last change."""
    try:
        return Path(importlib.util.cache_from_source(str(source))).stat().st_mtime < source.stat().st_mtime
    except FileNotFoundError:
        return True


def run_compiler(home: Path, *words: str, where: Path) -> None:
    """What cannot be compiled or written is no fault here: Python says so when it is imported, or does without."""
    subprocess.run([home / "bin" / "python", "-m", "compileall", "-qq", "-j", "0", *words], cwd=where, check=False)


def compile_translations(home: Path) -> None:
    """`.po` to `.mo` where the `.po` is newer: by polib, because a user's machine has no msgfmt."""
    stale = [
        po
        for po in sorted((ROOT / "prewatt").rglob("locale/*/LC_MESSAGES/*.po"))
        if not po.with_suffix(".mo").exists() or po.with_suffix(".mo").stat().st_mtime < po.stat().st_mtime
    ]
    if not stale:
        return
    code = "import sys, polib\nfor p in sys.argv[1:]: polib.pofile(p).save_as_mofile(p[:-3] + '.mo')"
    done = subprocess.run([home / "bin" / "python", "-c", code, *map(str, stale)], check=False)
    if done.returncode:
        raise SetupError("a translation could not be compiled; see the message above")


if __name__ == "__main__":
    sys.exit(main())
