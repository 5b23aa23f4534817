"""Gateways, lines, meters and circuits: what is installed where."""

import re
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.profile import Protocol
from prewatt.core.refusals import Refused
from prewatt.office.estate import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.estate.models import Circuit, Gateway, Line, Meter, Room, Site
from prewatt.office.staff.audit import audit

TRANSPORTS: Final = ("rtu-over-tcp", "modbus-tcp")
_NUMBER = re.compile(r"[0-9]{6,20}")


def touch(gateway: Gateway) -> None:
    """Tell the head-end that something below this gateway changed."""
    Gateway.objects.filter(pk=gateway.pk).update(revision=F("revision") + 1)


def add_gateway(site: Site, *, code: str, name: str, host: str, actor: str, at: datetime) -> Gateway:
    """A serial server or manager. Refuses name_needed, code_taken."""
    if not code.strip() or not host.strip():
        raise Refused("name_needed")
    try:
        with transaction.atomic():
            gateway = Gateway.objects.create(site=site, code=code.strip(), name=name.strip(), host=host.strip())
            audit(
                at=at, actor=actor, action="estate.gateway_add", site_id=site.pk, object_type="gateway",
                object_id=str(gateway.pk), after={"code": code, "host": host},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("code_taken", taken=code) from None
    return gateway


def add_line(
    gateway: Gateway, *, code: str, transport: str, port: int, baud: int, actor: str, at: datetime
) -> Line:
    """A bus behind a gateway. Refuses transport_unknown, port_out_of_range, code_taken."""
    if transport not in TRANSPORTS:
        raise Refused("transport_unknown", transport=transport)
    if not 1 <= port <= 65535:
        raise Refused("port_out_of_range")
    try:
        with transaction.atomic():
            line = Line.objects.create(gateway=gateway, code=code.strip(), transport=transport, port=port, baud=baud)
            touch(gateway)
            audit(
                at=at, actor=actor, action="estate.line_add", site_id=gateway.site_id, object_type="line",
                object_id=str(line.pk), after={"code": code, "transport": transport, "port": port, "baud": baud},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("code_taken", taken=code) from None
    return line


def check_meter(*, number: str, profile: str, unit: int, ct_ratio: int) -> Profile:
    """The profile of a meter whose particulars make sense. Refuses meter_profile_unknown, meter_number_malformed,
    unit_out_of_range, ratio_out_of_range."""
    known = _known(number, profile)
    if not 1 <= unit <= 247:
        raise Refused("unit_out_of_range")
    if not 1 <= ct_ratio <= 10_000:
        raise Refused("ratio_out_of_range")
    return known


def _known(number: str, profile: str) -> Profile:
    known = catalogue().get(profile)
    if known is None:
        raise Refused("meter_profile_unknown", profile=profile)
    if not _NUMBER.fullmatch(number):
        raise Refused("meter_number_malformed")
    return known


def check_link(profile: str, transport: str) -> None:
    """Refuses meter_needs_transparent_line: a gateway that speaks Modbus TCP passes nothing else on."""
    known = catalogue().get(profile)
    if known is not None and known.protocol is not Protocol.MODBUS and transport == "modbus-tcp":
        raise Refused("meter_needs_transparent_line", profile=known.name)


def add_meter(
    line: Line, *, number: str, profile: str, unit: int, ct_ratio: int, room: Room | None, common: bool,
    actor: str, at: datetime,
) -> Meter:  # fmt: skip
    """A meter with all its circuits. Refuses meter_number_malformed, meter_number_taken, meter_profile_unknown,
    unit_out_of_range, unit_taken, ratio_out_of_range, meter_needs_transparent_line."""
    known = check_meter(number=number, profile=profile, unit=unit, ct_ratio=ct_ratio)
    check_link(profile, line.transport)
    if Meter.objects.filter(number=number).exists():
        raise Refused("meter_number_taken", number=number)
    site = line.gateway.site
    try:
        with transaction.atomic():
            meter = Meter.objects.create(
                site=site, number=number, profile=profile, line=line, unit=unit, ct_ratio=ct_ratio
            )
            use = Circuit.Use.COMMON if common else Circuit.Use.TENANT
            for index in range(1, known.circuits + 1):
                Circuit.objects.create(site=site, meter=meter, index=index, room=room, use=use)
            touch(line.gateway)
            audit(
                at=at, actor=actor, action="estate.meter_add", site_id=site.pk, object_type="meter",
                object_id=str(meter.pk), after={"number": number, "profile": profile, "unit": unit, "ratio": ct_ratio},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("unit_taken", unit=unit) from None
    return meter


def add_keypad_meter(
    site: Site, *, number: str, profile: str, room: Room | None, actor: str, at: datetime
) -> Meter:
    """A meter that is never online, with all its circuits; `wires.move_meter` gives it a line later. Refuses
    meter_number_malformed, meter_number_taken, meter_profile_unknown."""
    known = _known(number, profile)
    if Meter.objects.filter(number=number).exists():
        raise Refused("meter_number_taken", number=number)
    with transaction.atomic():
        meter = Meter.objects.create(site=site, number=number, profile=profile)
        for index in range(1, known.circuits + 1):
            Circuit.objects.create(site=site, meter=meter, index=index, room=room)
        audit(
            at=at, actor=actor, action="estate.meter_add", site_id=site.pk, object_type="meter",
            object_id=str(meter.pk), after={"number": number, "profile": profile, "line": None},
        )  # fmt: skip
    return meter


def edit_gateway(gateway: Gateway, *, name: str, host: str, actor: str, at: datetime) -> None:
    """Another name or address; the head-end reconnects. Refuses name_needed."""
    if not host.strip():
        raise Refused("name_needed")
    before = {"name": gateway.name, "host": gateway.host}
    with transaction.atomic():
        gateway.name, gateway.host = name.strip(), host.strip()
        gateway.save(update_fields=["name", "host"])
        touch(gateway)
        audit(
            at=at, actor=actor, action="estate.gateway_edit", site_id=gateway.site_id, object_type="gateway",
            object_id=str(gateway.pk), before=before, after={"name": gateway.name, "host": gateway.host},
        )  # fmt: skip


def edit_line(line: Line, *, transport: str, port: int, baud: int, actor: str, at: datetime) -> None:
    """Another transport, port or speed of a bus. Refuses transport_unknown, port_out_of_range,
    meter_needs_transparent_line."""
    if transport not in TRANSPORTS:
        raise Refused("transport_unknown", transport=transport)
    if not 1 <= port <= 65535:
        raise Refused("port_out_of_range")
    for profile in Meter.objects.filter(line=line, removed_at=None).values_list("profile", flat=True).distinct():
        check_link(profile, transport)
    before = {"transport": line.transport, "port": line.port, "baud": line.baud}
    with transaction.atomic():
        line.transport, line.port, line.baud = transport, port, baud
        line.save(update_fields=["transport", "port", "baud"])
        touch(line.gateway)
        audit(
            at=at, actor=actor, action="estate.line_edit", site_id=line.gateway.site_id, object_type="line",
            object_id=str(line.pk), before=before, after={"transport": transport, "port": port, "baud": baud},
        )  # fmt: skip


def move_meter(meter: Meter, line: Line, *, unit: int, actor: str, at: datetime) -> None:
    """Another bus or address for a meter that stands. Refuses unit_out_of_range, unit_taken, line_other_site,
    meter_needs_transparent_line.

    Its jobs are on the bus where they were asked for: callers use `metering.moves.move_meter`, which looks after them.
    """
    if not 1 <= unit <= 247:
        raise Refused("unit_out_of_range")
    if line.gateway.site_id != meter.site_id:
        raise Refused("line_other_site")
    check_link(meter.profile, line.transport)
    left = meter.line
    before = {"line": meter.line_id, "unit": meter.unit}
    try:
        with transaction.atomic():
            meter.line, meter.unit = line, unit
            meter.save(update_fields=["line", "unit"])
            for gateway in {line.gateway} if left is None else {left.gateway, line.gateway}:
                touch(gateway)
            audit(
                at=at, actor=actor, action="estate.meter_move", site_id=meter.site_id, object_type="meter",
                object_id=str(meter.pk), before=before, after={"line": line.pk, "unit": unit},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("unit_taken", unit=unit) from None
