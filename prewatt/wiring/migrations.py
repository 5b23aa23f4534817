"""Whether the database has all migrations, found without loading Django: a warm start must not pay for it.

The names on disk are compared with the rows Django keeps. A test holds this list against Django's own loader.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import psycopg

_OFFICE = Path(__file__).resolve().parent.parent / "office"
# Applications outside the office that bring tables: label -> package directory of their migrations
_OTHERS = {
    "contenttypes": "django/contrib/contenttypes/migrations",
    "auth": "django/contrib/auth/migrations",
    "sessions": "django/contrib/sessions/migrations",
    "procrastinate": "procrastinate/contrib/django/migrations",
}
LOCK_KEY = 0x50_72_65_77  # advisory lock: one migration at a time, also from several hosts


def _directory(relative: str) -> Path:
    package, _, rest = relative.partition("/")
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None, package
    return Path(spec.origin).parent / rest


def on_disk() -> set[tuple[str, str]]:
    """(label, name) of every migration this installation brings."""

    def found() -> Iterator[tuple[str, str]]:
        sources = {path.parent.name: path for path in _OFFICE.glob("*/migrations")}
        sources |= {label: _directory(relative) for label, relative in _OTHERS.items()}
        for label, directory in sources.items():
            for file in directory.glob("[0-9]*.py"):
                yield label, file.stem

    return set(found())


def missing(connection: "psycopg.Connection[tuple[object, ...]]") -> set[tuple[str, str]]:
    """(label, name) of what was not applied yet; everything for an empty database."""
    table = connection.execute("SELECT to_regclass('django_migrations')").fetchone()
    if table is None or table[0] is None:
        return on_disk()
    rows = connection.execute("SELECT app, name FROM django_migrations").fetchall()
    return on_disk() - {(str(app), str(name)) for app, name in rows}
