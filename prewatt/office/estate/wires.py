"""Gateways, lines, meters and circuits: what is installed where."""

import re
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F

from prewatt.core.meters import Custody, Profile
from prewatt.core.meters.media import Medium
from prewatt.core.meters.profile import Protocol
from prewatt.core.refusals import Refused
from prewatt.core.wire.acrel_mqtt import IDENTITY as MQTT_IDENTITY
from prewatt.core.wire.acrel_mqtt import MAX_IDENTITY, place_of_identity
from prewatt.core.wire.errors import LocalProtocolError
from prewatt.core.wire.serialserver import bytes_of, shown
from prewatt.office.estate import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.estate import links
from prewatt.office.estate.models import Circuit, Gateway, Line, Meter, Room, Site
from prewatt.office.estate.profiles import all_profiles, usable
from prewatt.office.staff.audit import audit

DIAL_IN: Final = "dial-in"
TRANSPORTS: Final = (*links.OPENED, DIAL_IN)
ACREL_GATEWAY: Final = "acrel-gateway"  # a serial port of an Acrel gateway, which dials in and proves its secret
MQTT: Final = "mqtt"  # an Acrel meter that is heard at our broker
CALLING: Final = (DIAL_IN, ACREL_GATEWAY, MQTT)
GATEWAY_PORTS: Final = range(1, 100)
_SECRET = re.compile(r"[!-~]{16}")
_NUMBER = re.compile(r"[0-9]{6,20}")


def touch(gateway: Gateway) -> None:
    """Tell the head-end that something below this gateway changed."""
    Gateway.objects.filter(pk=gateway.pk).update(revision=F("revision") + 1)


def add_gateway(
    site: Site, *, code: str, name: str, host: str = "", identity: str = "", heartbeat: str = "", secret: str = "",
    sealed: bool = True, actor: str, at: datetime,
) -> Gateway:  # fmt: skip
    """A serial server or manager that we connect to (`host`), or one that dials in (`identity`: its registration text,
    the serial of a meter with its own modem, or the id of an Acrel gateway, which has a `secret`). Refuses name_needed,
    code_taken, identity_malformed, identity_taken, heartbeat_malformed, gateway_secret_malformed."""
    identity, heartbeat = _texts(identity, heartbeat)
    check_secret(secret, identity)
    if not code.strip() or bool(host.strip()) == bool(identity):
        raise Refused("name_needed")
    _check_identity_free(identity)
    try:
        with transaction.atomic():
            gateway = Gateway.objects.create(
                site=site, code=code.strip(), name=name.strip(), host=host.strip(), identity=identity,
                heartbeat=heartbeat, secret=secret, sealed=sealed,
            )  # fmt: skip
            after = {"code": code, "host": host} if not identity else {"code": code, "identity": identity}
            audit(
                at=at, actor=actor, action="estate.gateway_add", site_id=site.pk, object_type="gateway",
                object_id=str(gateway.pk), after=after,
            )  # fmt: skip
    except IntegrityError:
        raise Refused("code_taken", taken=code) from None
    return gateway


def _texts(identity: str, heartbeat: str) -> tuple[str, str]:
    """Both as a box's bytes are shown. Refuses identity_malformed, heartbeat_malformed."""
    told = []
    for text, code in ((identity, "identity_malformed"), (heartbeat, "heartbeat_malformed")):
        if code == "identity_malformed" and text.strip().startswith(MQTT_IDENTITY):
            told.append(_mqtt_identity(text.strip()))
            continue
        try:
            told.append(shown(bytes_of(text.strip())) if text.strip() else "")
        except LocalProtocolError:
            raise Refused(code, text=text.strip()[:40]) from None
    return told[0], told[1]


def _mqtt_identity(text: str) -> str:
    """mqtt/product/serial, as they stand in the topics. Refuses identity_malformed."""
    if place_of_identity(text) is None:
        raise Refused("identity_malformed", text=text[:MAX_IDENTITY])
    return text


def check_secret(secret: str, identity: str) -> None:
    """Whether a gateway of this identity ("": it does not dial in) can have this key. Refuses
    gateway_secret_malformed."""
    if secret and not (identity and not identity.startswith(MQTT_IDENTITY) and _SECRET.fullmatch(secret)):
        raise Refused("gateway_secret_malformed")


def transport_of(gateway: Gateway) -> str:
    """What every line of a gateway that dials in has; "" where we connect to it."""
    if gateway.identity.startswith(MQTT_IDENTITY):
        return MQTT
    return (ACREL_GATEWAY if gateway.secret else DIAL_IN) if gateway.identity else ""


def _check_identity_free(identity: str, *, besides: Gateway | None = None) -> None:
    others = Gateway.objects.filter(identity=identity).exclude(pk=besides.pk if besides else 0)
    if identity and others.exists():
        raise Refused("identity_taken", text=identity)


