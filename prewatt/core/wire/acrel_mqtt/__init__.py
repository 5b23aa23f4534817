"""Acrel meters over MQTT, both ends, sans-IO: topics and bytes in, values out."""

from prewatt.core.wire.acrel_mqtt.messages import (
    MAX_MESSAGE,
    Message,
    Method,
    Route,
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
    "Route",
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
