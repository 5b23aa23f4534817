"""How a simulated line meets the head-end: a face for each transport of the site file."""

import ssl
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from prewatt.field.simulator.broker_call import BrokerCall
from prewatt.field.simulator.bus import Bus
from prewatt.field.simulator.certificate import own_certificate
from prewatt.field.simulator.datagrams import DatagramBus
from prewatt.field.simulator.dialer import Dialer
from prewatt.field.simulator.dialing import Dialing
from prewatt.field.simulator.fields import SiteError
from prewatt.field.simulator.line import SimulatedLine
from prewatt.field.simulator.serial_bus import SerialBus
from prewatt.field.simulator.site import Transport
from prewatt.field.simulator.wires import TlsSite


class Face(Protocol):
    """`port`: where it listens or calls, 0 none; `note`: what else its users must know, for people to read."""

    port: int
    note: str

    async def open(self) -> None:
        """Raises OSError, `SiteError`."""

    def close(self) -> None: ...

    def apply_faults(self) -> None:
        """The line's faults were replaced."""


def shared(lines: Iterable[SimulatedLine]) -> dict[str, list[SimulatedLine]]:
    """By line the lines that have one face with it: the serial ports of one gateway that calls. Itself comes first for
    the first of them."""
    by_place: dict[object, list[SimulatedLine]] = {}
    found = {}
    for line in lines:
        site = line.site
        place: object = site.id if (way := site.gateway_call) is None else way
        found[site.id] = by_place.setdefault(place, [])
        found[site.id].append(line)
    return found


def face_of(
    line: SimulatedLine, *, files: Path, memory: Path, now_ms: Callable[[], int], before_output: Callable[[int], None],
    further: Sequence[SimulatedLine] = (),
) -> Face:  # fmt: skip
    """The face of a line, not yet open. `files`: where named files are; `memory`: where a certificate is kept;
    `further`: of `shared`, the others. Raises `SiteError`."""
    site = line.site
    if site.serial is not None:
        return SerialBus(line, now_ms=now_ms, before_output=before_output)
    if site.transport is Transport.RTU_OVER_UDP:
        return DatagramBus(line, now_ms=now_ms, before_output=before_output)
    where = f"site.lines.{site.id}"
    try:
        if site.dialing is not None:
            own = _caller_context(site.dialing, files) if site.dialing.tls else None
            return Dialer(line, now_ms=now_ms, before_output=before_output, further=further, context=own)
        if site.mqtt is not None:
            ca_file = files / site.mqtt.ca_file if site.mqtt.ca_file else None
            context = ssl.create_default_context(cafile=ca_file) if site.mqtt.tls else None
            return BrokerCall(line, now_ms=now_ms, before_output=before_output, context=context)
        if site.tls is None:
            return Bus(line, now_ms=now_ms, before_output=before_output)
        named = site.tls.certificate_file
        shown = files / named if named else own_certificate(memory, site.id, site.host, now_ms=now_ms())
        bus = Bus(line, now_ms=now_ms, before_output=before_output, context=_context(site.tls, files, shown))
        bus.note = f"certificate {shown}"
        return bus
    except OSError as error:  # ssl.SSLError is one
        raise SiteError("bad_certificate", where, str(error)) from error


def _caller_context(dialing: Dialing, files: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files / dialing.ca_file if dialing.ca_file else None)
    if dialing.certificate_file:
        context.load_cert_chain(files / dialing.certificate_file)
    return context


def _context(tls: TlsSite, files: Path, shown: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(shown)
    if tls.client_ca_file:
        context.load_verify_locations(cafile=files / tls.client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
