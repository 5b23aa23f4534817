"""Django settings. Everything that differs between machines comes from the environment."""

import os
from pathlib import Path
from urllib.parse import urlsplit

BASE = Path(__file__).resolve().parent.parent


# A process that falls asleep within a transaction must not keep a till or a circuit from everybody else for long
_ASLEEP_MS = 120_000
# A host that lost its cable hears nothing more: a database elsewhere is given up after seconds, not hours
_DEAD_PEER = {"tcp_user_timeout": 15_000, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


def _database(url: str) -> dict[str, object]:
    """A Django database entry from a libpq URL or key=value string; empty: the libpq environment."""
    from psycopg.conninfo import conninfo_to_dict

    if url and "://" in url and not urlsplit(url).scheme.startswith("postgres"):
        raise ValueError(f"PREWATT_DATABASE_URL: not a PostgreSQL address: {urlsplit(url).scheme}")
    parts = {k: str(v) for k, v in conninfo_to_dict(url).items() if v is not None}
    entry: dict[str, object] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "prewatt"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **_DEAD_PEER, **parts, "connect_timeout": int(parts.pop("connect_timeout", "3")),
            "options": f"-c idle_in_transaction_session_timeout={_ASLEEP_MS} {parts.pop('options', '')}".strip(),
        },
    }  # fmt: skip
    return entry


DATABASES = {"default": _database(os.environ.get("PREWATT_DATABASE_URL", ""))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = os.environ.get("PREWATT_SECRET_KEY", "insecure-only-for-checks-and-tests")
DEBUG = False
# Where browsers come through a proxy (`config.public_url`): with TLS in front no cookie may leave without it
_PUBLIC = urlsplit(os.environ.get("PREWATT_PUBLIC_URL", ""))
_OURS = [_PUBLIC.hostname, os.environ.get("PREWATT_BIND", ""), "localhost", "127.0.0.1", "[::1]"]
_HOSTS = ",".join(filter(None, _OURS)) if _PUBLIC.hostname else "*"
ALLOWED_HOSTS = os.environ.get("PREWATT_HOSTS", _HOSTS).split(",")
if _PUBLIC.scheme == "https":
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 30 * 24 * 3600
    CSRF_TRUSTED_ORIGINS = [f"https://{_PUBLIC.netloc}"]
# Processes that serve no API leave it out: with ninja goes pydantic, a third of what Django's set-up costs
_WITHOUT_API = os.environ.get("PREWATT_PART") in ("worker", "stream", "demo")
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    *([] if _WITHOUT_API else ["ninja"]),  # its documentation page is served from our own copy
    "procrastinate.contrib.django",
    "prewatt.office.staff",
    "prewatt.office.ledger",
    "prewatt.office.payments",
    "prewatt.office.estate",
    "prewatt.office.metering",
    "prewatt.office.tokens",
    "prewatt.office.vending",
    "prewatt.office.billing",
    "prewatt.office.changes",
    "prewatt.office.alarms",
    "prewatt.office.reports",
    "prewatt.web.ui",
    "prewatt.web.console",
    *([] if _WITHOUT_API else ["prewatt.web.api"]),
    "prewatt.wiring",
]
AUTH_USER_MODEL = "staff.Operator"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "prewatt.web.ui.language.LanguageMiddleware",
    "prewatt.web.api.errors.one_shape",
    "prewatt.web.ui.csp.ContentSecurityPolicyMiddleware",
    "prewatt.web.ui.browsers.too_old_is_told",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "prewatt.web.ui.errors.no_nul",
]
ROOT_URLCONF = "prewatt.wiring.urls"
WSGI_APPLICATION = "prewatt.wiring.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "中文"), ("en", "English")]
LOCALE_PATHS = [BASE / "web" / "ui" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
LOGIN_URL = "/console/login"
LOGIN_REDIRECT_URL = "/console/"
CSRF_FAILURE_VIEW = "prewatt.web.ui.errors.csrf_failed"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SILENCED_SYSTEM_CHECKS: list[str] = []
_DEMO = os.environ.get("PREWATT_DEMO", "").strip().lower() not in ("0", "false", "no", "off")
_HOME = os.environ.get("PREWATT_HOME", "")
# The key vault (office.tokens.opened). A demo makes itself a key file; a real site names its secret or has no vault
PREWATT_VAULT = {
    "key_file": os.environ.get("PREWATT_VAULT_KEY_FILE") or (f"{_HOME}/vault.key" if _DEMO and _HOME else ""),
    "demo_key_file": _DEMO and not os.environ.get("PREWATT_VAULT_KEY_FILE"),
    "passphrase_file": os.environ.get("PREWATT_VAULT_PASSPHRASE_FILE", ""),
    "production": not _DEMO,
    "software": os.environ.get("PREWATT_VAULT_SOFTWARE", "").strip().lower() in ("1", "true", "yes", "on"),
    "library": os.environ.get("PREWATT_PKCS11_LIBRARY", ""),
    "token": os.environ.get("PREWATT_PKCS11_TOKEN", ""),
    "pin_file": os.environ.get("PREWATT_PKCS11_PIN_FILE", ""),
}
# How messages leave the house (office.alarms.notifiers): a demo only logs that it would have, a real site names one
PREWATT_NOTIFIER = os.environ.get("PREWATT_NOTIFIER", "").strip() or ("log" if _DEMO else "none")
# Who makes the check codes of State Grid meters (wiring.parts.headend asks it): "none" refuses to open such a meter
PREWATT_SECURITY = os.environ.get("PREWATT_SECURITY", "").strip() or ("simulated" if _DEMO else "none")
# What counts as fresh and as lost follows the poll interval (office.metering.states)
PREWATT_POLL_S = int(os.environ.get("PREWATT_POLL_S", "60"))
