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


def run(config: Config, login: str, *, out: TextIO) -> int:
    """Set it, end his sessions, and say it once; he must change it. His second factor stays.

    Raises StartRefused `login_unknown`, `database_not_migrated`, and those of the database.
    """
    with some_database(config) as dsn:
        database.check(dsn)
        with database.connect(dsn) as connection:
            if migrations.missing(connection):
                raise StartRefused("database_not_migrated")
        set_up_django(config, dsn)
        from prewatt.office.staff import operators
        from prewatt.office.staff.models import Operator

        operator = Operator.objects.filter(username=login, is_active=True).first()
        if operator is None:
            raise StartRefused("login_unknown", login=login)
        password = made_password()
        operators.set_password(operator, password, actor=None, at=datetime.now(UTC), must_change=True)
    out.write(f"PREWATT-PASSWORD {json.dumps({'login': login, 'password': password}, ensure_ascii=False)}\n")
    out.flush()
    return 0