def _check_way(gateway: Gateway, transport: str, port: int, line: Line | None = None) -> None:
    """Whether this gateway can have such a line. Refuses transport_unknown, port_out_of_range, dial_in_has_no_host,
    dial_in_has_one_line, serial_port_malformed, host_is_a_port, serial_has_one_line, gateway_port_out_of_range,
    gateway_port_taken, line_port_taken: two buses at one port would talk into each other's replies."""
    if transport not in (*TRANSPORTS, *CALLING):
        raise Refused("transport_unknown", transport=transport)
    if (transport if transport in CALLING else "") != transport_of(gateway):
        raise Refused("dial_in_has_no_host")
    if transport == ACREL_GATEWAY:
        if port not in GATEWAY_PORTS:
            raise Refused("gateway_port_out_of_range")
        if Line.objects.filter(gateway=gateway, port=port).exclude(pk=line.pk if line else 0).exists():
            raise Refused("gateway_port_taken", port=port)
        return
    if transport in (DIAL_IN, MQTT):
        if Line.objects.filter(gateway=gateway).exclude(pk=line.pk if line else 0).exists():
            raise Refused("dial_in_has_one_line")
        return
    links.check_host(gateway.host, transport)
    if transport in links.SERIAL:
        if Line.objects.filter(gateway=gateway).exclude(pk=line.pk if line else 0).exists():
            raise Refused("serial_has_one_line")
    elif not 1 <= port <= 65535:
        raise Refused("port_out_of_range")
    elif (taken := _at_port(gateway, transport, port, line)) is not None:
        raise Refused("line_port_taken", port=port, gateway=gateway.code, line=taken.code)


def _at_port(gateway: Gateway, transport: str, port: int, but: Line | None) -> Line | None:
    """The bus that has this port already."""
    beside = Line.objects.filter(gateway=gateway).exclude(pk=but.pk if but else 0)
    return next((each for each in beside if links.one_port(transport, port, each.transport, each.port)), None)


def _check_medium(medium: str) -> None:
    if medium not in [each.value for each in Medium]:
        raise Refused("medium_unknown", medium=medium[:40])


def add_line(
    gateway: Gateway, *, code: str, transport: str, port: int, baud: int, medium: str = "", actor: str, at: datetime
) -> Line:
    """A bus behind a gateway; of one that dials in the port is 0, of an Acrel gateway the number of its serial port.
    Refuses transport_unknown, port_out_of_range, code_taken, dial_in_has_no_host, dial_in_has_one_line,
    gateway_port_out_of_range, gateway_port_taken, line_port_taken, medium_unknown, name_needed."""
    _check_way(gateway, transport, port)
    _check_medium(medium)
    if not code.strip():
        raise Refused("name_needed")
    port = 0 if transport in (DIAL_IN, MQTT, *links.SERIAL) else port
    try:
        with transaction.atomic():
            line = Line.objects.create(
                gateway=gateway, code=code.strip(), transport=transport, port=port, baud=baud, medium=medium
            )
            touch(gateway)
            audit(
                at=at, actor=actor, action="estate.line_add", site_id=gateway.site_id, object_type="line",
                object_id=str(line.pk), after={"code": code, "transport": transport, "port": port, "baud": baud}
                | ({"medium": medium} if medium else {}),
            )  # fmt: skip
    except IntegrityError:
        raise Refused("code_taken", taken=code) from None
    return line


def check_meter(*, number: str, profile: str, unit: int, ct_ratio: int) -> Profile:
    """The profile of a meter whose particulars make sense. Refuses meter_profile_unknown, meter_number_malformed,
    unit_out_of_range, unit_not_of_model, ratio_out_of_range."""
    known = _known(number, profile)
    check_unit(known, unit)
    if not 1 <= ct_ratio <= 10_000:
        raise Refused("ratio_out_of_range")
    return known


def _known(number: str, profile: str) -> Profile:
    known = all_profiles().get(profile)
    if known is None:
        raise Refused("meter_profile_unknown", profile=profile)
    if not _NUMBER.fullmatch(number):
        raise Refused("meter_number_malformed")
    return known


def check_unit(profile: Profile, unit: int) -> None:
    """An address on a bus. Refuses unit_out_of_range, unit_not_of_model: what stands in `[rating]`, where it is
    known."""
    if not 1 <= unit <= 247:
        raise Refused("unit_out_of_range")
    plate = profile.rating
    if plate is not None and plate.units is not None and not plate.has_unit(unit):
        first, last = plate.units
        raise Refused("unit_not_of_model", profile=profile.name, unit=unit, first=first, last=last)


