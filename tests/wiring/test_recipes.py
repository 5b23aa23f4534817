"""The recipes, as far as a machine can follow them: units, a proxy, a database elsewhere, a battery that is low."""

import http.client
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from prewatt.web.ui.browsers import OLDEST
from prewatt.wiring.config import NAMES, read
from prewatt.wiring.refusals import Exit
from tests.journeys.running import ROOT
from tests.system import need
from tests.wiring.test_backup import dsn

RECIPES = ROOT / "docs" / "recipes"
FILES = RECIPES / "files"
WAIT_S = 60


def settings_of(text: str) -> dict[str, str]:
    """NAME=value lines of an environment file."""
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))


def test_every_setting_that_a_recipe_names_is_one_of_ours() -> None:
    found = {
        name
        for path in [*RECIPES.glob("*.md"), *FILES.iterdir()]
        for name in re.findall(r"PREWATT_[A-Z0-9_]+", path.read_text(encoding="utf-8"))
        if not name.startswith("PREWATT_TEST_")
    }
    assert found and not found - NAMES - {"PREWATT_VAULT_KEY_FILE"}


def test_every_file_of_the_recipes_is_spoken_of() -> None:
    said = "".join(path.read_text(encoding="utf-8") for path in RECIPES.glob("*.md"))
    assert [path.name for path in FILES.iterdir() if f"files/{path.name}" not in said] == []


def test_the_environment_file_is_accepted() -> None:
    given = settings_of((FILES / "prewatt.env").read_text(encoding="utf-8"))
    config = read({**given, "PREWATT_DEMO": "0"})
    assert config.public_url == "https://power.example" and not config.demo


def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    program = tmp_path / "prewatt"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = (FILES / "prewatt.service").read_text(encoding="utf-8")
    assert text.count("/opt/prewatt/.venv/bin/prewatt") == 1
    unit = tmp_path / "prewatt.service"
    unit.write_text(text.replace("/opt/prewatt/.venv/bin/prewatt", str(program)))
    command: list[str | Path] = [need("systemd-analyze"), "verify", "--man=no", unit]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    told = [line for line in done.stderr.splitlines() if "prewatt" in line]
    assert done.returncode == 0 and told == [], done.stderr


def test_the_unit_does_not_restart_what_a_restart_does_not_mend() -> None:
    text = (FILES / "prewatt.service").read_text(encoding="utf-8")
    [codes] = re.findall(r"^RestartPreventExitStatus=(.*)$", text, re.MULTILINE)
    assert {int(code) for code in codes.split()} == {int(Exit.USAGE), int(Exit.PORT_TAKEN)}


class _Upstream(BaseHTTPRequestHandler):
    """Says which port was asked, for what, and what the proxy told of the browser."""

    def do_GET(self) -> None:
        told = "|".join((
            str(self.connection.getsockname()[1]), self.path, self.headers["Host"] or "",
            self.headers["X-Forwarded-Proto"] or "", self.headers["X-Forwarded-For"] or "",
        )).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format: str, *args: object) -> None:
        """Not on the terminal."""


