"""The site file: which lines, meters and loads the simulator plays, and how each meter starts.

One JSON object, or the same keys as TOML in a file named .toml. The demo loader writes one, the simulator reads it at
start. What a meter *holds* is taken from here on its very first start only; from then on its own durable memory
counts, and a changed opening in the file changes nothing. Unknown keys, missing keys and values out of range are
refused with a `SiteError` that names the place.

    {
      "format": "prewatt-site-1",
      "name": "demo mall",
      "timezone": "Asia/Shanghai",                 # loads follow local time
      "lines": [{
        "id": "1",                                 # [A-Za-z0-9._-]{1,64}; "line" in GET /meters
        "name": "A-1", "gateway": "GW-A",          # optional: what people call them
        "transport": "rtu-over-tcp",               # or another `Transport`; what they need beside: `dialing`, `wires`
        "host": "127.0.0.1", "port": 15021,        # optional, 0 = any free port
        "baud": 9600,                              # optional
        "turnaround_ms": 40,                       # optional: time a meter needs to answer
        "gateway_ms": 15,                          # optional: delay of the serial server
        "gateway_exceptions": false,               # optional, modbus-tcp: exception 0B when a meter is silent
        "faults": {"seed": 1, "lose_reply": 0.2}   # optional: see `faults`
      }],
      "meters": [{
        "number": "202500000001",                  # 12 digits, unique
        "profile": "pilot-spm9511", "unit": 1, "line": "1",
        "ct_ratio": 1,                             # optional: energy, power and current registers show value / ratio
        "silent": false,                           # optional: never answers
        "works_unit": 1,                           # optional, Modbus: its address as it left the works
        "address": "000000000001",                 # optional, DL/T 645: likewise; else its number
        "baud": 2400,                              # optional: the speed of its port; else that of its line
        "card_slot": true,                         # optional: it takes cards though its model is not known for it
        "circuits": [{                             # optional: one circuit of which nothing is said
          "index": 1,
          "opening": {                             # optional, all 0: what lies before the first start
            "balance_wh": 85000, "purchase_count": 3, "purchased_total_wh": 300000, "energy_wh": 1215000,
            "sharp_wh": 90000, "peak_wh": 410000, "valley_wh": 215000,        # parts of energy_wh; the rest is flat
            "last_order": {"kind": "purchase", "amount_wh": 100000}   # optional
          },
          "settings": {                            # optional, all 0 and false
            "alarm_level_1_wh": 20000, "alarm_level_2_wh": 5000, "overdraft_limit_wh": 0,
            "hoarding_limit_wh": 0,                # 0 = none
            "load_limit_w": 0,                     # 0 = none
            "malicious_step_w": 0,                 # a load that jumps by so much is forbidden; 0 = never
            "warning_trip": true,                  # level 2 trips as a warning instead of signalling
            "warning_trip_1": false                # so does level 1
          },
          "load": {"kind": "shop", "annual_kwh": 12000, "peak_w": 9000, "seed": 7},   # see `LoadKind`
          "relay": {                               # optional: how the supply stands at first start
            "force": "automatic",                  # or "keep_on", "trip"
            "hand_opened": false, "warning_tripped": false, "tamper": false
          }
        }]
      }],
      "keypads": [...],                            # optional: STS meters, see `keypad_site`
      "models": ["our-meter.toml"]                 # optional: meter models of the site's own, see `own_models`
    }

A circuit whose balance stands at or below minus its overdraft opens by itself at once; nothing says so
here. Energy and credit are integers in Wh of the primary side.
"""

