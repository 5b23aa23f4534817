"""One row of each sheet as values, with every cell of it that is wrong."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from prewatt.core.meters.media import Medium
from prewatt.core.refusals import Refused
from prewatt.core.units import MAX_AMOUNT_MINOR, parse_price
from prewatt.core.wire.acrel_mqtt import IDENTITY as MQTT_IDENTITY
from prewatt.core.wire.acrel_mqtt import place_of_identity
from prewatt.core.wire.errors import LocalProtocolError
from prewatt.core.wire.serialserver import bytes_of, shown
from prewatt.office.estate.links import BAUDS, SERIAL, is_port_name
from prewatt.office.estate.models import Carrier, Custody
from prewatt.office.estate.wires import (
    ACREL_GATEWAY,
    CALLING,
    DIAL_IN,
    GATEWAY_PORTS,
    MQTT,
    TRANSPORTS,
    check_meter,
    check_secret,
)
from prewatt.office.sheets import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.sheets.shape import Row, RowRefusal

_CODE: Final = re.compile(r"[\w.-]+")
_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?"
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_BASEMENT: Final = re.compile(r"[Bb]([1-9][0-9]?)")
_DATE: Final = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
FLOORS: Final = (-99, 999)
PORTS: Final = (1, 65_535)
INDEXES: Final = (1, 99)
ANY_UNIT: Final = 1  # where there is no line, no address is judged

Key = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildingRow:
    code: str
    name: str

    @property
    def key(self) -> Key:
        return (self.code,)


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomRow:
    building: str
    floor: int
    code: str
    name: str

    @property
    def key(self) -> Key:
        return (self.building, self.code)


@dataclass(frozen=True, kw_only=True, slots=True)
class StationRow:
    code: str
    name: str
    place: str
    equipment: str

    @property
    def key(self) -> Key:
        return (self.code,)


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayRow:
    """A line of a gateway; rows of one code are its lines. Of one that dials in `host` is what it says of itself, of a
    serial port its name; of both the port is 0. Of an Acrel gateway `host` is its id and the port the number of its
    serial port."""

    code: str
    name: str
    transport: str
    host: str
    port: int
    baud: int = field(default=0, compare=False)  # 0: not said, and what stands stays
    station: str = field(default="", compare=False)  # a code; "": not said
    medium: str = field(default="", compare=False)  # "": a wire, or not said
    secret: str = field(default="", compare=False, repr=False)  # of an Acrel gateway; "": not said. Is never shown
    line: str = field(default="", compare=False)  # its code; "": not said, and it is the only one or the first

    @property
    def key(self) -> tuple[str, str]:
        return (self.code, self.line)


@dataclass(frozen=True, kw_only=True, slots=True)
class MeterRow:
    number: str
    profile: str
    gateway: str
    unit: int
    ratio: int
    line: str = field(default="", compare=False)  # of the gateway; "": not said, and it has only one

    @property
    def key(self) -> Key:
        return (self.number,)


@dataclass(frozen=True, kw_only=True, slots=True)
class StsRow:
    """STS attributes of a meter. `pan`: 18 digits, or as written in a file the 11 or 13 digits of a DRN."""

    meter: str
    pan: str
    sgc: str
    krn: int
    kt: int
    ti: str
    ken: int
    base_date: int
    ea: str
    dkga: str
    tct: str
    credit_kind: int
    three_tokens: bool

    @property
    def key(self) -> Key:
        return (self.meter,)


@dataclass(frozen=True, kw_only=True, slots=True)
class CircuitRow:
    """`room`: as written in a file; building/code where it is that of the estate or was looked up; "" none."""

    meter: str
    index: int
    room: str
    never_cut: bool

    @property
    def key(self) -> Key:
        return (self.meter, str(self.index))


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRow:
    """One version of a plan."""

    code: str
    name: str
    price: Decimal
    valid_from: datetime

    @property
    def key(self) -> Key:
        return (self.code, self.valid_from.date().isoformat())


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomerRow:
    reference: str
    name: str
    customer_class: str
    phone: str

    @property
    def key(self) -> Key:
        return (self.reference,)


@dataclass(frozen=True, kw_only=True, slots=True)
class ContractRow:
    number: str
    customer: str
    opened_on: date | None

    @property
    def key(self) -> Key:
        return (self.number,)


@dataclass(frozen=True, kw_only=True, slots=True)
class SupplyRow:
    """Thresholds in minor units for both custodies; by token there are none."""

    contract: str
    meter: str
    circuit: int
    plan: str
    custody: str
    overdraft: int
    alarm_1: int
    alarm_2: int
    valid_from: datetime
    carrier: str

    @property
    def key(self) -> Key:
        return (self.meter, str(self.circuit))


Parsed = (
    BuildingRow | RoomRow | StationRow | GatewayRow | MeterRow | StsRow | CircuitRow | PlanRow | CustomerRow
    | ContractRow | SupplyRow
)
_COLUMN: Final = {
    ("CustomerRow", "reference"): "id", ("CustomerRow", "customer_class"): "class", ("SupplyRow", "valid_from"): "from",
    ("SupplyRow", "overdraft"): "overdraft_minor", ("SupplyRow", "alarm_1"): "alarm_1_minor",
    ("SupplyRow", "alarm_2"): "alarm_2_minor",
}  # fmt: skip


def differing(one: Parsed, other: Parsed) -> list[str]:
    """The columns in which two rows of one sheet differ."""
    kind = type(one).__name__
    assert type(one) is type(other), (one, other)
    return [
        _COLUMN.get((kind, each.name), each.name)
        for each in fields(one)
        if each.compare and getattr(one, each.name) != getattr(other, each.name)
    ]  # fmt: skip


class _Cells:
    """The cells of a row, taken one by one; what is wrong is collected, so that it is all said at once."""

    def __init__(self, row: Row, zone: ZoneInfo) -> None:
        self.row = row
        self.zone = zone
        self.refusals: list[RowRefusal] = []

    def refuse(self, code: str, **params: object) -> None:
        self.refusals.append(RowRefusal(sheet=self.row.sheet, row=self.row.number, code=code, params=params))

    def text(self, column: str, most: int, *, needed: bool = True) -> str:
        found = self.row.cells.get(column, "")
        if needed and not found:
            self.refuse("cell_needed", column=column)
        if len(found) > most:
            self.refuse("cell_too_long", column=column, most=most)
        return found

    def code(self, column: str, most: int) -> str:
        found = self.text(column, most)
        if found and not _CODE.fullmatch(found):
            self.refuse("code_malformed", column=column)
        return found

    def whole(self, column: str, least: int, most: int) -> int:
        """A whole number; also written 12.0, as a program may that knows only one kind of number."""
        found = self.row.cells.get(column, "")
        if found.endswith(".0"):
            found = found[:-2]
        if not _WHOLE.fullmatch(found) or not least <= int(found) <= most:
            self.refuse("whole_number_needed", column=column, least=least, most=most)
            return least
        return int(found)

    def nothing(self, column: str) -> int:
        """Empty or 0, where the row can have no such number."""
        if self.row.cells.get(column, "") not in ("", "0", "0.0"):
            self.refuse("whole_number_needed", column=column, least=0, most=0)
        return 0

    def digits(self, column: str, wide: int) -> str:
        """So many digits; a spreadsheet that took them for a number has dropped the zeros in front."""
        found = self.text(column, wide)
        if found and not found.isascii() or not found.isdigit():
            self.refuse("digits_needed", column=column, wide=wide)
        return found.zfill(wide)

    def yes(self, column: str) -> bool:
        found = self.row.cells.get(column, "")
        if found not in ("0", "1"):
            self.refuse("yes_or_no_needed", column=column)
        return found == "1"

    def day(self, column: str) -> date:
        found = self.row.cells.get(column, "")
        try:
            if not _DATE.fullmatch(found):
                raise ValueError(found)
            return date.fromisoformat(found)
        except ValueError:
            self.refuse("date_malformed", column=column)
            return date(2000, 1, 1)

    def midnight(self, column: str) -> datetime:
        """The first moment of a day in the site's zone."""
        return datetime.combine(self.day(column), time(), tzinfo=self.zone)

    def price(self, column: str) -> Decimal:
        try:
            return parse_price(self.row.cells.get(column, ""))
        except Refused as refused:
            self.refuse(refused.code, **refused.params)
            return Decimal(1)


