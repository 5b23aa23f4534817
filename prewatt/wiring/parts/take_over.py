"""`prewatt import`: a spreadsheet of the estate into the site, with the site running or stopped."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from prewatt.core.refusals import Refused
from prewatt.wiring import database, migrations
from prewatt.wiring.config import Config
from prewatt.wiring.diagnosis import data_directory
from prewatt.wiring.parts.ground import set_up_django, some_database
from prewatt.wiring.refusals import Exit, StartRefused, language

if TYPE_CHECKING:
    from prewatt.office.estate.models import Site
    from prewatt.office.sheets.shape import RowRefusal

ACTOR: Final = "system:import"


def run(config: Config, path: Path, *, site: str, dry_run: bool, out: TextIO) -> int:
    """JSON lines: each refusal, and last of all the counts, whatever happened. 0, or 2 where a row was refused.

    Raises StartRefused `no_company`, `site_needed`, `database_not_migrated`, and those of the database.
    """
    counts: dict[str, Mapping[str, int]] = {"created": {}, "unchanged": {}}
    refused = True
    try:
        if not config.database_url and not (data_directory(config) / "PG_VERSION").is_file():
            raise StartRefused("no_company")  # and no empty database is made to find that out
        with some_database(config) as dsn:
            _check_ready(dsn)
            set_up_django(config, dsn)
            from prewatt.office.sheets import reading, taking_over

            at = datetime.now(UTC)
            try:
                content = reading.read_path(path)
                chosen = _site(site)
                if dry_run:
                    result = taking_over.check(content, site=chosen, at=at)
                else:
                    result = taking_over.run(content, site=chosen, actor=ACTOR, at=at)
            except Refused as whole:  # of the file as a whole
                if isinstance(whole, StartRefused):
                    raise
                line = {"sheet": "", "row": 0, "code": whole.code, "message": whole.message(language())}
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
            else:
                counts = {"created": result.created, "unchanged": result.unchanged}
                refused = result.refused
                _tell(result.refusals, out)
    finally:
        out.write(json.dumps(counts, ensure_ascii=False) + "\n")
        out.flush()
    return Exit.USAGE if refused else Exit.OK


def template(path: Path) -> int:
    """Write the empty workbook with examples. Raises `template_exists` where something stands."""
    from prewatt.office.sheets.template import template_xlsx

    try:
        with path.open("xb") as stream:
            stream.write(template_xlsx(language()))
    except OSError as error:
        raise StartRefused("template_not_written", path=path, detail=error.strerror or type(error).__name__) from None
    return Exit.OK


def _tell(refusals: "Iterable[RowRefusal]", out: TextIO) -> None:
    for each in refusals:
        line = {"sheet": each.sheet, "row": each.row, "code": each.code, "message": each.message(language())}
        out.write(json.dumps(line, ensure_ascii=False) + "\n")


def _check_ready(dsn: str) -> None:
    database.check(dsn)
    with database.connect(dsn) as connection:
        table = connection.execute("SELECT to_regclass('estate_company')").fetchone()
        if table is None or table[0] is None:
            raise StartRefused("no_company")
        if migrations.missing(connection):
            raise StartRefused("database_not_migrated")


def _site(code: str) -> "Site":
    from prewatt.office.estate.models import Site

    sites = list(Site.objects.select_related("company").order_by("company_id", "code"))
    if not sites:
        raise StartRefused("no_company")
    chosen = [each for each in sites if each.code == code] if code else sites
    if len(chosen) != 1:
        raise StartRefused("site_needed", sites=", ".join(each.code for each in sites))
    return chosen[0]
