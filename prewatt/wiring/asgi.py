"""The ASGI application of the live stream, with its sign of life."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import django

from prewatt.wiring.parts.pulse import Pulse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "prewatt.wiring.settings")
django.setup(set_prefix=False)

from prewatt.web.stream import application as stream  # noqa: E402 models need the set-up above

_pulse = Pulse(os.environ.get("PREWATT_DATABASE_URL", ""), part="stream")


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The stream; its lifespan is also that of the pulse."""
    if scope["type"] != "lifespan":
        await stream(scope, receive, send)
        return
    async with _pulse.beating():
        await stream(scope, receive, send)