def _building(cells: _Cells) -> BuildingRow:
    return BuildingRow(code=cells.code("code", 16), name=cells.text("name", 64))


def _room(cells: _Cells) -> RoomRow:
    written = cells.row.cells.get("floor", "")
    basement = _BASEMENT.fullmatch(written)
    floor = -int(basement[1]) if basement else cells.whole("floor", *FLOORS)
    return RoomRow(
        building=cells.text("building", 16), floor=floor, code=cells.text("code", 32),
        name=cells.text("name", 64, needed=False),
    )  # fmt: skip


def _station(cells: _Cells) -> StationRow:
    return StationRow(
        code=cells.code("code", 16), name=cells.text("name", 64), place=cells.text("place", 120, needed=False),
        equipment=cells.text("equipment", 255, needed=False),
    )  # fmt: skip


def _gateway(cells: _Cells) -> GatewayRow:
    transport = cells.text("transport", 16).lower()
    dials_in, serial, acrel = transport in (DIAL_IN, MQTT), transport in SERIAL, transport == ACREL_GATEWAY
    ports = (GATEWAY_PORTS[0], GATEWAY_PORTS[-1]) if acrel else PORTS
    row = GatewayRow(
        code=cells.text("code", 16), name=cells.text("name", 64, needed=False), transport=transport,
        host=cells.text("host", 253), port=0 if dials_in or serial else cells.whole("port", *ports), baud=_baud(cells),
        station=cells.text("station", 16, needed=False), medium=_medium(cells), secret=_key(cells, acrel),
        line=cells.text("line", 16, needed=False),
    )  # fmt: skip
    if row.transport and row.transport not in (*TRANSPORTS, *CALLING):
        cells.refuse("transport_unknown", transport=row.transport)
    if transport in CALLING:
        return replace(row, host=_identity(cells, row.host))
    if serial:
        if row.host and not is_port_name(row.host):
            cells.refuse("serial_port_malformed", text=row.host[:60])
    elif row.host and not _is_host(row.host):
        cells.refuse("host_malformed", text=row.host)
    return row