import json
import re
import tomllib
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from prewatt.core.meters.jobs import OrderKind
from prewatt.core.meters.wallet import PRICES
from prewatt.core.wire.acrel_mqtt import Route
from prewatt.field.simulator.dialing import CallerKind, Dialing, dialing_from
from prewatt.field.simulator.faults import NO_FAULTS as NO_FAULTS
from prewatt.field.simulator.faults import Faults as Faults
from prewatt.field.simulator.faults import faults_from as faults_from
from prewatt.field.simulator.fields import ENERGY_LIMIT_WH, LOAD_LIMIT_W, Fields, Load, SiteError, load_from
from prewatt.field.simulator.keypad_site import KeypadSite, keypads_from
from prewatt.field.simulator.wires import MqttSite, SerialSite, TlsSite, mqtt_from, serial_from, tls_from

FORMAT = "prewatt-site-1"
SITE_FILE_LIMIT_BYTES = 64 * 1024 * 1024  # some 50,000 meters; a larger file is a mistake
LINE_LIMIT = 2_000  # one listening socket each
METER_LIMIT = 50_000
MODEL_PLACES = 100  # files and directories named
CIRCUIT_LIMIT = 36  # the SPM2506 has most
PRICE_LIMIT = 2**32 - 1  # what a register of two words can hold

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MODEL = re.compile(r"[A-Za-z0-9._-]{1,64}(@[0-9]{1,4})?")
_NUMBER = re.compile(r"[0-9]{12}")


class Transport(StrEnum):
    """How the serial server speaks to the network."""

    RTU_OVER_TCP = "rtu-over-tcp"
    MODBUS_TCP = "modbus-tcp"
    RTU_OVER_UDP = "rtu-over-udp"
    RTU_OVER_TLS = "rtu-over-tls"
    MODBUS_TLS = "modbus-tls"
    SERIAL_8N1 = "serial-8n1"
    SERIAL_8E1 = "serial-8e1"
    SERIAL_8O1 = "serial-8o1"
    MQTT = "mqtt"  # its meter speaks at the broker at `host:port`, see `wires`
    DIAL_IN = "dial-in"  # it calls `host:port`, see `dialing`


TLS: Final = frozenset({Transport.RTU_OVER_TLS, Transport.MODBUS_TLS})
SERIAL: Final = frozenset({Transport.SERIAL_8N1, Transport.SERIAL_8E1, Transport.SERIAL_8O1})
_PARTS: Final = {  # what belongs to which, and to no other; TLS may say nothing
    "dialing": frozenset({Transport.DIAL_IN}), "serial": SERIAL, "tls": TLS, "mqtt": frozenset({Transport.MQTT}),
}  # fmt: skip


class Force(StrEnum):
    """Who owns the relay at first start."""

    AUTOMATIC = "automatic"
    KEEP_ON = "keep_on"
    TRIP = "trip"


@dataclass(frozen=True, kw_only=True)
class LineSite:
    """One bus behind its serial server."""

    id: str
    name: str
    gateway: str
    transport: Transport
    host: str
    port: int
    baud: int
    turnaround_ms: int = 40
    gateway_ms: int = 15
    gateway_exceptions: bool = False
    faults: Faults = NO_FAULTS
    dialing: Dialing | None = None  # exactly where the transport is dial-in; so with the others
    serial: SerialSite | None = None
    tls: TlsSite | None = None
    mqtt: MqttSite | None = None

    @property
    def numbered(self) -> bool:
        """Does its gateway speak Modbus TCP, with numbers for requests?"""
        return self.transport in (Transport.MODBUS_TCP, Transport.MODBUS_TLS)

    @property
    def gateway_call(self) -> tuple[str, int, str] | None:
        """Which gateway's call it is a serial port of: where it calls and under what name."""
        if self.dialing is None or self.dialing.caller is not CallerKind.ACREL_GATEWAY:
            return None
        return self.host, self.port, self.dialing.identity

    @property
    def listens(self) -> bool:
        """Is it called at a port of ours?"""
        return self.dialing is None and self.serial is None and self.mqtt is None


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What a circuit holds at its first start; Wh. Of a purse that holds money, credit counts its smallest coin."""

    balance_wh: int = 0
    purchase_count: int = 0
    purchased_total_wh: int = 0
    energy_wh: int = 0
    sharp_wh: int = 0
    peak_wh: int = 0
    valley_wh: int = 0
    last_order_kind: OrderKind | None = None
    last_order_wh: int = 0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What opening an account writes into a circuit; 0 = none. Prices as `core.meters.quantities` counts them."""

    alarm_level_1_wh: int = 0
    alarm_level_2_wh: int = 0
    overdraft_limit_wh: int = 0
    hoarding_limit_wh: int = 0
    load_limit_w: int = 0
    malicious_step_w: int = 0
    warning_trip: bool = False
    warning_trip_1: bool = False
    price_sharp: int = 0
    price_peak: int = 0
    price_flat: int = 0
    price_valley: int = 0


