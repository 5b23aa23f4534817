"""One SQL call per business act, and what the database refuses as a `Refused`."""

import json
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from django.db import DatabaseError, connection

from prewatt.core.refusals import Refused, Text, register

REFUSED_STATE: Final = "PW001"  # raised by our functions: message is the code, detail its parameters
# classes 53 (disk full, out of memory, too many connections) and 58 (system error): nothing was kept
STORAGE_STATES: Final = ("53", "58")
_NEVER_BY_ITSELF: Final = 2**31  # executions before a statement is prepared that did not ask for it

register(
    {
        "storage_full": Text(
            en="The database cannot keep this now (disk full or out of resources). Nothing was done. Call the operator "
            "of the server, then try again.",
            zh="数据库暂时无法保存（磁盘已满或资源不足）。什么都没有改。请联系服务器管理员，然后重试。",
        )
    }
)


def call(sql: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
    """Run one statement that gives at most one row; its row. jsonb comes as text.

    Bound and prepared by the server: Django's own cursor pastes the values into the text, which the server
    then parses anew each time. Raises Refused with the code of the function that refused, and
    `storage_full`; other errors of the database pass unchanged.
    """
    try:
        connection.ensure_connection()
        # Django switches preparing off altogether; what does not ask for it stays unprepared
        connection.connection.prepare_threshold = _NEVER_BY_ITSELF
        with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
            return cursor.execute(sql, parameters, prepare=True).fetchone()
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
