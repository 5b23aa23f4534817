"""Plain SQL that migrations run: tables the ORM must not own, functions, triggers."""

import re
from pathlib import Path
from typing import Any, Final

from django.db.migrations.operations import RunPython, RunSQL

# from its first word to the end of its body; `$$` is the only quote our functions use
_FUNCTION: Final = re.compile(
    r"^CREATE (?:OR REPLACE )?FUNCTION (\w+)\s*\(.*?\$\$.*?\$\$\s*;", re.MULTILINE | re.DOTALL
)
_SETTING: Final = re.compile(r"^ALTER FUNCTION [^;]*;", re.MULTILINE)
_DROP: Final = """
DO $do$ DECLARE v regprocedure; BEGIN
    FOR v IN SELECT oid FROM pg_proc WHERE proname = '{name}' AND pronamespace = current_schema()::regnamespace LOOP
        EXECUTE format('DROP FUNCTION %s', v);
    END LOOP;
END $do$;
"""


def sql_file(app: str, name: str) -> RunSQL:
    """The file `prewatt/office/<app>/sql/<name>.sql` as a migration step. Its tables are never edited once
    released; its functions may be, with `functions_again` in a new migration."""
    return RunSQL(_text(app, name), RunSQL.noop)


def functions_again(app: str, *names: str) -> RunPython:
    """The functions of these files as they stand now, the last definition of each name: for a database whose
    migrations ran when the files said something else. Triggers keep their functions, which are replaced in place."""
    last: dict[str, str] = {}
    for name in names:
        for found in _FUNCTION.finditer(_text(app, name)):
            last[found[1]] = found[0]
    steps = []
    for name, text in last.items():
        replaced = re.sub(r"^CREATE (?:OR REPLACE )?", "CREATE OR REPLACE ", text)
        steps.append(replaced if "RETURNS trigger" in text else _DROP.format(name=name) + replaced)
    for name in names:  # how they are planned went with the functions
        steps += _SETTING.findall(_text(app, name))

    def again(apps: Any, editor: Any) -> None:
        with editor.connection.cursor() as cursor:
            for step in steps:
                cursor.execute(step)

    return RunPython(again, RunPython.noop)


def _text(app: str, name: str) -> str:
    return (Path(__file__).parent / app / "sql" / f"{name}.sql").read_text(encoding="utf-8")
