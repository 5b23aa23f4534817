"""A simulator process for tests: start it, ask it, kill it, start it again with the same memory."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from prewatt.core.wire.errors import RemoteProtocolError
from prewatt.core.wire.modbus import Reply, decode_rtu_reply
from tests.field.simulator.plant import free_port, line, site_dict

ROOT = Path(__file__).parents[3]
START_TIMEOUT_S = 30


class Simulator:
    """Owns one child process; the ports stay the same over restarts."""

    def __init__(
        self, directory: Path, *meters: dict[str, Any], lines: list[dict[str, Any]] | None = None,
        keypads: list[dict[str, Any]] | None = None,
    ) -> None:  # fmt: skip
        self._directory = directory
        lines = lines or [line(port=free_port())]
        site = site_dict(*meters, lines=lines, keypads=keypads)
        (directory / "site.json").write_text(json.dumps(site), encoding="utf-8")
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.ports: dict[str, int] = {}

    def start(self) -> "Simulator":
        command = [sys.executable, "-m", "tests.field.simulator.child", "site.json", "state"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            command, cwd=self._directory, env=environment, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], START_TIMEOUT_S)
        assert readable, "the simulator did not start"
        ready = json.loads(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{ready['http_port']}"
        self.ports = ready["line_ports"]
        return self

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._let_go()

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        code = self._process.wait(20)
        self._let_go()
        return code

    def _let_go(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    # the page's port

    def ask(
        self, path: str, body: object = None, *, headers: dict[str, str] | None = None, raw: bytes | None = None
    ) -> tuple[int, str]:
        """Status and text; a body makes it a POST."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def meters(self) -> list[dict[str, Any]]:
        status, text = self.ask("/meters")
        assert status == 200
        found: list[dict[str, Any]] = json.loads(text)
        return found

    def circuit(self, number: str) -> dict[str, Any]:
        circuit: dict[str, Any] = next(each for each in self.meters() if each["number"] == number)["circuits"][0]
        return circuit

    # the bus

    def connect(self, line_id: str = "a") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.ports[line_id]), timeout=2)


def converse(link: socket.socket, frame: bytes) -> Reply | None:
    """One RTU request over an open socket; None when nothing sound came within the timeout."""
    link.sendall(frame)
    data = b""
    while True:
        try:
            part = link.recv(300)
        except TimeoutError:
            return None
        if not part:
            return None
        data += part
        try:
            return decode_rtu_reply(data)[1]
        except RemoteProtocolError:
            continue