@dataclass(frozen=True, kw_only=True)
class RelayStart:
    """How the supply stands at first start."""

    force: Force = Force.AUTOMATIC
    hand_opened: bool = False
    warning_tripped: bool = False
    tamper: bool = False


@dataclass(frozen=True, kw_only=True)
class CircuitSite:
    """One outgoing circuit of a meter."""

    index: int
    opening: Opening = Opening()
    settings: Settings = Settings()
    load: Load = Load()
    relay: RelayStart = RelayStart()


@dataclass(frozen=True, kw_only=True)
class MeterSite:
    """One meter on a line."""

    number: str
    profile: str
    unit: int
    line: str
    ct_ratio: int = 1
    silent: bool = False
    works_unit: int = 0
    address: str = ""
    baud: int = 0
    card_slot: bool = False
    circuits: tuple[CircuitSite, ...]


@dataclass(frozen=True, kw_only=True)
class Site:
    """All that one simulator process plays."""

    name: str
    timezone: ZoneInfo
    lines: tuple[LineSite, ...]
    meters: tuple[MeterSite, ...]
    keypads: tuple[KeypadSite, ...] = ()
    models: tuple[str, ...] = ()


def _line(fields: Fields) -> LineSite:
    parts = {name: name in fields.left for name in _PARTS}
    line = LineSite(
        id=(line_id := fields.matching("id", _ID)),
        name=fields.text("name", line_id),
        gateway=fields.text("gateway", line_id),
        transport=fields.choice("transport", Transport),
        host=fields.text("host", "127.0.0.1"),
        port=fields.integer("port", 0, 65_535, 0),
        baud=fields.integer("baud", 300, 4_000_000, 9600),
        turnaround_ms=fields.integer("turnaround_ms", 0, 5_000, 40),
        gateway_ms=fields.integer("gateway_ms", 0, 5_000, 15),
        gateway_exceptions=fields.flag("gateway_exceptions"),
        faults=faults_from(fields.left.pop("faults", {}), f"{fields.where}.faults"),
        dialing=dialing_from(fields.part("dialing")) if parts["dialing"] else None,
        serial=serial_from(fields.part("serial")) if parts["serial"] else None,
        mqtt=mqtt_from(fields.part("mqtt")) if parts["mqtt"] else None,
        tls=tls_from(fields.part("tls")) if parts["tls"] else None,
    )
    fields.done()
    for name, owners in _PARTS.items():
        if parts[name] != (line.transport in owners) and (parts[name] or name != "tls"):
            kinds = ", ".join(sorted(owners))
            raise SiteError(f"bad_{name}", f"{fields.where}.{name}", f"belongs to {kinds}, and to no other")
    return replace(line, tls=TlsSite()) if line.tls is None and line.transport in TLS else line


