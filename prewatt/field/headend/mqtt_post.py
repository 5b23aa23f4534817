"""The way to an MQTT broker: connect, subscribe, and again when it goes. Needs aiomqtt (`requirements-mqtt.lock`).

Commands and answers leave with quality 0 and are not kept: what a meter that is away would be given later by the
broker must not move a relay then. Head-ends have sessions of their own and clean ones, so each hears everything and
nothing of before; what the broker has kept of a topic (`retain`) is passed over.
"""

import asyncio
import importlib
import logging
import ssl
from dataclasses import dataclass, field
from typing import Any, Final

from prewatt.core.wire.acrel_mqtt import LISTENED, MAX_MESSAGE
from prewatt.field.headend.mqtt_board import MqttBoard
from prewatt.field.headend.tls import why_not

log = logging.getLogger("prewatt.headend")

AGAIN_FIRST_S: Final = 1.0
AGAIN_MAX_S: Final = 15.0
CONNECT_S: Final = 10.0
KEEPALIVE_S: Final = 30
MAX_INCOMING: Final = 10_000  # messages that wait for us


@dataclass(frozen=True, kw_only=True)
class Broker:
    """Where it is, and who we are there. `tls`: None in the clear."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None


class BrokerPost:
    """Keeps one connection to a broker up."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def keep(self, board: MqttBoard) -> None:
        aiomqtt: Any = importlib.import_module("aiomqtt")  # an extra: only who has a broker needs it
        wait_s, said = AGAIN_FIRST_S, False
        while True:
            try:
                async with _client(aiomqtt, self._broker) as client:
                    for route in LISTENED:
                        await client.subscribe(f"{route}/+/+", qos=1)
                    log.info("mqtt_broker_up host=%s port=%d", self._broker.host, self._broker.port)
                    wait_s, said = AGAIN_FIRST_S, False
                    board.reached()
                    await _carry(client, board)
            except (aiomqtt.MqttError, OSError, ValueError) as fault:
                why = _why(fault, aiomqtt.exceptions.MqttConnectError)
                if not said:
                    log.error("mqtt_broker_away host=%s code=%s", self._broker.host, why)
                said = True
                board.broken(why)
            finally:
                board.broken()
            await asyncio.sleep(wait_s)
            wait_s = min(AGAIN_MAX_S, wait_s * 2)


async def _carry(client: Any, board: MqttBoard) -> None:
    """Both directions, until either ends."""

    async def send() -> None:
        while True:
            given = await board.outgoing()
            await client.publish(given.topic, given.data, qos=0, retain=False)

    sender = asyncio.get_running_loop().create_task(send())
    reader = asyncio.get_running_loop().create_task(_listen(client, board))
    try:
        done, _ = await asyncio.wait({sender, reader}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (sender, reader):
            task.cancel()
        await asyncio.gather(sender, reader, return_exceptions=True)


async def _listen(client: Any, board: MqttBoard) -> None:
    async for given in client.messages:
        payload = given.payload
        if not given.retain and isinstance(payload, bytes) and len(payload) <= MAX_MESSAGE:
            board.heard(str(given.topic), payload)


def _client(aiomqtt: Any, broker: Broker) -> Any:
    return aiomqtt.Client(
        broker.host, broker.port, username=broker.user or None, password=broker.password or None,
        tls_context=broker.tls, timeout=CONNECT_S, keepalive=KEEPALIVE_S, clean_session=True,
        max_queued_incoming_messages=MAX_INCOMING,
    )  # fmt: skip


def _why(fault: Exception, refused: type[Exception]) -> str:
    """A stable code. What the system said of the connection is what aiomqtt's fault came from; one without is the
    broker's no to our name, or the end of the connection."""
    if isinstance(fault.__context__, OSError):
        return why_not(fault.__context__)
    if isinstance(fault, OSError):
        return why_not(fault)
    return "broker_refused" if isinstance(fault, refused) else "broker_away"


async def answers(broker: Broker) -> None:
    """Connect, be let in, and go. Raises OSError with a code and a sentence where that does not work."""
    aiomqtt: Any = importlib.import_module("aiomqtt")
    try:
        async with asyncio.timeout(CONNECT_S), _client(aiomqtt, broker):
            pass
    except TimeoutError:
        raise OSError("connect_timeout") from None
    except (aiomqtt.MqttError, ValueError) as fault:
        raise OSError(f"{_why(fault, aiomqtt.exceptions.MqttConnectError)}: {str(fault)[:120]}") from None
