"""Wires: asyncio, sockets, serial lines, simulated meters."""
