"""Compile requirements*.in into hash-pinned locks without any address in them. Needs uv.

Other lock formats record the registry on each line; these carry name, version and hashes only, so
any mirror serves them and none is named.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = "--python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --no-annotate"


def main() -> int:
    """Write the locks; existing pins are kept unless --upgrade is given."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".venv" / "bin"))
    if uv is None:
        print("error uv_missing: install uv to compile the locks", file=sys.stderr)
        return 2
    for extra in ("", "-pkcs11", "-mqtt", "-compiled", "-dev"):
        name = f"requirements{extra}"
        command = [uv, "pip", "compile", *OPTIONS.split(), "--only-binary", ":all:", "--quiet", *sys.argv[1:]]
        subprocess.run([*command, f"{name}.in", "-o", f"{name}.lock"], cwd=ROOT, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
