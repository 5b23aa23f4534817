"""`prewatt password LOGIN`: a new password for who has lost his own, by whoever may read the home of the site.

The last administrator cannot ask another one; and the line of `prewatt init` is shown once.
"""

import json
from datetime import UTC, datetime
from typing import TextIO

from prewatt.wiring import database, migrations
from prewatt.wiring.config import Config
from prewatt.wiring.parts.ground import set_up_django, some_database
from prewatt.wiring.parts.init import made_password
from prewatt.wiring.refusals import StartRefused


def run(config: Config, login: str, *, no_second_factor: bool = False, out: TextIO) -> int:
    """Set it, end his sessions, and say it once; he must change it. His second factor stays unless it is to go:
    the last administrator who lost his telephone and his recovery codes has nobody else to ask.

    Raises StartRefused `login_unknown`, `database_not_migrated`, and those of the database.
    """
    with some_database(config) as dsn:
        database.check(dsn)
        with database.connect(dsn) as connection:
            if migrations.missing(connection):
                raise StartRefused("database_not_migrated")
        set_up_django(config, dsn)
        from prewatt.office.staff import guard, operators, second_factor
        from prewatt.office.staff.models import Operator

        operator = Operator.objects.filter(username=login, is_active=True).first()
        if operator is None:
            raise StartRefused("login_unknown", login=login)
        password, at = made_password(), datetime.now(UTC)
        operators.set_password(operator, password, actor=None, at=at, must_change=True)
        guard.forgive(login, actor=None, at=at)
        if no_second_factor and second_factor.is_on(operator):
            second_factor.take_off(operator, actor=None, at=at)
    out.write(f"PREWATT-PASSWORD {json.dumps({'login': login, 'password': password}, ensure_ascii=False)}\n")
    out.flush()
    return 0
