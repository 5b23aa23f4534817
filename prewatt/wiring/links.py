"""How the head-end opens links on this machine: whom TLS believes, and what `prewatt doctor` sees of it."""

import asyncio
import importlib.util
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from prewatt.field.headend import (
    Broker,
    TlsPort,
    Transport,
    Trust,
    answers,
    context_of,
    listening_context,
    transports_of,
)
from prewatt.wiring import database as outside
from prewatt.wiring import diagnosis
from prewatt.wiring.config import MQTT_PORTS, Config
from prewatt.wiring.parts.ground import running_database
from prewatt.wiring.refusals import StartRefused


def _trust(config: Config) -> Trust:
    return Trust(ca_file=config.link_ca_file, own_file=config.link_certificate_file, verify=config.link_verify)


def transports(config: Config) -> Mapping[str, Transport]:
    """All ways that the head-end opens. Refuses `setting_invalid` where a file of TLS cannot be read."""
    _check_files(config)
    return transports_of(_trust(config))


def tls_port(config: Config) -> TlsPort | None:
    """Where callers with TLS are heard; None: nowhere. Refuses `setting_invalid` where a file cannot be read."""
    if not config.dial_in_tls_port:
        return None
    own = config.dial_in_certificate_file
    context = None
    for name, ca_file in (
        ("PREWATT_DIAL_IN_CERTIFICATE_FILE", ""),
        ("PREWATT_DIAL_IN_CLIENT_CA_FILE", config.dial_in_client_ca_file),
    ):
        try:
            context = listening_context(own, ca_file)
        except OSError as fault:
            raise _unreadable(name, fault) from None
    assert context is not None
    return TlsPort(port=config.dial_in_tls_port, context=context)


def _unreadable(name: str, fault: OSError) -> StartRefused:
    """SSLError too: no PEM, or a key that is not the certificate's."""
    return StartRefused("setting_invalid", name=name, detail=fault.strerror or type(fault).__name__)


def broker(config: Config) -> Broker | None:
    """The MQTT broker where meters speak; None: none is named. Refuses `setting_invalid` where a file cannot be read,
    `mqtt_package_missing`."""
    if not config.mqtt_url:
        return None
    if importlib.util.find_spec("aiomqtt") is None:
        raise StartRefused("mqtt_package_missing")
    password = ""
    if config.mqtt_password_file:
        try:
            password = Path(config.mqtt_password_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as fault:
            name = "PREWATT_MQTT_PASSWORD_FILE"
            raise StartRefused("setting_invalid", name=name, detail=type(fault).__name__) from None
    _check_files(config)
    scheme, _, place = config.mqtt_url.partition("://")
    host, _, port = place.partition(":")
    return Broker(
        host=host, port=int(port) if port else MQTT_PORTS[scheme], user=config.mqtt_user, password=password,
        tls=context_of(_trust(config)) if scheme == "mqtts" else None,
    )  # fmt: skip


def look_at_broker(config: Config) -> str:
    """The broker is reached, lets us in, and answers."""
    there = broker(config)
    if there is None:
        return "-"
    try:
        asyncio.run(answers(there))
    except OSError as fault:
        raise diagnosis.Wrong(f"{config.mqtt_url}: {fault}") from None
    return config.mqtt_url


def _check_files(config: Config) -> None:
    for name, trust in (
        ("PREWATT_LINK_CA_FILE", Trust(ca_file=config.link_ca_file)),
        ("PREWATT_LINK_CERTIFICATE_FILE", Trust(own_file=config.link_certificate_file)),
    ):
        try:
            context_of(trust)
        except OSError as fault:
            raise _unreadable(name, fault) from None


def look(config: Config) -> str:
    """Files of TLS can be read, gateways are checked, and serial ports that lines need are there and ours to open."""
    _check_files(config)
    tls_port(config)
    wrong = [] if config.link_verify else ["PREWATT_LINK_VERIFY=0"]
    if config.dial_in_tls_port and (ended := _ended(Path(config.dial_in_certificate_file))):
        wrong.append(f"PREWATT_DIAL_IN_CERTIFICATE_FILE: {ended}")
    ports = _serial_ports(config)
    for port in ports:
        if not os.path.exists(port):
            wrong.append(f"{port}: missing")
        elif not os.access(port, os.R_OK | os.W_OK):
            wrong.append(f"{port}: not permitted")
    if wrong:
        raise diagnosis.Wrong("; ".join(wrong[:6]))
    return ", ".join(ports[:6]) or "-"


def _ended(file: Path) -> str:
    """When our certificate ended, or begins; "" while it holds. Callers that look would stay away."""
    from cryptography import x509

    shown = x509.load_pem_x509_certificates(file.read_bytes())[0]
    begins, ends = shown.not_valid_before_utc, shown.not_valid_after_utc
    return "" if begins <= datetime.now(UTC) <= ends else f"{begins:%Y-%m-%d}..{ends:%Y-%m-%d}"


def _serial_ports(config: Config) -> list[str]:
    if not config.database_url and not diagnosis.instance_runs(config):
        return []
    with outside.connect(running_database(config)) as connection:
        table = connection.execute("SELECT to_regclass('estate_line')").fetchone()
        if table is None or table[0] is None:
            return []
        found = connection.execute(
            "SELECT DISTINCT g.host FROM estate_line l JOIN estate_gateway g ON g.id = l.gateway_id"
            " WHERE l.transport LIKE 'serial-%' ORDER BY g.host"
        ).fetchall()
    return [str(host) for (host,) in found]
