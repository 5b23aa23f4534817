"""Stands in for a child of the supervisor: a tiny web server with one worker, like granian's.

    python -m tests.wiring.player serve   answers GET /healthz with the worker's pid, on PREWATT_PORT
    python -m tests.wiring.player rest    does nothing until told to end
    python -m tests.wiring.player fail    ends at once

The worker shares the port (SO_REUSEPORT) and, like granian's, does not notice the death of its parent: it is the
grandchild that would serve on beside a new one.
"""

import http.server
import os
import signal
import socket
import sys
import time


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = str(os.getpid()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


class _Server(http.server.HTTPServer):
    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()


def _work() -> None:
    _Server(("127.0.0.1", int(os.environ["PREWATT_PORT"])), _Page).serve_forever()


def main() -> int:
    what = sys.argv[1]
    if what == "fail":
        sys.stderr.write("cannot play\n")
        return 1
    if what == "serve":
        worker = os.fork()
        if worker == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a worker that hangs
            _work()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        time.sleep(60)


if __name__ == "__main__":
    sys.exit(main())
