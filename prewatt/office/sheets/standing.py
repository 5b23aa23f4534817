"""What stands in a site already, as the rows that a sheet would hold."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Q

from prewatt.office.estate.models import (
    Building,
    Circuit,
    Contract,
    Customer,
    Gateway,
    Line,
    Meter,
    Plan,
    PlanAssignment,
    PlanVersion,
    Room,
    Site,
    Station,
    SupplyPoint,
)
from prewatt.office.sheets.keypads import row_of
from prewatt.office.sheets.rows import (
    BuildingRow,
    CircuitRow,
    ContractRow,
    CustomerRow,
    GatewayRow,
    MeterRow,
    RoomRow,
    StationRow,
    StsRow,
    SupplyRow,
)
from prewatt.office.tokens.meters import attributes_of
from prewatt.office.tokens.models import StsMeter

LINE: Final = "1"  # code of the line that a row of `gateways` makes where it names none


@dataclass(kw_only=True)
class Standing:
    """Rows by their keys, and the rows of the database behind them."""

    site: Site
    zone: ZoneInfo
    buildings: dict[str, BuildingRow]
    building_rows: dict[str, Building]
    rooms: dict[tuple[str, str], RoomRow]
    room_rows: dict[tuple[str, str], Room]
    stations: dict[str, StationRow]
    station_rows: dict[str, Station]
    gateways: dict[tuple[str, str], GatewayRow]  # by code and line
    gateway_rows: dict[str, Gateway]
    identities: dict[str, str]  # what dials in -> its gateway; "" for one of another site
    lines: dict[tuple[str, str], Line]  # by the codes of gateway and line, the oldest first
    meters: dict[str, MeterRow]
    meter_rows: dict[str, Meter]
    strange_meters: dict[str, str]  # numbers that stand elsewhere or were removed -> why not
    units: dict[tuple[str, str, int], str]  # gateway, line and unit -> number
    sts: dict[str, StsRow]  # by meter number
    pans: dict[str, str]  # meter PAN -> number, of all sites
    circuits: dict[tuple[str, int], CircuitRow]
    circuit_rows: dict[tuple[str, int], Circuit]
    plans: dict[str, Plan]
    versions: dict[str, dict[datetime, Decimal]]
    customers: dict[str, CustomerRow]
    customer_rows: dict[str, Customer]
    contracts: dict[str, ContractRow]
    contract_rows: dict[str, Contract]
    strange_contracts: set[str]
    supplies: dict[tuple[str, int], SupplyRow]
    past_supplies: dict[tuple[str, int], list[tuple[SupplyRow, datetime]]]  # with the end of each


def look(site: Site, *, meters: Iterable[str], contracts: Iterable[str], pans: Iterable[str] = ()) -> Standing:
    """What stands in the site; of other sites only what bears one of these numbers of meters or contracts, or
    one of these meter PANs."""
    zone = ZoneInfo(site.timezone)
    buildings = {each.code: each for each in Building.objects.filter(site=site)}
    rooms = {
        (each.building.code, each.code): each
        for each in Room.objects.filter(building__site=site).select_related("building")
    }
    stations = {each.code: each for each in Station.objects.filter(site=site)}
    gateways = {each.code: each for each in Gateway.objects.filter(site=site).select_related("station")}
    lines = _lines(site)
    named = Meter.objects.filter(Q(number__in=list(meters)) | Q(site=site)).select_related("line__gateway")
    meter_rows = {each.number: each for each in named if each.site_id == site.pk and each.removed_at is None}
    strange = {each.number: "meter_number_taken" for each in named if each.site_id != site.pk}
    strange |= {each.number: "meter_removed" for each in named if each.site_id == site.pk and each.removed_at}
    circuits = {
        (each.meter.number, each.index): each
        for each in Circuit.objects.filter(site=site, meter__removed_at=None).select_related("meter", "room__building")
    }
    plans = {each.code: each for each in Plan.objects.filter(company_id=site.company_id)}
    versions: dict[str, dict[datetime, Decimal]] = {code: {} for code in plans}
    for version in PlanVersion.objects.filter(plan__company_id=site.company_id).select_related("plan"):
        versions[version.plan.code][version.valid_from] = version.price
    customers = {
        each.reference: each
        for each in Customer.objects.filter(company_id=site.company_id).exclude(reference="")
    }
    named_contracts = Contract.objects.filter(number__in=list(contracts)).select_related("customer")
    contract_rows = {each.number: each for each in named_contracts if each.site_id == site.pk}
    supplies, past = _supplies(site)
    sts, taken = _sts(site, pans)
    return Standing(
        site=site, zone=zone,
        buildings={code: BuildingRow(code=code, name=each.name) for code, each in buildings.items()},
        building_rows=buildings,
        rooms={
            key: RoomRow(building=key[0], floor=each.floor, code=each.code, name=each.name)
            for key, each in rooms.items()
        },
        room_rows=rooms,
        stations={code: _station(each) for code, each in stations.items()},
        station_rows=stations,
        gateways={key: _gateway(each) for key, each in lines.items()},
        gateway_rows=gateways,
        identities={
            each.identity: each.code if each.site_id == site.pk else "" for each in Gateway.objects.exclude(identity="")
        },
        lines=lines,
        meters={number: _meter(each) for number, each in meter_rows.items()},
        meter_rows=meter_rows,
        strange_meters=strange,
        units=_units(meter_rows),
        sts=sts,
        pans=taken,
        circuits={key: _circuit(each) for key, each in circuits.items()},
        circuit_rows=circuits,
        plans=plans,
        versions=versions,
        customers={reference: _customer(each) for reference, each in customers.items()},
        customer_rows=customers,
        contracts={number: _contract(each) for number, each in contract_rows.items()},
        contract_rows=contract_rows,
        strange_contracts={each.number for each in named_contracts if each.site_id != site.pk},
        supplies=supplies,
        past_supplies=past,
    )  # fmt: skip


def _lines(site: Site) -> dict[tuple[str, str], Line]:
    found = Line.objects.filter(gateway__site=site).select_related("gateway__station").order_by("pk")
    return {(each.gateway.code, each.code): each for each in found}


def _units(meters: Mapping[str, Meter]) -> dict[tuple[str, str, int], str]:
    wired = [(number, each.line, each.unit) for number, each in meters.items() if each.line is not None]
    return {(line.gateway.code, line.code, unit): number for number, line, unit in wired}


def _sts(site: Site, pans: Iterable[str]) -> tuple[dict[str, StsRow], dict[str, str]]:
    """Attributes by meter number, of this site; and whose a PAN is, of this site or one of those written."""
    rows = list(StsMeter.objects.filter(Q(site=site) | Q(meter_pan__in=list(pans))).select_related("meter"))
    mine = [each for each in rows if each.site_id == site.pk]
    held = {each.meter.number: row_of(each.meter.number, attributes_of(each)) for each in mine}
    return held, {each.meter_pan: each.meter.number for each in rows}


def _station(station: Station) -> StationRow:
    return StationRow(code=station.code, name=station.name, place=station.place, equipment=station.equipment)


def _customer(customer: Customer) -> CustomerRow:
    return CustomerRow(
        reference=customer.reference, name=customer.name, customer_class=customer.customer_class, phone=customer.phone
    )


def _contract(contract: Contract) -> ContractRow:
    return ContractRow(
        number=contract.number, customer=contract.customer.reference, opened_on=contract.opened_on
    )


def _gateway(line: Line) -> GatewayRow:
    of = line.gateway
    return GatewayRow(
        code=of.code, name=of.name, transport=line.transport, host=of.host or of.identity, port=line.port,
        baud=line.baud, station=of.station.code if of.station is not None else "", medium=line.medium,
        secret=of.secret, line=line.code,
    )  # fmt: skip


def _meter(meter: Meter) -> MeterRow:
    return MeterRow(
        number=meter.number, profile=meter.profile, gateway=meter.line.gateway.code if meter.line is not None else "",
        unit=meter.unit, ratio=meter.ct_ratio, line=meter.line.code if meter.line is not None else "",
    )  # fmt: skip


def _circuit(circuit: Circuit) -> CircuitRow:
    room = circuit.room
    return CircuitRow(
        meter=circuit.meter.number, index=circuit.index, never_cut=circuit.never_cut,
        room="" if room is None else f"{room.building.code}/{room.code}",
    )  # fmt: skip


def _supplies(
    site: Site,
) -> tuple[dict[tuple[str, int], SupplyRow], dict[tuple[str, int], list[tuple[SupplyRow, datetime]]]]:
    """Supply points of the site, those that stand and those that ended; thresholds as they are stored."""
    plans: dict[int, str] = {}
    assigned = PlanAssignment.objects.filter(supply_point__circuit__site=site).select_related("plan")
    for assignment in assigned.order_by("-valid_from"):
        plans[assignment.supply_point_id] = assignment.plan.code  # the first one stays
    standing: dict[tuple[str, int], SupplyRow] = {}
    past: dict[tuple[str, int], list[tuple[SupplyRow, datetime]]] = {}
    for each in SupplyPoint.objects.filter(circuit__site=site).select_related("contract", "circuit__meter"):
        key = (each.circuit.meter.number, each.circuit.index)
        row = SupplyRow(
            contract=each.contract.number, meter=key[0], circuit=key[1], plan=plans.get(each.pk, ""),
            custody=each.custody, overdraft=each.overdraft, alarm_1=each.alarm_1, alarm_2=each.alarm_2,
            valid_from=each.valid_from, carrier=each.carrier,
        )  # fmt: skip
        if each.valid_to is None:
            standing[key] = row
        else:
            past.setdefault(key, []).append((row, each.valid_to))
    return standing, past