def _baud(cells: _Cells) -> int:
    """Of the bus; 0 where the sheet does not say."""
    found = cells.text("baud", 8, needed=False)
    if found.removesuffix(".0") not in ("", *map(str, BAUDS)):
        cells.refuse("baud_unknown", text=found, known=", ".join(map(str, BAUDS)))
        return 0
    return int(found.removesuffix(".0") or 0)


def _medium(cells: _Cells) -> str:
    """What lies between gateway and meters where that is no wire; "" where the sheet does not say."""
    found = cells.text("medium", 40, needed=False).lower()
    if found not in [each.value for each in Medium]:
        cells.refuse("medium_unknown", medium=found[:40])
        return ""
    return found


def _key(cells: _Cells, acrel: bool) -> str:
    """The key of an Acrel gateway, which no refusal repeats; whether a new one needs it is seen where it stands."""
    found = cells.row.cells.get("key", "")
    try:
        check_secret(found, "acrel" if acrel else "")
    except Refused as refused:
        cells.refuse(refused.code)
        return ""
    return found


def _identity(cells: _Cells, text: str) -> str:
    """What a gateway dials in as stands where others have their host."""
    mqtt, told = text.startswith(MQTT_IDENTITY), cells.text("transport", 16).lower() == MQTT
    if text and (mqtt or told):
        if not (mqtt and told) or place_of_identity(text) is None:
            cells.refuse("identity_malformed", text=text)
        return text
    try:
        return shown(bytes_of(text)) if text else ""
    except LocalProtocolError:
        cells.refuse("identity_malformed", text=text)
        return text


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _HOST.fullmatch(text) is not None and not text.replace(".", "").isdigit()
    return True


