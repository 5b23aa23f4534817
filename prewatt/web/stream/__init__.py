"""The live stream: server-sent events with changed tiles and settled sales, as a raw ASGI application."""

from prewatt.web.stream.app import application

__all__ = ["application"]