def _opening(fields: Fields) -> Opening:
    kind: OrderKind | None = None
    amount_wh = 0
    if "last_order" in fields.left:
        order = fields.part("last_order")
        kind = order.choice("kind", OrderKind)
        amount_wh = order.integer("amount_wh", -ENERGY_LIMIT_WH, ENERGY_LIMIT_WH)
        order.done()
    energy_wh = fields.integer("energy_wh", 0, ENERGY_LIMIT_WH, 0)
    opening = Opening(
        balance_wh=fields.integer("balance_wh", -ENERGY_LIMIT_WH, ENERGY_LIMIT_WH, 0),
        purchase_count=fields.integer("purchase_count", 0, 0xFFFF, 0),
        purchased_total_wh=fields.integer("purchased_total_wh", -ENERGY_LIMIT_WH, ENERGY_LIMIT_WH, 0),
        energy_wh=energy_wh,
        sharp_wh=fields.integer("sharp_wh", 0, energy_wh, 0),
        peak_wh=fields.integer("peak_wh", 0, energy_wh, 0),
        valley_wh=fields.integer("valley_wh", 0, energy_wh, 0),
        last_order_kind=kind,
        last_order_wh=amount_wh,
    )
    fields.done()
    if opening.sharp_wh + opening.peak_wh + opening.valley_wh > energy_wh:
        raise SiteError("bad_rates", f"{fields.where}.energy_wh", "is less than its parts")
    return opening


def _settings(fields: Fields) -> Settings:
    settings = Settings(
        alarm_level_1_wh=fields.integer("alarm_level_1_wh", 0, ENERGY_LIMIT_WH, 0),
        alarm_level_2_wh=fields.integer("alarm_level_2_wh", 0, ENERGY_LIMIT_WH, 0),
        overdraft_limit_wh=fields.integer("overdraft_limit_wh", 0, ENERGY_LIMIT_WH, 0),
        hoarding_limit_wh=fields.integer("hoarding_limit_wh", 0, ENERGY_LIMIT_WH, 0),
        load_limit_w=fields.integer("load_limit_w", 0, LOAD_LIMIT_W, 0),
        malicious_step_w=fields.integer("malicious_step_w", 0, LOAD_LIMIT_W, 0),
        warning_trip=fields.flag("warning_trip"),
        warning_trip_1=fields.flag("warning_trip_1"),
        **{price.value: fields.integer(price.value, 0, PRICE_LIMIT, 0) for price in PRICES},
    )
    fields.done()
    return settings


def _relay(fields: Fields) -> RelayStart:
    relay = RelayStart(
        force=fields.choice("force", Force, Force.AUTOMATIC),
        hand_opened=fields.flag("hand_opened"),
        warning_tripped=fields.flag("warning_tripped"),
        tamper=fields.flag("tamper"),
    )
    fields.done()
    return relay


def _circuit(fields: Fields) -> CircuitSite:
    circuit = CircuitSite(
        index=fields.integer("index", 1, CIRCUIT_LIMIT),
        opening=_opening(fields.part("opening")),
        settings=_settings(fields.part("settings")),
        load=load_from(fields.part("load")),
        relay=_relay(fields.part("relay")),
    )
    fields.done()
    return circuit


def _meter(fields: Fields) -> MeterSite:
    fields.left.setdefault("circuits", [{"index": 1}])
    meter = MeterSite(
        number=fields.matching("number", _NUMBER),
        profile=fields.matching("profile", _MODEL),
        unit=fields.integer("unit", 1, 247),
        line=fields.matching("line", _ID),
        ct_ratio=fields.integer("ct_ratio", 1, 10_000, 1),
        silent=fields.flag("silent"),
        works_unit=fields.integer("works_unit", 1, 247) if "works_unit" in fields.left else 0,
        address=fields.matching("address", _NUMBER) if "address" in fields.left else "",
        baud=fields.integer("baud", 300, 4_000_000) if "baud" in fields.left else 0,
        card_slot=fields.flag("card_slot"),
        circuits=tuple(_circuit(part) for part in fields.parts("circuits", CIRCUIT_LIMIT)),
    )
    fields.done()
    indexes = [circuit.index for circuit in meter.circuits]
    if sorted(indexes) != list(range(1, len(indexes) + 1)):
        raise SiteError("bad_circuits", f"{fields.where}.circuits", "must be numbered 1, 2, ... without a gap")
    return meter


