"""`prewatt forward`: one end of a sealed line, beside the gateway or in the office."""

import argparse
import asyncio
import logging
import os
import signal
import stat
import sys
from pathlib import Path

from prewatt.field.forwarder import KEY_BYTES, Forwarder, Seal, Suite
from prewatt.wiring.refusals import StartRefused

SUITES = {"aes-256-gcm": Suite.AES_256_GCM, "3des-cbc": Suite.TRIPLE_DES_CBC}
PORTS = range(1, 65536)
logger = logging.getLogger(__name__)


def serve(given: argparse.Namespace) -> int:
    """Forward until a signal; the exit code. Raises `usage`, `line_key_unusable`, `forward_unusable`."""
    (host, port), (to_host, to_port) = address("--listen", given.listen), address("--to", given.to)
    forwarder = Forwarder(
        host=host, port=port, to_host=to_host, to_port=to_port, key=key_of(given.key_file), seal=Seal(given.seal),
        suite=SUITES[given.suite],
    )  # fmt: skip
    try:
        asyncio.run(_forward(forwarder))
    except OSError as error:
        raise StartRefused("forward_unusable", address=given.listen, detail=error.strerror or error) from error
    return 0


def address(option: str, text: str) -> tuple[str, int]:
    """Host and port; [::1]:502 for IPv6."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) not in PORTS:
        raise StartRefused("usage", detail=f"{option} {text}: HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def key_of(path: Path) -> bytes:
    """The key in a file that its owner alone can read. Raises `line_key_unusable`."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(4 * KEY_BYTES)
    except OSError as error:
        raise StartRefused("line_key_unusable", path=path, detail=error.strerror or error) from error
    if mode & 0o077:
        raise StartRefused("line_key_unusable", path=path, detail=f"mode {mode:04o}, wanted 0600")
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or len(set(key)) < KEY_BYTES // 4:
        raise StartRefused("line_key_unusable", path=path, detail=f"{2 * KEY_BYTES} random hex digits wanted")
    return key


async def _forward(forwarder: Forwarder) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    port = await forwarder.start()
    logger.info("forwarding port %d to %s:%d, sealed: %s", port, forwarder.to_host, forwarder.to_port, forwarder.seal)
    sys.stdout.flush()
    await stop.wait()
    await forwarder.stop()
