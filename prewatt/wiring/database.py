"""An outside look at the database before anything depends on it: reachable, new enough, in UTF-8."""

import psycopg

from prewatt.wiring.refusals import StartRefused

OLDEST_SERVER = 150000
_CONNECT_TIMEOUT_S = 5

Connection = psycopg.Connection[tuple[object, ...]]


def connect(dsn: str, *, timeout_s: int = _CONNECT_TIMEOUT_S) -> Connection:
    """A connection in autocommit. Raises `database_unreachable`; the text holds no password."""
    try:
        return psycopg.connect(dsn, autocommit=True, connect_timeout=timeout_s, application_name="prewatt-up")
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        raise StartRefused("database_unreachable", detail=_reason(error)) from None


def check(dsn: str) -> str:
    """The server's version, like "18.4". Raises `database_unreachable`, `database_too_old`, `database_encoding`."""
    with connect(dsn) as connection:
        version = connection.info.server_version
        shown = f"{version // 10000}.{version % 10000}"
        if version < OLDEST_SERVER:
            raise StartRefused("database_too_old", found=shown)
        row = connection.execute("SHOW server_encoding").fetchone()
        if row is None or row[0] != "UTF8":
            raise StartRefused("database_encoding", found=row[0] if row else "?")
    return shown


def _reason(error: psycopg.Error) -> str:
    """libpq's last line says what went wrong; it names host and user, never the password."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