def _check_together(lines: tuple[LineSite, ...], meters: tuple[MeterSite, ...]) -> None:
    """What no single object can see: names twice, ports twice, units twice on a bus, lines nobody defined."""
    ids: set[str] = set()
    doors: set[tuple[str, int | str]] = set()
    gateways: dict[tuple[str, int, str], str] = {}
    for position, line in enumerate(lines):
        if line.id in ids:
            raise SiteError("duplicate", f"site.lines[{position}].id", f"{line.id} is there twice")
        ids.add(line.id)
        place: tuple[str, int | str] = ("udp " * (line.transport is Transport.RTU_OVER_UDP) + line.host, line.port)
        if line.serial is not None:
            place = ("serial", line.serial.path)
        elif line.mqtt is not None:
            place = ("mqtt", line.mqtt.path(Route.SYSTEM_UP))
        elif line.dialing is not None:
            if line.gateway_call is None:
                continue  # it calls; many call the same place
            if gateways.setdefault(line.gateway_call, line.dialing.secret) != line.dialing.secret:
                raise SiteError("bad_secret", f"site.lines[{position}].dialing.secret", "a gateway has one secret")
            place = (f"gateway {line.gateway_call}", f"port {line.dialing.bus}")
        if place[1] and place in doors:
            raise SiteError("duplicate", f"site.lines[{position}].port", f"{place[1]} is there twice")
        doors.add(place)
    alone, taken = {line.id for line in lines if line.mqtt is not None}, set[str]()
    numbers: set[str] = set()
    places: set[tuple[str, int]] = set()
    for position, meter in enumerate(meters):
        where = f"site.meters[{position}]"
        if meter.line not in ids:
            raise SiteError("unknown_line", f"{where}.line", f"no line {meter.line}")
        if meter.number in numbers:
            raise SiteError("duplicate", f"{where}.number", f"{meter.number} is there twice")
        if (meter.line, meter.unit) in places:
            raise SiteError("duplicate", f"{where}.unit", f"unit {meter.unit} is twice on line {meter.line}")
        if meter.line in alone and (meter.ct_ratio != 1 or len(meter.circuits) != 1 or meter.line in taken):
            raise SiteError("bad_mqtt", where, "at a broker a line has one meter with one circuit and no ratio")
        taken.add(meter.line)
        numbers.add(meter.number)
        places.add((meter.line, meter.unit))


def site_from(value: object) -> Site:
    """Read a parsed site file. Raises `SiteError`."""
    fields = Fields.of(value, "site")
    if (form := fields.text("format")) != FORMAT:
        raise SiteError("unknown_format", "site.format", f"{form} is not {FORMAT}")
    zone = fields.text("timezone", "Asia/Shanghai")
    try:
        timezone = ZoneInfo(zone)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise SiteError("unknown_timezone", "site.timezone", zone) from error
    name = fields.text("name")
    lines = tuple(_line(part) for part in fields.parts("lines", LINE_LIMIT))
    meters = tuple(_meter(part) for part in fields.parts("meters", METER_LIMIT))
    keypads = keypads_from(fields.parts("keypads", METER_LIMIT)) if "keypads" in fields.left else ()
    models = fields.texts("models", MODEL_PLACES)
    fields.done()
    _check_together(lines, meters)
    return Site(name=name, timezone=timezone, lines=lines, meters=meters, keypads=keypads, models=models)


def load_site(path: Path) -> Site:
    """Read and check a site file. Raises `SiteError` also when the file is missing, no JSON or no TOML."""
    try:
        if path.stat().st_size > SITE_FILE_LIMIT_BYTES:
            raise SiteError("too_large", str(path), f"is larger than {SITE_FILE_LIMIT_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
        value = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise SiteError("unreadable", str(path), str(error)) from error
    except ValueError as error:
        raise SiteError("not_toml" if path.suffix == ".toml" else "not_json", str(path), str(error)) from error
    return site_from(value)
