"""Plain SQL that migrations run: tables the ORM must not own, functions, triggers."""

from pathlib import Path

from django.db.migrations.operations import RunSQL


def sql_file(app: str, name: str) -> RunSQL:
    """The file `prewatt/office/<app>/sql/<name>.sql` as a migration step. Never edited once released."""
    text = (Path(__file__).parent / app / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return RunSQL(text, RunSQL.noop)
