"""One SQL call per business act, and what the database refuses as a `Refused`."""

import json
from collections.abc import Sequence
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

import psycopg
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from prewatt.core.refusals import Refused, Text, register

REFUSED_STATE: Final = "PW001"  # raised by our functions: message is the code, detail its parameters
# classes 53 (disk full, out of memory, too many connections) and 58 (system error): nothing was kept
STORAGE_STATES: Final = ("53", "58")

register(
    {
        "storage_full": Text(
            en="The database cannot keep this now (disk full or out of resources). Nothing was done. Call the operator "
            "of the server, then try again.",
            zh="数据库暂时无法保存（磁盘已满或资源不足）。什么都没有改。请联系服务器管理员，然后重试。",
        )
    }
)


class _Session:
    """The statements that one connection has prepared, and what turns values into text and back.

    The server names the parameters' types from the functions they go to, so there is one statement per text,
    whatever the size of a number. (A cursor of psycopg does the same and more, for three times the processor time.)
    """

    def __init__(self, raw: "psycopg.Connection[Any]") -> None:
        self._pgconn = raw.pgconn
        self._values = Transformer(raw)
        self._names: dict[str, bytes] = {}

    def run(self, sql: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
        name = self._names.get(sql) or self._prepare(sql)
        # NULL is None, which libpq takes and the stubs of psycopg forget
        texts = cast("list[bytes]", self._values.dump_sequence(parameters, [PyFormat.TEXT] * len(parameters)))
        result = self._pgconn.exec_prepared(name, texts)  # waits in libpq, other threads run
        if result.status != ExecStatus.TUPLES_OK:
            raise _error(result)
        if result.ntuples == 0:
            return None
        self._values.set_pgresult(result)
        return self._values.load_row(0, tuple)

    def _prepare(self, sql: str) -> bytes:
        first, *rest = sql.split("%s")
        numbered = first + "".join(f"${n}{part}" for n, part in enumerate(rest, 1))
        name = b"prewatt_%d" % len(self._names)
        result = self._pgconn.prepare(name, numbered.encode())
        if result.status != ExecStatus.COMMAND_OK:
            raise _error(result)
        self._names[sql] = name
        return name


_sessions: WeakKeyDictionary["psycopg.Connection[Any]", _Session] = WeakKeyDictionary()


def _error(result: PGresult) -> psycopg.Error:
    if result.error_field(DiagnosticField.SQLSTATE) is None:  # libpq's own: the server is gone
        return psycopg.OperationalError(result.get_error_message())
    return psycopg.errors.error_from_result(result)


def call(sql: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
    """Run one statement that gives at most one row; its row. jsonb comes as text.

    `sql` is a constant of the caller: it is prepared once in each session and kept. Its only percent signs are the
    `%s` of the parameters. Raises Refused with the code of the function that refused, and `storage_full`; other
    errors of the database pass unchanged.
    """
    try:
        connection = connections[DEFAULT_DB_ALIAS]  # not the proxy, which looks it up for each attribute
        connection.ensure_connection()
        raw: psycopg.Connection[Any] = connection.connection
        with connection.wrap_database_errors:
            if not raw.autocommit and raw.pgconn.transaction_status == TransactionStatus.IDLE:
                raw.execute("SELECT")  # a transaction of Django's begins with the first statement of psycopg
            session = _sessions.get(raw)
            if session is None:
                session = _sessions[raw] = _Session(raw)
            return session.run(sql, parameters)
    except DatabaseError as error:
        refused = refused_by(error)
        if refused is None:
            raise
        raise refused from error


def refused_by(error: DatabaseError) -> Refused | None:
    """The refusal behind an error of the database, if it is one."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or ""
    if state == REFUSED_STATE:
        diagnostic = getattr(cause, "diag", None)
        params = json.loads(getattr(diagnostic, "message_detail", None) or "{}")
        return Refused(str(getattr(diagnostic, "message_primary", "refused")), **params)
    if state.startswith(STORAGE_STATES):
        return Refused("storage_full", retry=True)
    return None
