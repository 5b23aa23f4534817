"""Django system checks with stable ids: prewatt.E001 and on stop a start, prewatt.W001 and on warn.

Registered by `prewatt.wiring.settings` through `register`; run by `prewatt doctor`, `migrate` and the tests.
"""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from prewatt.core.meters import catalogue
from prewatt.core.refusals import Refused

# What a development machine may have and a server must not.
_KNOWN_SECRET = "insecure-only-for-checks-and-tests"
_SHORTEST_SECRET = 32
_FLOORS = {
    "ledger": 1,
    "payments": 1,
    "staff": 1,
    "estate": 2,
    "metering": 3,
    "tokens": 3,
    "vending": 4,
    "billing": 4,
    "alarms": 5,
    "changes": 5,
    "sheets": 5,
    "reports": 6,
}


def check_secret(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """prewatt.W001: sessions are signed with a key that everybody can read in the source."""
    key = str(settings.SECRET_KEY)
    if key == _KNOWN_SECRET or len(key) < _SHORTEST_SECRET:
        return [
            Warning(
                "the secret key is the one of the source code or too short",
                hint="start with prewatt, which makes one per home, or set PREWATT_SECRET_KEY to 32 characters or more",
                id="prewatt.W001",
            )
        ]
    return []


def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """prewatt.E001: the books need PostgreSQL; prewatt.E002: a lost server must be noticed soon."""
    entry = settings.DATABASES["default"]
    found: list[CheckMessage] = []
    if entry["ENGINE"] != "django.db.backends.postgresql":
        found.append(
            Error(f"the database engine is {entry['ENGINE']}", hint="only PostgreSQL is supported", id="prewatt.E001")
        )
    options = entry.get("OPTIONS")
    if not isinstance(options, dict) or "connect_timeout" not in options:
        found.append(
            Error(
                "connections to the database have no time limit",
                hint="add connect_timeout to PREWATT_DATABASE_URL",
                id="prewatt.E002",
            )
        )
    return found


def check_profiles(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """prewatt.E003: a meter profile cannot be read, so its meters would be silent."""
    try:
        profiles = catalogue()
    except Refused as refused:
        hint = "mend the file in prewatt/core/meters/profiles"
        return [Error(f"a meter profile is refused: {refused}", hint=hint, id="prewatt.E003")]
    if not profiles:
        return [Error("there is no meter profile", hint="reinstall with make setup", id="prewatt.E003")]
    return []


def check_floors(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """prewatt.E004: an office app without a floor, so nobody can say what it may import."""
    apps = [str(name) for name in settings.INSTALLED_APPS if str(name).startswith("prewatt.office.")]
    strange = [name for name in apps if name.rpartition(".")[2] not in _FLOORS]
    return [
        Error(f"{name} has no floor", hint="docs/ARCHITECTURE.md, section 2: give it one", id="prewatt.E004")
        for name in strange
    ]


def check_time(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """prewatt.E005: times are stored in UTC; local time is a matter of the site that is shown."""
    if settings.USE_TZ and settings.TIME_ZONE == "UTC":
        return []
    return [Error("USE_TZ and TIME_ZONE=UTC are needed", hint="restore both in the settings", id="prewatt.E005")]


ALL = (check_secret, check_database, check_profiles, check_floors, check_time)