def check_link(profile: str, transport: str, baud: int) -> None:
    """Refuses meter_needs_transparent_line: a gateway that speaks Modbus TCP passes nothing else on; baud_not_of_model,
    where `[rating]` names the speeds that the model has."""
    known = all_profiles().get(profile)
    if known is not None:
        check_speaks(known, transport)
        check_baud(known, transport, baud)


def check_baud(profile: Profile, transport: str, baud: int) -> None:
    """The speed of a bus with such a meter (0: nobody says it); at a broker there is none. Refuses
    baud_not_of_model."""
    plate = profile.rating
    if baud and transport != MQTT and plate is not None and not plate.has_baud(baud):
        known = ", ".join(map(str, plate.bauds))
        raise Refused("baud_not_of_model", profile=profile.name, baud=baud, known=known)


def _heard_over_mqtt(profile: Profile) -> bool:
    return profile.maker == "Acrel" and profile.circuits == 1 and profile.custody == {Custody.SERVER}


def check_speaks(profile: Profile, transport: str) -> None:
    """The same of a profile that no meter has yet. Refuses meter_without_wire too: a keypad meter has no line; and
    mqtt_needs_server_held: what is told over MQTT has no command for credit."""
    if not profile.wired:
        raise Refused("meter_without_wire", profile=profile.name)
    if transport == MQTT and not _heard_over_mqtt(profile):
        raise Refused("mqtt_needs_server_held", profile=profile.name)
    if profile.protocol is not Protocol.MODBUS and transport in links.MODBUS_TCP:
        raise Refused("meter_needs_transparent_line", profile=profile.name)


def check_alone(line: Line, ct_ratio: int) -> None:
    """Whether this line has room for a meter of such a ratio. Refuses mqtt_one_meter: over MQTT a line is one meter,
    and nobody says on which side of a ratio its values are."""
    if line.transport == MQTT and (ct_ratio != 1 or Meter.objects.filter(line=line, removed_at=None).exists()):
        raise Refused("mqtt_one_meter")


def add_meter(
    line: Line, *, number: str, profile: str, unit: int, ct_ratio: int, room: Room | None, common: bool,
    actor: str, at: datetime,
) -> Meter:  # fmt: skip
    """A meter with all its circuits. Refuses meter_number_malformed, meter_number_taken, meter_profile_unknown,
    unit_out_of_range, unit_not_of_model, unit_taken, ratio_out_of_range, meter_needs_transparent_line,
    baud_not_of_model."""
    known = check_meter(number=number, profile=profile, unit=unit, ct_ratio=ct_ratio)
    check_link(profile, line.transport, line.baud)
    check_alone(line, ct_ratio)
    if Meter.objects.filter(number=number).exists():
        raise Refused("meter_number_taken", number=number)
    site = line.gateway.site
    usable(profile, site.pk)
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
    site: Site, *, number: str, profile: str, room: Room | None, actor: str, at: datetime, common: bool = False
) -> Meter:
    """A meter that is never online, with all its circuits; `wires.move_meter` gives it a line later. Refuses
    meter_number_malformed, meter_number_taken, meter_profile_unknown."""
    known = _known(number, profile)
    usable(profile, site.pk)
    if Meter.objects.filter(number=number).exists():
        raise Refused("meter_number_taken", number=number)
    with transaction.atomic():
        meter = Meter.objects.create(site=site, number=number, profile=profile)
        use = Circuit.Use.COMMON if common else Circuit.Use.TENANT
        for index in range(1, known.circuits + 1):
            Circuit.objects.create(site=site, meter=meter, index=index, room=room, use=use)
        audit(
            at=at, actor=actor, action="estate.meter_add", site_id=site.pk, object_type="meter",
            object_id=str(meter.pk), after={"number": number, "profile": profile, "line": None},
        )  # fmt: skip
    return meter


