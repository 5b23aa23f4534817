"""What a real site must not have: the demo's keys and logins, a default secret, sessions sent in the clear.

Asked without Django, before anything serves. A demo is exempt: it is reached from this machine and holds no money.
"""

import ipaddress
import os
from collections.abc import Mapping
from typing import Final

from prewatt.wiring import database
from prewatt.wiring.config import Config
from prewatt.wiring.diagnosis import data_directory
from prewatt.wiring.home import SITE_NAME
from prewatt.wiring.refusals import StartRefused

SHORTEST_SECRET: Final = 32
SOURCE_SECRET: Final = "insecure-only-for-checks-and-tests"
# as `wiring.demo.trade` makes them, which needs Django; a test holds the two together
DEMO_KEY, DEMO_PASSWORD = "demo", "prewatt-demo"
DEMO_LOGINS: Final = ("cashier", "dormdesk", "manager", "finance", "electrician", "admin")
VAULTS: Final = ("PREWATT_VAULT_KEY_FILE", "PREWATT_VAULT_PASSPHRASE_FILE")
ON: Final = ("1", "true", "yes", "on")
_HASH_FAMILY: Final = "argon2"  # how Django begins what argon2 itself says


def check_settings(config: Config, environ: Mapping[str, str] | None = None) -> None:
    """Raises `secret_insecure`, `vault_not_allowed`, `cookies_insecure`; nothing for a demo."""
    env = os.environ if environ is None else environ
    if config.demo:
        return
    secret = env.get("PREWATT_SECRET_KEY", "")
    if secret and (secret == SOURCE_SECRET or len(secret) < SHORTEST_SECRET):
        raise StartRefused("secret_insecure", least=SHORTEST_SECRET)
    if (env.get(VAULTS[0]) or env.get(VAULTS[1])) and env.get("PREWATT_VAULT_SOFTWARE", "").lower() not in ON:
        raise StartRefused("vault_not_allowed")
    if config.public_url.startswith("https://") or config.plain_http:
        return
    if config.public_url or not _is_loopback(config.bind):
        raise StartRefused("cookies_insecure", bind=config.public_url or config.bind)


def _is_loopback(bind: str) -> bool:
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"


def check_home(config: Config) -> None:
    """That there is anything to serve, before an empty cluster is made for nothing. Raises `no_company`."""
    if not config.demo and not config.database_url and not (data_directory(config) / "PG_VERSION").is_file():
        raise StartRefused("no_company")


def check_company(config: Config, dsn: str) -> None:
    """That the database is of the kind that PREWATT_DEMO says. Raises `no_company`, `not_a_demo`."""
    with database.connect(dsn) as connection:
        table = connection.execute("SELECT to_regclass('estate_company'), to_regclass('staff_apikey')").fetchone()
        if table is None or None in table:
            founded = demo = False
        else:
            row = connection.execute(
                "SELECT EXISTS (SELECT FROM estate_company), EXISTS (SELECT FROM staff_apikey WHERE name = %s)",
                [DEMO_KEY],
            ).fetchone()
            assert row is not None
            founded, demo = bool(row[0]), bool(row[1])
    if not config.demo and not founded:
        raise StartRefused("no_company")
    if config.demo and founded and not demo and not (config.home / SITE_NAME).exists():
        raise StartRefused("not_a_demo", path=config.home)


def check_demo_gone(config: Config, dsn: str) -> None:
    """That no key and no login of the demo opens a real site. Raises `demo_in_production`."""
    if config.demo:
        return
    with database.connect(dsn) as connection:
        key = connection.execute(
            "SELECT 1 FROM staff_apikey WHERE name = %s AND (ended_at IS NULL OR ended_at > now())", [DEMO_KEY]
        ).fetchone()
        found = connection.execute(
            "SELECT username, password FROM staff_operator WHERE is_active AND username = ANY(%s)", [list(DEMO_LOGINS)]
        ).fetchall()
    open_ones = [str(username) for username, encoded in found if _opens(str(encoded))]
    if key is not None or open_ones:
        detail = ", ".join([*(["API key demo"] if key is not None else []), *open_ones])
        raise StartRefused("demo_in_production", detail=detail)


def _opens(encoded: str) -> bool:
    """Whether the demo's password fits a stored hash."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    family, _, rest = encoded.partition("$")
    try:
        return family == _HASH_FAMILY and PasswordHasher().verify(f"${rest}", DEMO_PASSWORD)
    except (VerificationError, InvalidHashError):
        return False
