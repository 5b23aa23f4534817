"""A broker with papers of its own, and meters that speak there."""

import asyncio
import contextlib
import ipaddress
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.journeys.parts import PATIENCE_S, Parts, until
from tests.journeys.running import STOP_S
from tests.system import need

PRODUCT = "NzIxOTYzNTc4MDEwNDMxNDg4"
USER, PASSWORD = "headend", "correct horse"
LOG_IN_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Papers:
    """An authority of one's own, and what it signed for 127.0.0.1: certificate with key."""

    ca: Path
    server: Path


def papers(directory: Path) -> Papers:
    directory.mkdir()
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "our own")]), datetime.now(UTC)
    ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def sign(key: ec.EllipticCurvePrivateKey, subject: x509.Name, ca: bool) -> x509.Certificate:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(name).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        made = made.not_valid_after(now + timedelta(days=30))
        made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        place = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        return (made if ca else made.add_extension(place, critical=False)).sign(ours, hashes.SHA256())

    pem = serialization.Encoding.PEM
    (ca := directory / "ca.pem").write_bytes(sign(ours, name, True).public_bytes(pem))
    secret = theirs.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    (server := directory / "server.pem").write_bytes(secret + sign(theirs, subject, False).public_bytes(pem))
    return Papers(ca=ca, server=server)


@contextmanager
def mosquitto(directory: Path, own: Papers) -> Iterator[int]:
    """A broker that speaks TLS alone and wants a password; its port."""
    program, passwords, rules = need("mosquitto"), directory / "passwords", directory / "broker.conf"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    passwords.write_text("")
    maker = program.parent.parent / "bin" / "mosquitto_passwd"
    subprocess.run([maker, "-b", passwords, USER, PASSWORD], check=True, capture_output=True)
    rules.write_text(
        f"listener {port} 127.0.0.1\ncertfile {own.server}\nkeyfile {own.server}\npassword_file {passwords}\n"
        "user root\n"
    )
    broker = subprocess.Popen([program, "-c", rules], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:

        def listens() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        until(listens, "the broker listens")
        yield port
    finally:
        broker.terminate()
        broker.wait(STOP_S)


@dataclass(kw_only=True)
class BrokerMeter:
    """A meter with a relay at a broker. It keeps what it was told; `before_reply` is called once, with a command in
    hand that it has not answered yet."""

    serial: str
    closed: bool = True
    energy_kwh: float = 123.45
    refreshed: int = 0
    switched: list[int] = field(default_factory=list)
    answers: list[tuple[str, object]] = field(default_factory=list)
    before_reply: Callable[[], None] | None = None

    @property
    def place(self) -> str:
        return f"{PRODUCT}/{self.serial}"

    @property
    def identity(self) -> str:
        return f"mqtt/{self.place}"

    def said(self, method: str, number: object, **more: Any) -> bytes:
        body = {"sn": self.serial, "method": method, "msgid": number, "timestamp": int(time.time()), **more}
        return json.dumps(body).encode()

    def take(self, body: dict[str, Any]) -> list[tuple[str, bytes]]:
        """What it says to a message from the head-end."""
        if body["method"] != "operate":
            self.answers.append((body["method"], body["msgid"]))
            return []
        inner, hook = body["payload"], self.before_reply
        if inner["method"] == "FORCESWITCH":
            self.closed = inner["ForceSwitch"] == 1
            self.switched.append(inner["ForceSwitch"])
        told = [(f"indicate/dev/{self.place}", self.said("operate", body["msgid"], res=1))]
        if inner["method"] == "REFRESH":
            self.refreshed += 1
            values = {"EPI": self.energy_kwh, "Ua": 230.1, "SwitchSta": int(self.closed)}
            told.append((f"data/up/{self.place}", self.said("update", f"{body['msgid']}-update", reported=values)))
            if hook is not None:
                self.before_reply = None
                hook()
        return told


class Town:
    """All meters at the broker, in a thread of their own."""

    def __init__(self, port: int, ca: Path, meters: list[BrokerMeter]) -> None:
        self._port, self._ca, self._meters = port, ca, meters
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> "Town":
        self._thread.start()
        assert self._up.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._living.cancel)
        self._thread.join(STOP_S)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._living = self._loop.create_task(self._live())
        with contextlib.suppress(asyncio.CancelledError):
            await self._living

    async def _live(self) -> None:
        trust = ssl.create_default_context(cafile=str(self._ca))
        self._client = aiomqtt.Client("127.0.0.1", self._port, username=USER, password=PASSWORD, tls_context=trust)
        async with self._client as client:
            for each in self._meters:
                await client.subscribe(f"indicate/server/{each.place}")
                await client.subscribe(f"sys/server/{each.place}")
            self._up.set()
            async with asyncio.TaskGroup() as both:
                both.create_task(self._log_in(client))
                both.create_task(self._answer(client))

    async def _log_in(self, client: aiomqtt.Client) -> None:
        """Meters say again and again that they live."""
        while True:
            for each in self._meters:
                await client.publish(f"sys/dev/{each.place}", each.said("login", 567), qos=1)
            await asyncio.sleep(LOG_IN_S)

    async def _answer(self, client: aiomqtt.Client) -> None:
        by_place = {each.place: each for each in self._meters}
        async for given in client.messages:
            assert isinstance(given.payload, bytes)
            meter = by_place[str(given.topic).split("/", 2)[2]]
            said = await asyncio.to_thread(meter.take, json.loads(given.payload))
            for topic, data in said:
                await client.publish(topic, data, qos=1)

    def report(self, meter: BrokerMeter, number: int) -> None:
        """It says by itself what it counts."""
        told = meter.said("update", number, reported={"EPI": meter.energy_kwh, "Ua": 230.1})
        sent = self._client.publish(f"data/up/{meter.place}", told, qos=1)
        asyncio.run_coroutine_threadsafe(sent, self._loop).result(PATIENCE_S)


@contextmanager
def site(directory: Path, meters: list[BrokerMeter]) -> Iterator[tuple[Parts, Town]]:
    """Broker and meters; head-ends are still to be started. `other.pem` in the home is an authority of strangers."""
    with ExitStack() as ends:
        own, home = papers(directory / "ours"), directory / "home"
        home.mkdir()
        (home / "other.pem").write_bytes(papers(directory / "others").ca.read_bytes())
        (home / "password").write_text(PASSWORD + "\n")
        port = ends.enter_context(mosquitto(directory, own))
        town = ends.enter_context(Town(port, own.ca, meters))
        heads = Parts(home=home, env={
            "PREWATT_MQTT_URL": f"mqtts://127.0.0.1:{port}", "PREWATT_MQTT_USER": USER,
            "PREWATT_MQTT_PASSWORD_FILE": str(home / "password"), "PREWATT_LINK_CA_FILE": str(own.ca),
        })  # fmt: skip
        ends.callback(heads.end)
        yield heads, town
