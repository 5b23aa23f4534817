"""What the environment says, read once, checked at once: one frozen value for everything that `prewatt` starts."""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prewatt.core.meters.simulated_security import NAME as SIMULATED
from prewatt.office.alarms.notifiers import NONE, NOTIFIERS
from prewatt.wiring.refusals import StartRefused

PORT_MIN, PORT_MAX = 1, 65535
MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}
POLL_MIN_S, POLL_MAX_S = 1, 24 * 3600  # below a second a bus cannot follow, above a day nothing is live
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$")
_YES, _NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
NAMES = frozenset(
    {
        "PREWATT_HOME",
        "PREWATT_BIND",
        "PREWATT_PORT",
        "PREWATT_STREAM_PORT",
        "PREWATT_SIM_PORT",
        "PREWATT_DIAL_IN_PORT",
        "PREWATT_DIAL_IN_BIND",
        "PREWATT_DIAL_IN_TLS_PORT",
        "PREWATT_DIAL_IN_CERTIFICATE_FILE",
        "PREWATT_DIAL_IN_CLIENT_CA_FILE",
        "PREWATT_LINK_CA_FILE",
        "PREWATT_LINK_CERTIFICATE_FILE",
        "PREWATT_LINK_VERIFY",
        "PREWATT_MQTT_URL",
        "PREWATT_MQTT_USER",
        "PREWATT_MQTT_PASSWORD_FILE",
        "PREWATT_DEMO",
        "PREWATT_DATABASE_URL",
        "PREWATT_POLL_S",
        "PREWATT_REGISTER_S",
        "PREWATT_PG_BIN",
        "PREWATT_LANG",
        "PREWATT_LOG_LEVEL",
        "PREWATT_HOSTS",
        "PREWATT_ORIGINS",
        "PREWATT_STREAM_URL",
        "PREWATT_SECRET_KEY",
        "PREWATT_VAULT_KEY_FILE",
        "PREWATT_VAULT_PASSPHRASE_FILE",
        "PREWATT_VAULT_SOFTWARE",
        "PREWATT_PKCS11_LIBRARY",
        "PREWATT_PKCS11_TOKEN",
        "PREWATT_PKCS11_PIN_FILE",
        "PREWATT_PUBLIC_URL",
        "PREWATT_PROXIES",
        "PREWATT_PLAIN_HTTP",
        "PREWATT_NOTIFIER",
        "PREWATT_SECURITY",
        "PREWATT_BACKUP_KEY",
        "PREWATT_BACKUP_DIR",
        "PREWATT_BACKUP_HOUR",
    }
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Times in seconds, ports as numbers; `database_url` is empty for the embedded database."""

    home: Path
    home_named: bool  # PREWATT_HOME was set: obeyed or refused, never moved
    bind: str
    port: int
    stream_port: int
    sim_port: int
    demo: bool
    database_url: str
    poll_s: int
    register_s: int
    pg_bin: str
    log_level: str
    dial_in_port: int = 0  # where meters and serial servers dial in; 0: nowhere
    dial_in_bind: str = "0.0.0.0"  # at this address; they come from outside
    dial_in_tls_port: int = 0  # and where they do so over TLS; 0: nowhere
    dial_in_certificate_file: str = ""  # PEM with certificate and key that those who call over TLS see
    dial_in_client_ca_file: str = ""  # PEM: only callers with a certificate of this authority are let in; empty: all
    link_ca_file: str = ""  # whom gateways over TLS are believed by: PEM; empty: the system's authorities
    link_certificate_file: str = ""  # PEM with our certificate and its key, for gateways that ask for one
    link_verify: bool = True
    mqtt_url: str = ""  # mqtt://host[:port] or mqtts://host[:port], where meters speak at a broker; empty: nowhere
    mqtt_user: str = ""
    mqtt_password_file: str = ""
    public_url: str = ""  # where browsers find the console through a proxy: scheme and host, no path
    security: str = "none"  # who makes the check codes of State Grid meters: "none", or "simulated" in a demo
    plain_http: bool = False  # said outright: sessions may cross this network in the clear

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the console."""
        return f"http://{_bracketed(ANY_ADDRESS.get(self.bind, self.bind))}:{self.port}"

    @property
    def stream_url(self) -> str:
        """Where the live stream answers."""
        return f"http://{_bracketed(ANY_ADDRESS.get(self.bind, self.bind))}:{self.stream_port}"

    @property
    def sim_url(self) -> str:
        """Where the simulated site is controlled; loopback only."""
        return f"http://127.0.0.1:{self.sim_port}"

    @property
    def logs(self) -> Path:
        """What the processes say."""
        return self.home / "log"


def read(environ: Mapping[str, str] | None = None) -> Config:
    """The configuration of this process. Raises `setting_invalid`, `ports_overlap`, `database_url_invalid`."""
    env = os.environ if environ is None else environ
    port = _number(env, "PREWATT_PORT", 8000, PORT_MIN, PORT_MAX)
    config = Config(
        home=_home(env),
        home_named=bool(env.get("PREWATT_HOME")),
        bind=_bind(env, "PREWATT_BIND", "127.0.0.1"),
        port=port,
        stream_port=_number(env, "PREWATT_STREAM_PORT", port + 1, PORT_MIN, PORT_MAX),
        sim_port=_number(env, "PREWATT_SIM_PORT", port + 2, PORT_MIN, PORT_MAX),
        demo=_switch(env, "PREWATT_DEMO", True),
        database_url=_database_url(env),
        poll_s=_number(env, "PREWATT_POLL_S", 60, POLL_MIN_S, POLL_MAX_S),
        register_s=_number(env, "PREWATT_REGISTER_S", 1800, POLL_MIN_S, POLL_MAX_S),
        pg_bin=env.get("PREWATT_PG_BIN", ""),
        log_level=_log_level(env),
        dial_in_port=_number(env, "PREWATT_DIAL_IN_PORT", 0, 0, PORT_MAX),
        dial_in_bind=_bind(env, "PREWATT_DIAL_IN_BIND", "0.0.0.0"),
        dial_in_tls_port=_number(env, "PREWATT_DIAL_IN_TLS_PORT", 0, 0, PORT_MAX),
        dial_in_certificate_file=env.get("PREWATT_DIAL_IN_CERTIFICATE_FILE", "").strip(),
        dial_in_client_ca_file=env.get("PREWATT_DIAL_IN_CLIENT_CA_FILE", "").strip(),
        link_ca_file=env.get("PREWATT_LINK_CA_FILE", "").strip(),
        link_certificate_file=env.get("PREWATT_LINK_CERTIFICATE_FILE", "").strip(),
        link_verify=_switch(env, "PREWATT_LINK_VERIFY", True),
        mqtt_url=_mqtt_url(env),
        mqtt_user=env.get("PREWATT_MQTT_USER", "").strip(),
        mqtt_password_file=env.get("PREWATT_MQTT_PASSWORD_FILE", "").strip(),
        public_url=_public_url(env),
        plain_http=_switch(env, "PREWATT_PLAIN_HTTP", False),
        security=_security(env),
    )
    called = filter(None, [config.dial_in_port, config.dial_in_tls_port])
    ports = [config.port, config.stream_port, config.sim_port, *called]
    if len(set(ports)) != len(ports):
        raise StartRefused("ports_overlap", detail=", ".join(map(str, ports)))
    if config.dial_in_tls_port and not config.dial_in_certificate_file:
        raise _invalid("PREWATT_DIAL_IN_CERTIFICATE_FILE", "PREWATT_DIAL_IN_TLS_PORT needs a certificate with its key")
    _language(env)
    _notifier(env)
    return config


def _invalid(name: str, detail: str) -> StartRefused:
    return StartRefused("setting_invalid", name=name, detail=detail)


def _number(env: Mapping[str, str], name: str, default: int, smallest: int, largest: int) -> int:
    text = env.get(name, "").strip() or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise _invalid(name, f"{text!r} is not a whole number")
    value = int(text)
    if not smallest <= value <= largest:
        raise _invalid(name, f"{value} is not within {smallest}..{largest}")
    return value


def _switch(env: Mapping[str, str], name: str, default: bool) -> bool:
    text = env.get(name, "").strip().lower()
    if not text:
        return default
    if text not in _YES | _NO:
        raise _invalid(name, f"{text!r} is neither 0 nor 1")
    return text in _YES


def _bind(env: Mapping[str, str], name: str, default: str) -> str:
    text = env.get(name, "").strip() or default
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if re.fullmatch(r"[0-9.]+", text) or not _HOST.match(text):
            raise _invalid(name, f"{text!r} is no address") from None
    return text


def _public_url(env: Mapping[str, str]) -> str:
    text = env.get("PREWATT_PUBLIC_URL", "").strip().rstrip("/")
    if not text:
        return ""
    scheme, _, host = text.partition("://")
    name, _, port = host.partition(":")
    if scheme not in ("http", "https") or not _HOST.match(name) or (port and not port.isdigit()):
        raise _invalid("PREWATT_PUBLIC_URL", f"{text!r} is not like https://power.example")
    return text


def _mqtt_url(env: Mapping[str, str]) -> str:
    text = env.get("PREWATT_MQTT_URL", "").strip().rstrip("/")
    if not text:
        return ""
    scheme, _, place = text.partition("://")
    name, _, port = place.partition(":")
    if scheme not in MQTT_PORTS or not _HOST.match(name) or (port and not re.fullmatch(r"[0-9]{1,5}", port)):
        raise _invalid("PREWATT_MQTT_URL", "not like mqtts://broker.example:8883; user and password have their own")
    if port and not PORT_MIN <= int(port) <= PORT_MAX:
        raise _invalid("PREWATT_MQTT_URL", f"{port} is not within {PORT_MIN}..{PORT_MAX}")
    return text


def _log_level(env: Mapping[str, str]) -> str:
    text = env.get("PREWATT_LOG_LEVEL", "").strip().upper() or "INFO"
    if text not in _LEVELS:
        raise _invalid("PREWATT_LOG_LEVEL", f"{text!r} is none of {', '.join(_LEVELS)}")
    return text


def _home(env: Mapping[str, str]) -> Path:
    text = env.get("PREWATT_HOME", "") or "var"
    if "\n" in text or "\0" in text:
        raise _invalid("PREWATT_HOME", "a path of one line is needed")
    return Path(text).expanduser().absolute()


def _database_url(env: Mapping[str, str]) -> str:
    text = env.get("PREWATT_DATABASE_URL", "").strip()
    if not text:
        return ""
    scheme = text.partition("://")[0]
    if "://" in text and scheme not in {"postgres", "postgresql"}:
        raise StartRefused("database_url_invalid", detail=f"scheme {scheme!r}")
    from psycopg import ProgrammingError  # only here: most starts use the embedded database
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(text)
    except ProgrammingError as error:
        # libpq quotes what it could not read; a password must not reach the terminal or a log
        raise StartRefused("database_url_invalid", detail=type(error).__name__) from None
    return text


def _language(env: Mapping[str, str]) -> None:
    text = env.get("PREWATT_LANG", "").strip().lower()
    if text and not text.startswith(("zh", "en")):
        raise _invalid("PREWATT_LANG", f"{text!r} is neither zh nor en")


def _notifier(env: Mapping[str, str]) -> None:
    text = env.get("PREWATT_NOTIFIER", "").strip()
    if text and text != NONE and text not in NOTIFIERS:
        raise _invalid("PREWATT_NOTIFIER", f"{text!r} is none of {', '.join([NONE, *NOTIFIERS])}")


def _security(env: Mapping[str, str]) -> str:
    demo = _switch(env, "PREWATT_DEMO", True)
    text = env.get("PREWATT_SECURITY", "").strip() or (SIMULATED if demo else NONE)
    if text not in (SIMULATED, NONE):
        raise _invalid("PREWATT_SECURITY", f"{text!r} is none of {NONE}, {SIMULATED}")
    if text == SIMULATED and not demo:
        raise StartRefused("security_simulated")
    return text


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
