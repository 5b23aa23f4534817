"""`prewatt init`: the company, its first site, its first administrator, and a key for programs. Once per database."""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TextIO

from prewatt.core.refusals import CHINESE
from prewatt.core.refusals import Refused as CoreRefused
from prewatt.core.units import currency as known_currency
from prewatt.wiring import database
from prewatt.wiring.config import Config
from prewatt.wiring.embedded.place import make_home
from prewatt.wiring.parts.ground import some_database
from prewatt.wiring.parts.migrate import bring_up_to_date
from prewatt.wiring.refusals import StartRefused, language

SITE_CODE: Final = "S1"
KEY_NAME: Final = "init"
KEY_OPERATOR: Final = "api"  # whom the key acts as; nobody knows his password
TILL_OF_KEY, WINDOW = "K1", "W1"
LONGEST_NAME: Final = 120  # of a company or a site
_PASSWORD_LETTERS: Final = "abcdefghijkmnpqrstuvwxyzACDEFGHJKLMNPQRTUVWXY34679"  # none that look like another
_PASSWORD_LENGTH: Final = 14  # 78 random bits, typed once
_LOCK_KEY: Final = 0x696E_6974  # advisory lock: two of these at once would make two companies


@dataclass(frozen=True, kw_only=True)
class Founding:
    """What the command was told."""

    company: str
    currency: str
    timezone: str
    site: str
    admin: str


def run(config: Config, founding: Founding, *, out: TextIO, err: TextIO) -> int:
    """Found the site and say its first password and key, once, on one line.

    Raises StartRefused `company_exists`, `founding_invalid`, and those of the database. Everything that can be known
    beforehand is asked before anything is made.
    """
    _check(founding)
    make_home(config.home)
    with some_database(config) as dsn:
        database.check(dsn)
        _refuse_second(dsn)
        bring_up_to_date(config, dsn, out=err)
        told = _found(founding, at=datetime.now(UTC))
    out.write(f"PREWATT-INIT {json.dumps(told, ensure_ascii=False)}\n")
    out.flush()
    return 0


def made_password() -> str:
    """One that is typed once, and changed then."""
    return "".join(secrets.choice(_PASSWORD_LETTERS) for _ in range(_PASSWORD_LENGTH))


def _check(founding: Founding) -> None:
    """The words that were given, before a database is touched."""
    for name, value in (("--company", founding.company), ("--site", founding.site)):
        if not 1 <= len(value.strip()) <= LONGEST_NAME or not value.isprintable():
            raise StartRefused("founding_invalid", name=name, detail=f"1..{LONGEST_NAME}")
    try:
        known_currency(founding.currency)
    except CoreRefused as refused:
        raise StartRefused("founding_invalid", name="--currency", detail=refused.message(language())) from None
    import zoneinfo

    if founding.timezone not in zoneinfo.available_timezones():
        raise StartRefused("founding_invalid", name="--timezone", detail=repr(founding.timezone))


def _refuse_second(dsn: str) -> None:
    with database.connect(dsn) as connection:
        table = connection.execute("SELECT to_regclass('estate_company')").fetchone()
        if table is None or table[0] is None:
            return
        row = connection.execute("SELECT name FROM estate_company ORDER BY id LIMIT 1").fetchone()
        if row is not None:
            raise StartRefused("company_exists", company=row[0])


def _found(founding: Founding, *, at: datetime) -> dict[str, str]:
    """All rows in one transaction; what the line says."""
    from django.db import connection, transaction

    from prewatt.office.estate import places
    from prewatt.office.estate.models import Company
    from prewatt.office.staff import keys, operators
    from prewatt.office.staff.models import Role
    from prewatt.office.vending import shifts

    zh = language() == CHINESE
    password = made_password()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK_KEY])
        standing = Company.objects.order_by("pk").first()
        if standing is not None:
            raise StartRefused("company_exists", company=standing.name)
        try:
            company = places.add_company(name=founding.company, currency=founding.currency, actor="system", at=at)
            site = places.add_site(
                company, code=SITE_CODE, name=founding.site, timezone=founding.timezone, actor="system", at=at
            )
            admin = operators.add(
                username=founding.admin, name=founding.admin, role=Role.ADMINISTRATOR, password=password, actor=None,
                at=at, language="zh-hans" if zh else "en", must_change=True,
            )  # fmt: skip
            # an administrator keeps the house and does not sell: the key acts as somebody who may
            seller = operators.add(
                username=KEY_OPERATOR if founding.admin != KEY_OPERATOR else f"{KEY_OPERATOR}-1",
                name="接口" if zh else "API", role=Role.MANAGER, password=secrets.token_urlsafe(), actor=None, at=at,
                must_change=True,
            )  # fmt: skip
            for operator in (admin, seller):
                operators.give_scope(operator, company_id=company.pk, actor=None, at=at)
            own = shifts.add_till(
                site_id=site.pk, code=TILL_OF_KEY, name="接口" if zh else "API", actor=None, at=at, needs_shift=False
            )
            shifts.add_till(site_id=site.pk, code=WINDOW, name="1 号窗口" if zh else "Window 1", actor=None, at=at)
            key = keys.make(name=KEY_NAME, operator=seller, till_id=own.pk, actor=None, at=at)
        except CoreRefused as refused:
            raise StartRefused("founding_invalid", name="--admin", detail=refused.message(language())) from None
    return {"admin": admin.username, "password": password, "api_key": key.secret}