def edit_gateway(
    gateway: Gateway, *, name: str, host: str = "", identity: str = "", heartbeat: str = "", secret: str = "",
    sealed: bool | None = None, actor: str, at: datetime,
) -> None:  # fmt: skip
    """Another name, address, identity or secret ("": as it was); the head-end reconnects. One that dials in goes on
    dialling in, and only an Acrel gateway has a secret. Refuses name_needed, identity_malformed, identity_taken,
    heartbeat_malformed, gateway_secret_malformed."""
    identity, heartbeat = _texts(identity, heartbeat)
    check_secret(secret, gateway.secret)
    host = "" if gateway.identity else host.strip()
    identity, heartbeat = (identity, heartbeat) if gateway.identity else ("", "")
    if not host and not identity:
        raise Refused("name_needed")
    if identity.startswith(MQTT_IDENTITY) != gateway.identity.startswith(MQTT_IDENTITY):
        raise Refused("identity_malformed", text=identity)  # its line would be of another kind
    for transport in Line.objects.filter(gateway=gateway).values_list("transport", flat=True) if host else ():
        links.check_host(host, transport)
    _check_identity_free(identity, besides=gateway)
    fields = ["name", "host", "identity", "heartbeat", *(["sealed"] if gateway.secret else [])]
    before = {field: getattr(gateway, field) for field in fields}
    other_secret = bool(secret) and secret != gateway.secret
    with transaction.atomic():
        gateway.name, gateway.host, gateway.identity, gateway.heartbeat = name.strip(), host, identity, heartbeat
        gateway.secret = secret or gateway.secret
        gateway.sealed = gateway.sealed if sealed is None else sealed
        gateway.save(update_fields=[*fields, "secret"])
        touch(gateway)
        after = {field: getattr(gateway, field) for field in fields}
        told = [field for field in fields if before[field] or after[field]]
        audit(
            at=at, actor=actor, action="estate.gateway_edit", site_id=gateway.site_id, object_type="gateway",
            object_id=str(gateway.pk), before={field: before[field] for field in told},
            after={field: after[field] for field in told} | ({"other_secret": True} if other_secret else {}),
        )  # fmt: skip


def edit_line(
    line: Line, *, transport: str, port: int, baud: int, medium: str | None = None, actor: str, at: datetime
) -> None:
    """Another transport, port, speed or medium (None: as it was) of a bus. Refuses transport_unknown,
    port_out_of_range, dial_in_has_no_host, dial_in_has_one_line, gateway_port_out_of_range, gateway_port_taken,
    line_port_taken, medium_unknown, meter_needs_transparent_line, baud_not_of_model."""
    _check_way(line.gateway, transport, port, line)
    medium = line.medium if medium is None else medium
    _check_medium(medium)
    port = 0 if transport in (DIAL_IN, MQTT, *links.SERIAL) else port
    for profile in Meter.objects.filter(line=line, removed_at=None).values_list("profile", flat=True).distinct():
        check_link(profile, transport, baud if baud != line.baud else 0)  # what stands so is no reason to refuse
    fields = ["transport", "port", "baud", "medium"]
    before = {field: getattr(line, field) for field in fields}
    with transaction.atomic():
        line.transport, line.port, line.baud, line.medium = transport, port, baud, medium
        line.save(update_fields=fields)
        touch(line.gateway)
        audit(
            at=at, actor=actor, action="estate.line_edit", site_id=line.gateway.site_id, object_type="line",
            object_id=str(line.pk), before=before, after={field: getattr(line, field) for field in fields},
        )  # fmt: skip


def move_meter(meter: Meter, line: Line, *, unit: int, actor: str, at: datetime) -> None:
    """Another bus or address for a meter that stands. Refuses unit_out_of_range, unit_not_of_model, unit_taken,
    line_other_site, meter_needs_transparent_line, baud_not_of_model.

    Its jobs are on the bus where they were asked for: callers use `metering.moves.move_meter`, which looks after them.
    """
    known = all_profiles().get(meter.profile)
    if known is not None:
        check_unit(known, unit)
    elif not 1 <= unit <= 247:
        raise Refused("unit_out_of_range")
    if line.gateway.site_id != meter.site_id:
        raise Refused("line_other_site")
    check_link(meter.profile, line.transport, line.baud if meter.line_id != line.pk else 0)
    if meter.line_id != line.pk:
        check_alone(line, meter.ct_ratio)
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


def set_profile(meter: Meter, name: str, *, reason: str, actor: str, at: datetime) -> None:
    """Another model for a meter that stands; the head-end follows by its plan. Callers use `changes.profiles.move_to`,
    which looks after credit. Refuses meter_profile_unknown, meter_has_fewer_circuits, meter_needs_transparent_line."""
    profile, standing = usable(name, meter.site_id), Circuit.objects.filter(meter=meter).count()
    if profile.circuits < standing:
        raise Refused("meter_has_fewer_circuits", circuits=profile.circuits, needed=standing)
    line = meter.line
    if line is not None:
        check_speaks(profile, line.transport)
        check_baud(profile, line.transport, line.baud)
        check_unit(profile, meter.unit)
    before = meter.profile
    with transaction.atomic():
        meter.profile = name
        meter.save(update_fields=["profile"])
        for index in range(standing + 1, profile.circuits + 1):
            Circuit.objects.create(site_id=meter.site_id, meter=meter, index=index)
        if line is not None:
            touch(line.gateway)
        audit(
            at=at, actor=actor, action="estate.meter_profile", site_id=meter.site_id, object_type="meter",
            object_id=str(meter.pk), reason=reason, before={"profile": before}, after={"profile": name},
        )  # fmt: skip
