"""The way of a simulated meter to its MQTT broker: connect, subscribe, speak, and again when it goes.

Needs aiomqtt (`requirements-mqtt.lock`), as the head-end's own way does.
"""

import asyncio
import importlib
import importlib.util
import logging
import ssl
from collections.abc import Callable
from typing import Any, Final

from prewatt.core.wire.acrel_mqtt import MAX_MESSAGE, Route
from prewatt.field.simulator.fields import SiteError
from prewatt.field.simulator.line import SimulatedLine
from prewatt.field.simulator.mqtt_box import MqttBox, Published

AGAIN_FIRST_S: Final = 1.0
AGAIN_MAX_S: Final = 30.0
CONNECT_S: Final = 10.0
KEEPALIVE_S: Final = 30
LOG_IN_AGAIN_S: Final = 30.0  # while nobody answers
TICK_S: Final = 0.05  # what it says leaves so much late at most
PACKAGE: Final = "aiomqtt"

_log = logging.getLogger(__name__)


class BrokerCall:
    """The face is that of `bus.Bus`. `context`: None in the clear."""

    def __init__(
        self, line: SimulatedLine, *, now_ms: Callable[[], int], before_output: Callable[[int], None],
        context: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self.line, self.box = line, MqttBox(line)
        self.port = line.site.port
        self.note = f"speaks at {line.site.host}:{line.site.port}"
        self.calls = 0  # connections that stood
        self._now_ms, self._before_output, self._context = now_ms, before_output, context
        self._running: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to call; a line that is down does not. Raises `SiteError` package_missing."""
        if importlib.util.find_spec(PACKAGE) is None:
            where = f"site.lines.{self.line.site.id}.mqtt"
            raise SiteError("package_missing", where, "pip install --require-hashes -r requirements-mqtt.lock")
        self.apply_faults()

    def close(self) -> None:
        """Never call again."""
        if self._running is not None:
            self._running.cancel()
            self._running = None
        self.box.cut()

    def apply_faults(self) -> None:
        """Go away or call again, as the line's faults say."""
        if self.line.faults.down:
            self.close()
        elif self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        aiomqtt: Any = importlib.import_module(PACKAGE)
        site, mqtt = self.line.site, self.box.mqtt
        wait_s, said = AGAIN_FIRST_S, False
        while True:
            client = aiomqtt.Client(
                site.host, site.port, username=mqtt.user or None, password=mqtt.password or None,
                tls_context=self._context, timeout=CONNECT_S, keepalive=KEEPALIVE_S, clean_session=True,
            )  # fmt: skip
            try:
                async with client:
                    for route in (Route.COMMAND_DOWN, Route.SYSTEM_DOWN):
                        await client.subscribe(mqtt.path(route), qos=1)
                    self.calls += 1
                    wait_s, said = AGAIN_FIRST_S, False
                    await self._live(client)
            except (aiomqtt.MqttError, OSError, ValueError) as fault:
                if not said:
                    _log.info("line %s: no broker at %s: %s", site.id, site.host, type(fault).__name__)
                said = True
            self.box.cut()
            await asyncio.sleep(wait_s)
            wait_s = min(AGAIN_MAX_S, wait_s * 2)

    async def _live(self, client: Any) -> None:
        """Until the broker goes."""
        speaker = asyncio.get_running_loop().create_task(self._speak(client))
        listener = asyncio.get_running_loop().create_task(self._listen(client))
        try:
            done, _ = await asyncio.wait({speaker, listener}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (speaker, listener):
                task.cancel()
            await asyncio.gather(speaker, listener, return_exceptions=True)

    async def _listen(self, client: Any) -> None:
        async for given in client.messages:
            payload = given.payload
            if not given.retain and isinstance(payload, bytes) and len(payload) <= MAX_MESSAGE:
                self.box.hear(str(given.topic), payload, self._now_ms())

    async def _speak(self, client: Any) -> None:
        """Login, reports and whatever waited for its time."""
        loop = asyncio.get_running_loop()
        login_at, report_at = loop.time(), loop.time() + self.box.mqtt.report_s
        while True:
            if not self.box.known and loop.time() >= login_at:
                self.box.log_in(self._now_ms())
                login_at = loop.time() + LOG_IN_AGAIN_S
            if self.box.mqtt.report_s and loop.time() >= report_at:
                self.box.report(self._now_ms())
                report_at += self.box.mqtt.report_s
            for each in self._due():
                await client.publish(each.topic, each.data, qos=1, retain=False)
            await asyncio.sleep(TICK_S)

    def _due(self) -> list[Published]:
        now_ms = self._now_ms()
        published = self.box.advance(now_ms)
        if published:
            self._before_output(now_ms)
        return published
