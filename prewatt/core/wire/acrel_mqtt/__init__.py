"""Acrel meters over MQTT, both ends, sans-IO: topics and bytes in, values out."""

from prewatt.core.wire.acrel_mqtt.messages import (
    MAX_MESSAGE,
    Channel,
    Message,
    Method,
    Topic,
    acknowledge,
    acknowledges,
    encode,
    message,
    refresh,
    switch,
    topic,
)
from prewatt.core.wire.errors import LocalProtocolError, ProtocolError, RemoteProtocolError

__all__ = [
    "MAX_MESSAGE",
    "Channel",
    "LocalProtocolError",
    "Message",
    "Method",
    "ProtocolError",
    "RemoteProtocolError",
    "Topic",
    "acknowledge",
    "acknowledges",
    "encode",
    "message",
    "refresh",
    "switch",
    "topic",
]
