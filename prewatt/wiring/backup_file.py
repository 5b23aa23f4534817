"""What a sealed backup holds: a manifest, the small files it names, and the dump to the end of the stream."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prewatt import __version__
from prewatt.wiring import migrations
from prewatt.wiring.backup_books import Books
from prewatt.wiring.backup_home import FILE_LIMIT, known
from prewatt.wiring.backup_seal import Header, Opener
from prewatt.wiring.backup_tools import Tools, running
from prewatt.wiring.refusals import StartRefused

MANIFEST_LIMIT: Final = 1024 * 1024  # migrations and figures; ours takes some 10 KiB
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What was backed up: `server` and `tools` are major versions of PostgreSQL, `files` names with their sizes."""

    made_at: str
    server: int
    tools: int
    migrations: Sequence[tuple[str, str]]
    books: Books
    files: Sequence[tuple[str, int]]

    def packed(self) -> bytes:
        """Length and JSON."""
        text = json.dumps(
            {
                "made_at": self.made_at, "prewatt": __version__, "server": self.server, "tools": self.tools,
                "migrations": list(self.migrations), "books": self.books, "files": list(self.files),
            }
        ).encode()  # fmt: skip
        assert len(text) <= MANIFEST_LIMIT, len(text)
        return len(text).to_bytes(_LENGTH_BYTES, "big") + text


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The front of a backup that is being read; `stream.rest()` is the dump."""

    header: Header
    manifest: Manifest
    files: Mapping[str, bytes]
    stream: Opener


def read_front(source: Any, *, passphrase: str, path: Path) -> Opened:
    """Open a backup. Raises `backup_not_ours`, `backup_other_version`, `backup_wrong_key`, `backup_damaged`."""
    opener = Opener(source, passphrase=passphrase, path=path)
    length = int.from_bytes(opener.read(_LENGTH_BYTES), "big")
    if length > MANIFEST_LIMIT:
        raise StartRefused("backup_damaged", path=path, detail="manifest")
    try:
        said = json.loads(opener.read(length))
        manifest = Manifest(
            made_at=str(said["made_at"]), server=int(said["server"]), tools=int(said["tools"]),
            migrations=[(str(app), str(name)) for app, name in said["migrations"]],
            books={str(name): int(value) for name, value in said["books"].items()},
            files=[(str(name), int(size)) for name, size in said["files"]],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StartRefused("backup_damaged", path=path, detail="manifest") from None
    if any(not known(name) or not 0 <= size <= FILE_LIMIT for name, size in manifest.files):
        raise StartRefused("backup_other_version", path=path)
    files = {name: opener.read(size) for name, size in manifest.files}
    return Opened(header=opener.header, manifest=manifest, files=files, stream=opener)


def refuse_newer(manifest: Manifest, *, path: Path) -> None:
    """A backup with steps this installation does not know. Raises `backup_other_version`."""
    if set(manifest.migrations) - migrations.on_disk():
        raise StartRefused("backup_other_version", path=path)


def verify(path: Path, *, passphrase: str, tools: Tools) -> Manifest:
    """Read a backup to its end and let pg_restore list its dump. Raises as `read_front`, and `backup_damaged`."""
    with open(path, "rb") as source:
        opened = read_front(source, passphrase=passphrase, path=path)
        with running([tools.restore, "--list"], environment={"LC_ALL": "C.UTF-8"}, reads=True) as program:
            listening = True
            with closing(opened.stream.rest()) as rest:  # type: ignore[type-var]
                for piece in rest:
                    if listening:
                        try:
                            program.pipe.write(piece)
                        except BrokenPipeError:  # it has seen the list; the seals are still to be checked
                            listening = False
            try:
                fault = program.fault()
            except BrokenPipeError:
                fault = "" if program.process.wait() == 0 else "list"
        if fault:
            raise StartRefused("backup_damaged", path=path, detail=fault)
        return opened.manifest
