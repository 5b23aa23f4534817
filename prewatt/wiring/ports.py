"""Whether a port is free, asked before anything is started."""

import errno
import json
import socket

from prewatt.wiring.config import Config
from prewatt.wiring.home import SITE_NAME
from prewatt.wiring.refusals import StartRefused


def check_free(config: Config) -> None:
    """Raises `port_taken` or `bind_unusable`. The servers share ports among their own workers (SO_REUSEPORT), which
    would let them start beside a stranger; here the port is asked for alone."""
    wanted = [("web", "PREWATT_PORT", config.bind, config.port)]
    wanted.append(("stream", "PREWATT_STREAM_PORT", config.bind, config.stream_port))
    if config.dial_in_port:
        wanted.append(("headend", "PREWATT_DIAL_IN_PORT", config.dial_in_bind, config.dial_in_port))
    if config.dial_in_tls_port:
        wanted.append(("headend", "PREWATT_DIAL_IN_TLS_PORT", config.dial_in_bind, config.dial_in_tls_port))
    if config.demo:
        wanted.append(("simulate", "PREWATT_SIM_PORT", "127.0.0.1", config.sim_port))
        wanted += [("simulate", f"the ports of {SITE_NAME}", host, port) for host, port in _line_ports(config)]
    for part, setting, host, port in wanted:
        _check_one(part, setting, host, port)


def _line_ports(config: Config) -> list[tuple[str, int]]:
    """Where the simulated serial servers will listen, once there is a site. What is wrong in the file, its player
    says better."""
    try:
        site = json.loads((config.home / SITE_NAME).read_text(encoding="utf-8"))
        listening = [line for line in site["lines"] if line["port"] and "dialing" not in line]
        return [(str(line["host"]), int(line["port"])) for line in listening]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _check_one(part: str, setting: str, host: str, port: int) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise StartRefused("bind_unusable", address=host, detail=error.strerror) from None
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections in TIME_WAIT do no harm
            try:
                probe.bind(address)
                probe.listen(1)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    where = f"{host}:{port}"
                    raise StartRefused("port_taken", address=where, part=part, setting=setting) from None
                shown = f"{host}:{port}"
                raise StartRefused("bind_unusable", address=shown, detail=error.strerror or str(error)) from None