def _meter(cells: _Cells) -> MeterRow:
    gateway = cells.text("gateway", 16, needed=False)
    row = MeterRow(
        number=cells.text("number", 20), profile=cells.text("profile", 48), gateway=gateway,
        unit=cells.whole("unit", 0, 32_767) if gateway else cells.nothing("unit"),
        ratio=cells.whole("ratio", 0, 1_000_000), line=cells.text("line", 16, needed=False),
    )  # fmt: skip
    if row.line and not gateway:
        cells.refuse("cell_needed", column="gateway")
    if not cells.refusals:
        try:
            check_meter(
                number=row.number, profile=row.profile, unit=row.unit if gateway else ANY_UNIT, ct_ratio=row.ratio
            )
        except Refused as refused:
            cells.refuse(refused.code, **refused.params)
    return row


def _sts(cells: _Cells) -> StsRow:
    return StsRow(
        meter=cells.text("meter", 20), pan=cells.text("pan", 24).replace(" ", ""), sgc=cells.digits("sgc", 6),
        krn=cells.whole("krn", 0, 9), kt=cells.whole("kt", 0, 9), ti=cells.digits("ti", 2),
        ken=cells.whole("ken", 0, 255), base_date=cells.whole("base_date", 1900, 2100), ea=cells.digits("ea", 2),
        dkga=cells.digits("dkga", 2), tct=cells.digits("tct", 2), credit_kind=cells.whole("credit_kind", 0, 9),
        three_tokens=cells.yes("three_tokens"),
    )  # fmt: skip


def _circuit(cells: _Cells) -> CircuitRow:
    return CircuitRow(
        meter=cells.text("meter", 20), index=cells.whole("index", *INDEXES),
        room=cells.text("room", 49, needed=False), never_cut=cells.yes("never_cut"),
    )  # fmt: skip


def _plan(cells: _Cells) -> PlanRow:
    return PlanRow(
        code=cells.text("code", 32), name=cells.text("name", 64), price=cells.price("price"),
        valid_from=cells.midnight("valid_from"),
    )  # fmt: skip


def _customer(cells: _Cells) -> CustomerRow:
    return CustomerRow(
        reference=cells.text("id", 32), name=cells.text("name", 120),
        customer_class=cells.text("class", 32, needed=False), phone=cells.text("phone", 32, needed=False),
    )  # fmt: skip


def _contract(cells: _Cells) -> ContractRow:
    return ContractRow(
        number=cells.code("number", 20), customer=cells.text("customer", 32), opened_on=cells.day("opened_on")
    )


def _supply(cells: _Cells) -> SupplyRow:
    row = SupplyRow(
        contract=cells.text("contract", 20), meter=cells.text("meter", 20), circuit=cells.whole("circuit", *INDEXES),
        plan=cells.text("plan", 32), custody=cells.text("custody", 16).lower(),
        overdraft=cells.whole("overdraft_minor", 0, MAX_AMOUNT_MINOR),
        alarm_1=cells.whole("alarm_1_minor", -MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR),
        alarm_2=cells.whole("alarm_2_minor", -MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR), valid_from=cells.midnight("from"),
        carrier=cells.text("carrier", 16).lower(),
    )  # fmt: skip
    if row.carrier and row.carrier not in Carrier.values:
        cells.refuse("carrier_unknown")
    if row.custody and row.custody not in Custody.values:
        cells.refuse("custody_unknown")
    if not cells.refusals and (row.alarm_1 < row.alarm_2 or row.custody == Custody.METER and row.alarm_2 < 0):
        cells.refuse("thresholds_order")
    return row


_PARSERS: Final[Mapping[str, Any]] = {
    "buildings": _building, "rooms": _room, "stations": _station, "gateways": _gateway, "meters": _meter,
    "sts": _sts, "circuits": _circuit,
    "plans": _plan, "customers": _customer, "contracts": _contract, "supply_points": _supply,
}  # fmt: skip


def parse(row: Row, zone: ZoneInfo) -> tuple[Parsed, list[RowRefusal]]:
    """The values of a row, and what is wrong with it; with anything wrong the values only tell its key."""
    cells = _Cells(row, zone)
    return _PARSERS[row.sheet](cells), cells.refusals