def _certificate(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "power.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("power.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (directory / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


@pytest.fixture
def upstreams() -> Iterator[tuple[int, int]]:
    """The ports of a stand-in for the pages and one for the stream."""
    servers = [HTTPServer(("127.0.0.1", 0), _Upstream) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield servers[0].server_address[1], servers[1].server_address[1]
    for server in servers:
        server.shutdown()
        server.server_close()


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_proxy_passes_pages_and_the_stream_and_says_who_asks(home: Path, upstreams: tuple[int, int]) -> None:
    nginx, (pages, stream) = need("nginx"), upstreams
    _certificate(home)
    plain, tls = _free(), _free()
    text = (FILES / "nginx.conf").read_text(encoding="utf-8")
    text = re.sub(r"^.*listen \[::\].*$", "", text, flags=re.MULTILINE)  # no IPv6 in some containers
    for old, new in (("listen 80;", f"listen 127.0.0.1:{plain};"), ("listen 443 ", f"listen 127.0.0.1:{tls} "),
                     ("/etc/prewatt/tls/", f"{home}/"), (":8000", f":{pages}"), (":8001", f":{stream}")):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    scratch = "".join(f"{kind}_temp_path {home}/{kind};\n" for kind in kinds)
    (home / "nginx.conf").write_text(
        f"daemon off;\npid {home}/nginx.pid;\nerror_log {home}/error.log;\nworker_processes 1;\n"
        f"events {{ worker_connections 64; }}\nhttp {{\naccess_log off;\n{scratch}{text}\n}}\n"
    )
    command = [str(nginx), "-p", str(home), "-e", str(home / "error.log"), "-c", str(home / "nginx.conf")]
    tried = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert tried.returncode == 0 and "warn" not in tried.stderr, tried.stderr
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        try:
            said = [_asked(home, tls, path) for path in ("/console/", "/live")]
            redirected = _asked(home, plain, "/x", scheme="http")
        finally:
            running.terminate()
            running.wait(WAIT_S)
    assert said == [f"{pages}|/console/|power.example|https|127.0.0.1", f"{stream}|/live|power.example|https|127.0.0.1"]
    assert redirected == "301 https://power.example/x"


def _asked(home: Path, port: int, path: str, scheme: str = "https") -> str:
    """What a browser gets that lies about itself."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            if scheme == "https":
                trust = ssl.create_default_context(cafile=str(home / "fullchain.pem"))
                raw = socket.create_connection(("127.0.0.1", port), timeout=10)
                connection = http.client.HTTPConnection("power.example", port)
                connection.sock = trust.wrap_socket(raw, server_hostname="power.example")
            else:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", path, headers={
                "Host": "power.example", "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "http",
            })  # fmt: skip
            answer = connection.getresponse()
            text = answer.read().decode()
            return text if answer.status == 200 else f"{answer.status} {answer.headers['Location']}"
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "nginx did not come up"
            time.sleep(0.05)


@pytest.mark.django_db(transaction=True)
def test_the_statements_for_an_external_database_make_one_that_will_do() -> None:
    text = (RECIPES / "external-postgresql.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    name = f"recipe_{os.getpid()}"
    statements = [each.strip() for each in block.replace("prewatt", name).split(";") if each.strip()]
    with psycopg.connect(dsn(), autocommit=True) as administrator:
        try:
            for statement in statements:
                administrator.execute(statement)
            parts = psycopg.conninfo.conninfo_to_dict(dsn())
            with psycopg.connect(**{**parts, "dbname": name}, autocommit=True) as there:  # type: ignore[arg-type]
                there.execute(f"SET ROLE {name}")
                there.execute("CREATE TABLE in_public (id int)")
                assert there.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        finally:
            administrator.execute(f"DROP DATABASE IF EXISTS {name}")
            administrator.execute(f"DROP ROLE IF EXISTS {name}")


@pytest.mark.parametrize("stop_fails", [False, True])
def test_when_the_battery_is_low_prewatt_stops_first_and_the_machine_goes_down_in_any_case(
    tmp_path: Path, stop_fails: bool
) -> None:
    said, programs = tmp_path / "said", tmp_path / "bin"
    programs.mkdir()
    for name, code in (("systemctl", int(stop_fails)), ("shutdown", 0), ("logger", 1)):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {said}\nexit {code}\n')
        (programs / name).chmod(0o755)
    (programs / "timeout").write_text('#!/bin/sh\nshift\nexec "$@"\n')
    (programs / "timeout").chmod(0o755)
    # no path to the machine's own programs: a test must not be able to stop anything real
    text, replaced = re.subn(r"^PATH=.*$", f"PATH={programs}", (FILES / "prewatt-power-off").read_text(), flags=re.M)
    assert replaced == 1 and "/bin:" not in text
    script = tmp_path / "power-off"
    script.write_text(text)
    done = subprocess.run(["/bin/sh", script], env={"PATH": str(programs)}, timeout=WAIT_S, check=False)
    calls = [line for line in said.read_text().splitlines() if not line.startswith("logger")]
    assert done.returncode == 0
    assert calls == ["systemctl stop prewatt", "shutdown -h now the battery is low"]


def test_upsmon_calls_the_program_that_the_recipe_installs() -> None:
    [called] = re.findall(r'^SHUTDOWNCMD "(.*)"$', (FILES / "upsmon.conf").read_text(encoding="utf-8"), re.MULTILINE)
    assert called == "/usr/local/sbin/prewatt-power-off"
    assert os.access(FILES / Path(called).name, os.X_OK)


def test_the_counters_recipe_states_the_browsers_that_are_let_in() -> None:
    text = (RECIPES / "counter-pc.md").read_text(encoding="utf-8")
    [row] = re.findall(r"^\|.*Chromium browsers \| (\d+)", text, re.MULTILINE)
    assert int(row) == OLDEST["Chromium"][0]
    assert f"Firefox | {OLDEST['Firefox'][0]} " in text
    assert f"Safari | {OLDEST['Safari'][0]}.{OLDEST['Safari'][1]} " in text
