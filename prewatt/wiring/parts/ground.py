"""What every process needs before it starts: the database's address, the secret, Django."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from prewatt.wiring import database
from prewatt.wiring.config import Config
from prewatt.wiring.embedded.place import make_home
from prewatt.wiring.embedded.server import DSN_NAME, EmbeddedPostgres
from prewatt.wiring.home import secret_key
from prewatt.wiring.refusals import StartRefused


def running_database(config: Config) -> str:
    """The address of the database: the one given, else the embedded one that `prewatt up` runs in this home.
    Raises `database_not_running`."""
    if config.database_url:
        return config.database_url
    try:
        dsn = (config.home / DSN_NAME).read_text(encoding="utf-8").strip()
        database.connect(dsn, timeout_s=2).close()
    except (FileNotFoundError, StartRefused):
        raise StartRefused("database_not_running", path=config.home) from None
    return dsn


@contextmanager
def some_database(config: Config) -> Iterator[str]:
    """The running database, or the embedded one started for as long as the block lasts."""
    try:
        dsn = running_database(config)
    except StartRefused:
        with EmbeddedPostgres(config.home, movable=not config.home_named, pg_bin=config.pg_bin) as postgres:
            yield postgres.dsn
    else:
        yield dsn


def set_environment(config: Config, dsn: str, *, part: str = "") -> None:
    """What the settings read; children of this process inherit it. `part`: who asks; "" is everything."""
    if not os.environ.get("PREWATT_SECRET_KEY"):
        make_home(config.home)
        os.environ["PREWATT_SECRET_KEY"] = secret_key(config.home)
    os.environ["PREWATT_DATABASE_URL"] = dsn
    os.environ["PREWATT_HOME"] = str(config.home)
    os.environ["PREWATT_PART"] = part
    os.environ["DJANGO_SETTINGS_MODULE"] = "prewatt.wiring.settings"


def set_up_django(config: Config, dsn: str, *, part: str = "") -> None:
    """Django, ready to use, with what this part needs of it."""
    import django

    set_environment(config, dsn, part=part)
    django.setup(set_prefix=False)
