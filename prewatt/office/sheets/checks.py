"""What each row would do, judged against what stands and against the other rows; every wrong one is named at once."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from prewatt.core.meters import Profile
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Custody, Site
from prewatt.office.estate.profiles import site_profiles
from prewatt.office.estate.wires import ACREL_GATEWAY, CALLING, MQTT, check_link
from prewatt.office.sheets.gateways import Lines
from prewatt.office.sheets.keypads import judged, wrong_with
from prewatt.office.sheets.rows import (
    BuildingRow,
    CircuitRow,
    ContractRow,
    CustomerRow,
    GatewayRow,
    Key,
    MeterRow,
    Parsed,
    PlanRow,
    RoomRow,
    StationRow,
    StsRow,
    SupplyRow,
    differing,
    parse,
)
from prewatt.office.sheets.shape import HEADER_ROW, SHEETS, Content, Effect, Result, Row, RowRefusal
from prewatt.office.sheets.standing import Standing, look
from prewatt.office.vending.opening_taken_over import in_credit

# column that a row of another sheet refers by, one text: enough to know that it was meant
_NAMED_BY: Final = {
    "buildings": "code", "rooms": "code", "stations": "code", "gateways": "code", "meters": "number", "sts": "meter",
    "plans": "code", "customers": "id",
    "contracts": "number",
}  # fmt: skip


@dataclass(kw_only=True)
class Draft:
    """The rows to be created, by sheet, each with its row number, in the order of the file."""

    standing: Standing
    new: dict[str, list[tuple[int, Any]]] = field(default_factory=lambda: {sheet: [] for sheet in SHEETS})
    result: Result = field(default_factory=lambda: Result(effects={}, refusals=()))


def examine(content: Content, *, site: Site, at: datetime) -> Draft:
    """Judge every row. Reads only; nothing is written."""
    sts = [parse(row, ZoneInfo(site.timezone))[0] for row in content.rows.get("sts", ())]
    written = [judged(each)[0] for each in sts if isinstance(each, StsRow)]
    standing = look(
        site,
        pans=[each.pan for each in written if each is not None],
        meters=[row.cells.get("number", "") for row in content.rows.get("meters", ())],
        contracts={
            *(row.cells.get("number", "") for row in content.rows.get("contracts", ())),
            *(row.cells.get("contract", "") for row in content.rows.get("supply_points", ())),
        },
    )
    return _Examination(content, standing, at=at).draft()


class _Examination:
    def __init__(self, content: Content, standing: Standing, *, at: datetime) -> None:
        self._content = content
        self._standing = standing
        self._at = at
        self._refusals: list[RowRefusal] = []
        self._effects: dict[str, list[tuple[int, Effect]]] = {}
        self._draft = Draft(standing=standing)
        # what was meant but cannot be taken: rows that refer to it are not wrong themselves
        self._lost: dict[str, set[str]] = {sheet: set() for sheet in SHEETS}
        self._blind = {each.sheet for each in content.refusals if each.row == HEADER_ROW}
        self._first: dict[tuple[str, Key], int] = {}
        self._rooms_by_code: dict[str, list[str]] = {}
        self._full_rooms: set[str] = set()  # building/code
        self._lines = Lines(standing)
        self._new_meters: dict[str, MeterRow] = {}
        self._said_sts = {row.cells.get("meter", "") for row in content.rows.get("sts", ())}
        self._new_sts: dict[str, StsRow] = {}
        self._new_plans: dict[str, list[PlanRow]] = {}
        self._profiles: Mapping[str, Profile] = site_profiles(standing.site.pk)

    def draft(self) -> Draft:
        for (building, code) in self._standing.rooms:
            self._add_room(building, code)
        for sheet in SHEETS:
            for row in self._content.rows.get(sheet, ()):
                self._take(row)
        order = list(SHEETS)
        found = [*self._content.refusals, *self._refusals]
        found.sort(key=lambda each: (order.index(each.sheet) if each.sheet in order else -1, each.row))
        self._draft.result = Result(
            effects={
                sheet: tuple(self._effects.get(sheet, ())) for sheet in SHEETS if sheet in self._content.rows
            },
            refusals=tuple(found),
        )  # fmt: skip
        return self._draft

    def _add_room(self, building: str, code: str) -> None:
        self._rooms_by_code.setdefault(code, []).append(building)
        self._full_rooms.add(f"{building}/{code}")

    def _take(self, row: Row) -> None:
        value, refusals = parse(row, self._standing.zone)
        if isinstance(value, GatewayRow) and not refusals:
            value = self._lines.meant(value)
        if not row.sound:
            refusals = []  # said already, of the cells that could not be read
        elif not refusals:
            first = self._first.setdefault((row.sheet, value.key), row.number)
            refusals = [_refusal(row, "row_twice", first=first)] if first != row.number else self._judged(row, value)
        self._refusals += refusals
        effect = Effect.REFUSED
        if refusals or not row.sound:
            name = row.cells.get(_NAMED_BY.get(row.sheet, ""), "")
            if not (len(refusals) == 1 and refusals[0].code == "row_twice"):
                self._lost[row.sheet].add(name)
        else:
            effect = self._effect_of(row, value)
        self._effects.setdefault(row.sheet, []).append((row.number, effect))

    def _effect_of(self, row: Row, value: Parsed) -> Effect:
        if isinstance(value, GatewayRow):
            self._lines.take(row.number, value)
        if self._stands(value):
            return Effect.UNCHANGED
        if isinstance(value, MeterRow):
            value = self._lines.under(value)
        if isinstance(value, CircuitRow):
            value = replace(value, room=self._room_of(value.room) or "")
        if isinstance(value, StsRow):
            value = judged(value)[0] or value
            self._new_sts[value.meter] = value
        self._draft.new[row.sheet].append((row.number, value))
        match value:
            case RoomRow():
                self._add_room(value.building, value.code)
            case MeterRow():
                self._new_meters[value.number] = value
            case PlanRow():
                self._new_plans.setdefault(value.code, []).append(value)
        return Effect.CREATED

    # ---- what stands

    def _stands(self, value: Parsed) -> bool:
        """Whether the row describes what is there already, whatever its values."""
        there = self._standing
        match value:
            case BuildingRow():
                return value.code in there.buildings
            case RoomRow():
                return (value.building, value.code) in there.rooms
            case StationRow():
                return value.code in there.stations
            case GatewayRow():
                return value.key in there.gateways
            case MeterRow():
                return value.number in there.meters
            case StsRow():
                return value.meter in there.sts
            case CircuitRow():
                standing = there.circuits.get((value.meter, value.index))
                return standing is not None and not self._is_bare(standing, value)
            case PlanRow():
                return value.valid_from in there.versions.get(value.code, {})
            case CustomerRow():
                return value.reference in there.customers
            case ContractRow():
                return value.number in there.contracts
            case SupplyRow():
                return (value.meter, value.circuit) in there.supplies or self._ended(value)

    def _is_bare(self, standing: CircuitRow, value: CircuitRow) -> bool:
        """A circuit that a meter brought along and nobody has said anything of yet, but this row does."""
        return (standing.room, standing.never_cut) == ("", False) and (value.room, value.never_cut) != ("", False)

    def _ended(self, value: SupplyRow) -> bool:
        """Whether the same supply was taken over once and has ended since."""
        past = self._standing.past_supplies.get((value.meter, value.circuit), [])
        return any((row.contract, row.valid_from) == (value.contract, value.valid_from) for row, _ in past)

    def _same(self, row: Row, value: Parsed, standing: Parsed | None, what: str) -> list[RowRefusal]:
        columns = differing(value, standing) if standing is not None else []
        if not columns:
            return []
        return [_refusal(row, "exists_with_other_values", what=what, columns=", ".join(columns))]

    # ---- one sheet each; refusals, none when the row can be taken

    def _judged(self, row: Row, value: Parsed) -> list[RowRefusal]:
        there = self._standing
        match value:
            case BuildingRow():
                return self._same(row, value, there.buildings.get(value.code), value.code)
            case RoomRow():
                wrong = self._needs(row, "buildings", value.building, there.buildings, "building_not_found")
                return wrong or self._same(row, value, there.rooms.get((value.building, value.code)), value.code)
            case StationRow():
                return self._same(row, value, there.stations.get(value.code), value.code)
            case GatewayRow():
                return self._gateway(row, value)
            case MeterRow():
                return self._meter(row, value)
            case StsRow():
                return self._sts(row, value)
            case CircuitRow():
                return self._circuit(row, value)
            case PlanRow():
                return self._plan(row, value)
            case CustomerRow():
                return self._same(row, value, there.customers.get(value.reference), value.reference)
            case ContractRow():
                if value.number in there.strange_contracts:
                    return [_refusal(row, "contract_number_taken", number=value.number)]
                wrong = self._needs(row, "customers", value.customer, there.customers, "customer_not_found")
                return wrong or self._same(row, value, there.contracts.get(value.number), value.number)
            case SupplyRow():
                return self._supply(row, value)

    def _needs(
        self, row: Row, sheet: str, name: str, standing: Container[str], code: str
    ) -> list[RowRefusal]:
        """That what a row refers to stands, or is being taken over, or at least was meant to be."""
        if name in standing or sheet in self._blind or name in self._lost[sheet] or self._is_new(sheet, name):
            return []
        return [_refusal(row, code, text=name)]

    def _is_new(self, sheet: str, name: str) -> bool:
        return (sheet, (name,)) in self._first or sheet == "plans" and name in self._new_plans

    def _gateway(self, row: Row, value: GatewayRow) -> list[RowRefusal]:
        there = self._standing
        if value.station and (wrong := self._needs(
            row, "stations", value.station, there.stations, "station_not_found"
        )):  # fmt: skip
            return wrong
        held = there.gateways.get(value.key)
        for name in ("station", "baud", "medium", "secret"):  # not said: it stays as it stands
            said, column = getattr(value, name), "key" if name == "secret" else name
            if said and held is not None and getattr(held, name) != said:
                return [_refusal(row, "exists_with_other_values", what=value.code, columns=column)]
        wrong = self._same(row, value, held, value.code)
        if value.transport == ACREL_GATEWAY and not value.secret and value.code not in there.gateway_rows:
            if value.code not in self._lost["gateways"]:
                return [_refusal(row, "cell_needed", column="key")]
        if value.transport in CALLING and there.identities.setdefault(value.host, value.code) != value.code:
            return wrong or [_refusal(row, "identity_taken", text=value.host)]
        unfit = self._lines.wrong(value)
        return wrong or ([_refusal(row, unfit[0], **unfit[1])] if unfit is not None else [])

    def _meter(self, row: Row, value: MeterRow) -> list[RowRefusal]:
        there = self._standing
        strange = there.strange_meters.get(value.number)
        if strange is not None:
            return [_refusal(row, strange, number=value.number, text=value.number)]
        standing = there.meters.get(value.number)
        if standing is not None:
            wrong = self._same(row, value, standing, value.number)
            if not wrong and value.line and value.line != standing.line:
                wrong = [_refusal(row, "exists_with_other_values", what=value.number, columns="line")]
            return wrong
        if not value.gateway:  # on no line: it must be one that takes tokens
            if value.number not in self._said_sts and "sts" not in self._blind:
                return [_refusal(row, "cell_needed", column="gateway")]
            return self._unlinked(row, value)
        wrong = self._needs(row, "gateways", value.gateway, self._lines, "gateway_not_found")
        value = self._lines.under(value)
        unfit = self._lines.wrong_with(value)
        if unfit is not None and not wrong and "gateways" not in self._blind:
            if value.gateway not in self._lost["gateways"]:  # else the line was meant, but its own row is refused
                return [_refusal(row, unfit[0], **unfit[1])]
        taken = there.units.setdefault((value.gateway, value.line, value.unit), value.number)
        if not wrong and taken != value.number:
            wrong = [_refusal(row, "unit_taken", unit=value.unit)]
        return wrong or self._unlinked(row, value)

    def _sts(self, row: Row, value: StsRow) -> list[RowRefusal]:
        there = self._standing
        wrong = self._needs(row, "meters", value.meter, there.meters, "meter_not_found")
        written, refused = judged(value)
        if refused is not None or written is None:
            return [*wrong, *([_refusal(row, refused.code, **refused.params)] if refused is not None else [])]
        standing = there.sts.get(value.meter)
        if wrong or standing is not None:
            return wrong or self._same(row, written, standing, value.meter)
        if there.pans.setdefault(written.pan, value.meter) != value.meter:
            return [_refusal(row, "pan_taken", pan=written.pan)]
        return []

    def _unlinked(self, row: Row, value: MeterRow) -> list[RowRefusal]:
        """Whether the site has this model, and the line, standing or new, passes on what it speaks."""
        line = self._lines.row_of(value)
        if value.profile not in self._profiles:  # another site's own
            return [_refusal(row, "meter_profile_unknown", profile=value.profile)]
        try:
            if line is not None:
                check_link(value.profile, line.transport, line.baud)
                if line.transport == MQTT and not self._alone(value):
                    raise Refused("mqtt_one_meter")
        except Refused as refused:
            return [_refusal(row, refused.code, **refused.params)]
        return []

    def _alone(self, value: MeterRow) -> bool:
        """Is it the only meter of its gateway, without a ratio, as one over MQTT must be?"""
        besides = [*self._standing.meters.items(), *self._new_meters.items()]
        others = [number for number, each in besides if each.gateway == value.gateway and number != value.number]
        return value.ratio == 1 and not others

    def _profile_of(self, meter: str) -> Profile | None:
        """The profile of a meter that stands or comes with this file."""
        found = self._standing.meters.get(meter) or self._new_meters.get(meter)
        return None if found is None else self._profiles.get(found.profile)

    def _circuit_exists(self, row: Row, meter: str, index: int) -> list[RowRefusal]:
        wrong = self._needs(row, "meters", meter, self._standing.meters, "meter_not_found")
        profile = self._profile_of(meter)
        if not wrong and profile is not None and index > profile.circuits:
            wrong = [_refusal(row, "circuit_not_found", meter=meter, index=index)]
        return wrong

    def _circuit(self, row: Row, value: CircuitRow) -> list[RowRefusal]:
        wrong = self._circuit_exists(row, value.meter, value.index)
        where = self._room_of(value.room)
        if where is None:
            buildings = self._rooms_by_code.get(value.room, ())
            wrong.append(_refusal(row, "room_ambiguous" if len(buildings) > 1 else "room_not_found", text=value.room))
        standing = self._standing.circuits.get((value.meter, value.index))
        if wrong or standing is None or self._is_bare(standing, value):
            return wrong
        return self._same(row, replace(value, room=where or ""), standing, f"{value.meter}/{value.index}")

    def _room_of(self, written: str) -> str | None:
        """building/code of a room as a sheet names it; "" for none; None: no such room, or several."""
        buildings = self._rooms_by_code.get(written, [])
        if len(buildings) == 1:
            return f"{buildings[0]}/{written}"
        if written in self._full_rooms:
            return written
        # one that was meant, but whose own row is refused
        meant = "rooms" in self._blind or {written, written.partition("/")[2]} & self._lost["rooms"]
        return "" if not written or meant else None

    def _plan(self, row: Row, value: PlanRow) -> list[RowRefusal]:
        plan = self._standing.plans.get(value.code)
        others = self._new_plans.get(value.code)
        name = plan.name if plan is not None else others[0].name if others else value.name
        if name != value.name:
            return [_refusal(row, "exists_with_other_values", what=value.code, columns="name")]
        price = self._standing.versions.get(value.code, {}).get(value.valid_from)
        if price is not None and price != value.price:
            return [_refusal(row, "exists_with_other_values", what=value.code, columns="price")]
        if plan is not None and price is None and value.valid_from < self._at:
            return [_refusal(row, "plan_version_past")]
        return []

    def _supply(self, row: Row, value: SupplyRow) -> list[RowRefusal]:
        there = self._standing
        wrong = self._circuit_exists(row, value.meter, value.circuit)
        wrong += self._needs(row, "contracts", value.contract, there.contracts, "contract_not_found")
        wrong += self._needs(row, "plans", value.plan, there.plans, "plan_not_found")
        if wrong or self._ended(value):
            return wrong
        profile = self._profile_of(value.meter)
        if profile is not None and value.custody not in profile.custody:
            code = "server_custody_unsupported" if value.custody == Custody.SERVER else "custody_not_supported"
            return [_refusal(row, code, profile=profile.code)]
        sts = self._new_sts | there.sts
        by_token = wrong_with(value, profile, sts, lost=value.meter in self._lost["sts"], at=self._at)
        if by_token is not None:
            return [_refusal(row, by_token[0], **by_token[1])]
        prices = dict(there.versions.get(value.plan, {}))
        prices |= {each.valid_from: each.price for each in self._new_plans.get(value.plan, ())}
        held = [price for begin, price in sorted(prices.items()) if begin <= value.valid_from]
        if prices and not held:
            return [_refusal(row, "plan_without_price")]
        if value.custody == Custody.METER and profile is not None and held:
            value = self._in_energy(value, held[-1], profile)
        standing = there.supplies.get((value.meter, value.circuit))
        if standing is not None and standing.contract != value.contract:
            return [_refusal(row, "circuit_has_contract", number=standing.contract)]
        if standing is not None:
            return self._same(row, value, standing, f"{value.meter}/{value.circuit}")
        return self._supply_can_begin(row, value)

    def _in_energy(self, value: SupplyRow, price: Any, profile: Profile) -> SupplyRow:
        exponent = self._standing.site.company.exponent
        overdraft, alarm_1, alarm_2 = (
            in_credit(each, price=price, exponent=exponent, profile=profile)
            for each in (value.overdraft, value.alarm_1, value.alarm_2)
        )
        return replace(value, overdraft=overdraft, alarm_1=alarm_1, alarm_2=alarm_2)

    def _supply_can_begin(self, row: Row, value: SupplyRow) -> list[RowRefusal]:
        there = self._standing
        contract = there.contract_rows.get(value.contract)
        if contract is not None and contract.state not in ("opening", "open"):
            return [_refusal(row, "contract_ended")]
        circuit = there.circuit_rows.get((value.meter, value.circuit))
        if circuit is not None and circuit.use == circuit.Use.COMMON:
            return [_refusal(row, "circuit_not_for_tenants")]
        for past, end in there.past_supplies.get((value.meter, value.circuit), ()):
            if end > value.valid_from:
                return [_refusal(row, "circuit_has_contract", number=past.contract)]
        return []


def _refusal(row: Row, code: str, **params: object) -> RowRefusal:
    return RowRefusal(sheet=row.sheet, row=row.number, code=code, params=params)


