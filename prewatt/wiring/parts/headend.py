"""The head-end process: introduces the wires (`field.headend`) to the records (`office.metering`)."""

import asyncio
import os
import secrets
import signal
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from prewatt.core.meters import catalogue
from prewatt.core.meters.mailbox import PollSettings
from prewatt.core.meters.simulated_security import NAME, SimulatedProvider
from prewatt.field.headend import (
    Advice,
    Adviser,
    Board,
    Boards,
    BrokerPost,
    MqttBoard,
    Switchboard,
    main,
    no_adviser,
)
from prewatt.office.metering.mailbox import LEASE_TTL, PostgresMailbox
from prewatt.wiring.config import Config
from prewatt.wiring.files import allow_files
from prewatt.wiring.links import broker, tls_port, transports
from prewatt.wiring.parts.ground import running_database
from prewatt.wiring.recording import recording

_HOST_LIMIT = 40  # characters; the heartbeat's key has room for 80


def default_name() -> str:
    """Unique among head-ends of several hosts: host and process."""
    return f"{socket.gethostname()[:_HOST_LIMIT]}-{os.getpid()}"


def serve(config: Config, *, name: str | None, record: Path | None = None) -> int:
    """Serve until a signal; the exit code. Raises `record_unusable`."""
    with recording(record) as stream:
        return _serve(config, name, stream)


def _serve(config: Config, name: str | None, record: TextIO | None) -> int:
    allow_files()
    mailbox = PostgresMailbox(
        running_database(config), settings=PollSettings(status_s=config.poll_s, register_s=config.register_s)
    )
    main(
        mailbox,
        name=name or default_name(),
        catalogue=catalogue(),
        clock=lambda: datetime.now(UTC),
        lease_s=LEASE_TTL.total_seconds(),
        started=_stop_on_signals,
        switchboard=_boards(config),
        transports=transports(config),
        adviser=_adviser(config),
        record=record,
    )
    return 0


def _boards(config: Config) -> Board | None:
    """Where meters come to by themselves: a port, one with TLS, a broker, or none of them."""
    boards: list[Board] = []
    tls = tls_port(config)
    if config.dial_in_port or tls is not None:
        boards.append(Switchboard(
            config.dial_in_bind, config.dial_in_port or None, clock=lambda: datetime.now(UTC), status_s=config.poll_s,
            tls=tls,
        ))
    there = broker(config)
    if there is not None:
        boards.append(MqttBoard(BrokerPost(there), clock=lambda: datetime.now(UTC), status_s=config.poll_s))
    return Boards(*boards) if boards else None


def _adviser(config: Config) -> Adviser:
    """Raises Refused `security_provider_simulated` in production, where the configuration let it pass."""
    if config.security != NAME:
        return no_adviser
    return Advice(SimulatedProvider(production=not config.demo, chance=secrets.token_bytes))


def _stop_on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
