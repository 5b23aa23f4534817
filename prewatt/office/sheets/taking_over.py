"""The verb: a file's content goes into a site whole, or nothing of it does."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import IntegrityError, connection, transaction

from prewatt.core.refusals import Refused
from prewatt.office.billing.openings import open_server_held
from prewatt.office.estate import places, plans, stations, wires
from prewatt.office.estate.history import KnownCustomer, load_customers
from prewatt.office.estate.models import Carrier, Custody, Gateway, Site
from prewatt.office.estate.taken_over import (
    Furnishing,
    NewContract,
    NewMeter,
    NewRoom,
    add_contracts,
    add_meters,
    add_plan,
    add_rooms,
    furnish,
)
from prewatt.office.sheets.checks import Draft, examine
from prewatt.office.sheets.keypads import attributes
from prewatt.office.sheets.rows import GatewayRow, PlanRow, SupplyRow
from prewatt.office.sheets.shape import Content, Result, RowRefusal
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.tokens.taken_over import register_all
from prewatt.office.vending import opening_taken_over
from prewatt.office.vending.token_taken_over import open_taken_over

BAUD: Final = 9600  # of a line whose speed nobody named; it only paces the head-end
_LOCK_KEY: Final = 0x7368_6565  # advisory lock: one take-over at a time, so that none judges what another writes


def check(content: Content, *, site: Site, at: datetime) -> Result:
    """What `run` would do; writes nothing (dry run)."""
    return examine(content, site=site, at=at).result


def run(content: Content, *, site: Site, actor: Actor | str, at: datetime) -> Result:
    """Create what is not there yet, all or nothing; what stands as written stays untouched.

    With any refusal nothing is written and the result names every row that is wrong. The same content again creates
    nothing. `actor` is a string where the house itself acts (the command line).
    Raises Refused `not_permitted`; `take_over_overtaken` (retry) where somebody wrote the same rows meanwhile.
    """
    if isinstance(actor, Actor):
        for act in (Act.ESTATE, Act.PLANS):
            actor.require(act)
    key = actor if isinstance(actor, str) else actor.key
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK_KEY])
            draft = examine(content, site=site, at=at)
            if draft.result.refused or not any(draft.result.created.values()):
                return draft.result
            refusals = _Writing(draft, actor=key, at=at).write()
            if refusals:
                transaction.set_rollback(True)
                return Result(effects=draft.result.effects, refusals=tuple(refusals))
            audit(
                at=at, actor=key, action="sheets.taken_over", site_id=site.pk, object_type="site",
                object_id=str(site.pk), after={sheet: n for sheet, n in draft.result.created.items() if n},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("take_over_overtaken", retry=True) from None
    return draft.result


class _Writing:
    """Writes a draft, sheet after sheet, through the verbs of the apps that own the rows."""

    def __init__(self, draft: Draft, *, actor: str, at: datetime) -> None:
        self._draft = draft
        self._there = draft.standing
        self._site = draft.standing.site
        self._actor = actor
        self._at = at

    def write(self) -> Sequence[RowRefusal]:
        """Everything, in the order in which rows refer to each other; what a verb refused after all."""
        self._places()
        self._wires()
        self._plans()
        self._people()
        return self._supplies()

    def _places(self) -> None:
        there = self._there
        for sort, (_, row) in enumerate(self._draft.new["buildings"], len(there.building_rows) + 1):
            there.building_rows[row.code] = places.add_building(
                self._site, code=row.code, name=row.name, sort=sort, actor=self._actor, at=self._at
            )
        rows = [row for _, row in self._draft.new["rooms"]]
        made = add_rooms(
            self._site,
            [
                NewRoom(building=there.building_rows[row.building], floor=row.floor, code=row.code, name=row.name)
                for row in rows
            ],
            actor=self._actor, at=self._at,
        )  # fmt: skip
        there.room_rows |= {row.key: room for row, room in zip(rows, made, strict=True)}

    def _wires(self) -> None:
        there = self._there
        for _, row in self._draft.new["stations"]:
            there.station_rows[row.code] = stations.add_station(
                self._site, code=row.code, name=row.name, place=row.place, equipment=row.equipment, actor=self._actor,
                at=self._at,
            )  # fmt: skip
        for _, row in self._draft.new["gateways"]:
            there.lines[row.key] = wires.add_line(
                there.gateway_rows.get(row.code) or self._gateway(row), code=row.line, transport=row.transport,
                port=row.port, baud=row.baud or BAUD, medium=row.medium, actor=self._actor, at=self._at,
            )  # fmt: skip
        meters = [
            NewMeter(
                line=there.lines[row.gateway, row.line] if row.gateway else None, number=row.number,
                profile=row.profile, unit=row.unit, ratio=row.ratio,
            )
            for _, row in self._draft.new["meters"]
        ]  # fmt: skip
        for circuit in add_meters(self._site, meters, actor=self._actor, at=self._at):
            there.circuit_rows[circuit.meter.number, circuit.index] = circuit
        numbered = {circuit.meter.number: circuit.meter for circuit in there.circuit_rows.values()}
        sts = [(numbered[row.meter], attributes(row)) for _, row in self._draft.new["sts"]]
        register_all(self._site, sts, actor=self._actor, at=self._at)
        rooms = {"/".join(key): room for key, room in there.room_rows.items()}
        furnishings = [
            Furnishing(
                circuit=there.circuit_rows[row.meter, row.index], never_cut=row.never_cut,
                room=rooms[row.room] if row.room else None,
            )
            for _, row in self._draft.new["circuits"]
        ]  # fmt: skip
        furnish(self._site, furnishings, actor=self._actor, at=self._at)

    def _gateway(self, row: GatewayRow) -> Gateway:
        """A new one, as the first row of its lines says."""
        calls = row.transport in wires.CALLING
        made = wires.add_gateway(
            self._site, code=row.code, name=row.name, host="" if calls else row.host,
            identity=row.host if calls else "", secret=row.secret, actor=self._actor, at=self._at,
        )  # fmt: skip
        if row.station:
            stations.assign(made, self._there.station_rows[row.station], actor=self._actor, at=self._at)
        self._there.gateway_rows[row.code] = made
        return made

    def _plans(self) -> None:
        there, company = self._there, self._site.company
        new: dict[str, list[PlanRow]] = {}
        for _, row in self._draft.new["plans"]:
            new.setdefault(row.code, []).append(row)
        for code, rows in new.items():
            standing = there.plans.get(code)
            if standing is None:
                prices = sorted((row.valid_from, row.price) for row in rows)
                there.plans[code] = add_plan(
                    company, code=code, name=rows[0].name, prices=prices, actor=self._actor, at=self._at
                )
                continue
            for row in rows:
                plans.add_version(
                    standing, price=row.price, valid_from=row.valid_from, actor=self._actor, at=self._at
                )  # fmt: skip

    def _people(self) -> None:
        there = self._there
        rows = [row for _, row in self._draft.new["customers"]]
        made = load_customers(
            self._site.company,
            [
                KnownCustomer(
                    name=row.name, phone=row.phone, customer_class=row.customer_class, reference=row.reference
                )
                for row in rows
            ],
            actor=self._actor, at=self._at,
        )  # fmt: skip
        there.customer_rows |= {row.reference: customer for row, customer in zip(rows, made, strict=True)}
        contracts = [
            NewContract(
                number=row.number, customer=there.customer_rows[row.customer], opened_on=row.opened_on
            )
            for _, row in self._draft.new["contracts"]
        ]  # fmt: skip
        for contract in add_contracts(self._site, contracts, actor=self._actor, at=self._at):
            there.contract_rows[contract.number] = contract

    def _supplies(self) -> list[RowRefusal]:
        refusals = []
        for number, row in self._draft.new["supply_points"]:
            try:
                with transaction.atomic():
                    self._supply(row)
            except Refused as refused:
                refusals.append(
                    RowRefusal(sheet="supply_points", row=number, code=refused.code, params=refused.params)
                )
        return refusals

    def _supply(self, row: SupplyRow) -> None:
        there = self._there
        contract, plan = there.contract_rows[row.contract], there.plans[row.plan]
        circuit = there.circuit_rows[row.meter, row.circuit]
        if row.custody == Custody.SERVER:
            open_server_held(
                contract, circuit, plan, overdraft=row.overdraft, alarm_1=row.alarm_1, alarm_2=row.alarm_2,
                valid_from=row.valid_from, actor=self._actor, at=self._at,
            )  # fmt: skip
        elif row.carrier == Carrier.TOKEN:
            open_taken_over(
                contract, circuit, plan, valid_from=row.valid_from, actor=self._actor, at=self._at
            )
        else:
            opening_taken_over.begin(
                contract, circuit, plan, overdraft_minor=row.overdraft, alarm_1_minor=row.alarm_1,
                alarm_2_minor=row.alarm_2, valid_from=row.valid_from, actor=self._actor, at=self._at,
            )  # fmt: skip

