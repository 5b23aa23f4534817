"""Exchanging a meter (换表): the old one's last reading ends its supply points, the new one's first begins theirs.

Held by the books, the balance stays where it is and charging goes on from the new meter's first reading. Held by the
meter, what the old one still held becomes an order for the new one, paid for by what was deferred for it. The rows of
the old meter, its circuits and supply points stay as they are: history is found by the contract.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import transaction

from prewatt.core.meters import Profile
from prewatt.core.refusals import Refused
from prewatt.office.changes import swap_errors as _errors  # noqa: F401  registers the texts
from prewatt.office.changes.final import LastWord, Stated, end_of, nothing_on_its_way
from prewatt.office.changes.held import nothing_payable
from prewatt.office.changes.models import Swap, SwapPart
from prewatt.office.changes.swap_steps import begin_new
from prewatt.office.estate.models import Carrier, Circuit, Custody, Line, Meter, SupplyPoint
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.estate.replacements import replace_meter
from prewatt.office.estate.wires import check_meter
from prewatt.office.metering import wishes
from prewatt.office.metering.moves import hand_over, retire_meter
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.vending.acts import MAX_REASON, check_reason
from prewatt.office.vending.limits import check_key
from prewatt.office.vending.models import CircuitCredit, Opening, Till

LIVE: Final = ("opening", "open", "closing")


@dataclass(frozen=True, kw_only=True)
class Read:
    """What was read at one circuit. `stated` None: the old meter was read by us in the last minutes. `first_wh`: where
    the new one stood when it was put up; None: it is asked, and counts from what it says."""

    stated: Stated | None = None
    first_wh: int | None = None


@dataclass(frozen=True, kw_only=True)
class SwapCommand:
    """One exchange as asked for. `read` by circuit index. `found`: what becomes of credit that is in the new meter."""

    key: str
    meter: Meter
    number: str
    profile: str
    line: Line
    unit: int
    ct_ratio: int
    read: Mapping[int, Read] = field(default_factory=dict)
    evidence: str = ""
    found: Opening.Act = Opening.Act.CLEAR
    reason: str
    till: Till
    actor: Actor
    at: datetime


def swap(command: SwapCommand) -> Swap:
    """Exchange a meter; the same key gives the first exchange again.

    Raises Refused: not_permitted, key_required, reason_needed, swap_..., delivery_unsettled, money_unsettled,
    contract_not_open, custody_not_supported, server_custody_unsupported, reading_not_fresh, reading_not_billed,
    meter_busy, handed_to_no_relay, and those of `estate.replacements.replace_meter` and of the openings.
    """
    command.actor.require(Act.CLOSE_CONTRACT)
    kept, request_key = check_reason(command.reason), f"{command.actor.key}:{check_key(command.key)}"
    with transaction.atomic():
        Meter.objects.select_for_update(no_key=True).get(pk=command.meter.pk)
        first = Swap.objects.filter(request_key=request_key).first()
        if first is not None:
            return first
        meter = Meter.objects.select_related("line__gateway").get(pk=command.meter.pk)
        profile = _may_swap(command, meter)
        supplies = _supplies(meter)
        for supply in supplies:
            _may_go_on(command, supply, profile)
        retire_meter(meter, at=command.at)
        ended = {supply.pk: end_of(supply, _read(command, supply).stated, at=command.at) for supply in supplies}
        circuits = replace_meter(
            meter, number=command.number, profile=command.profile, line=command.line, unit=command.unit,
            ct_ratio=command.ct_ratio, actor=command.actor.key, at=command.at,
        )  # fmt: skip
        made: Swap = Swap.objects.create(
            site_id=meter.site_id, old_meter=meter, new_meter=circuits[1].meter, reason=kept,
            evidence=command.evidence.strip(), request_key=request_key, actor=command.actor.key,
            actor_name=command.actor.name, till=command.till, at=command.at,
        )  # fmt: skip
        for supply in supplies:
            _go_on(made, command, supply, ended[supply.pk], circuits[supply.circuit.index])
        for old in Circuit.objects.filter(meter=meter).order_by("index"):
            hand_over(old, circuits[old.index], actor=command.actor.key, at=command.at)
        audit(
            at=command.at, actor=command.actor.key, action="changes.swap", site_id=meter.site_id, object_type="meter",
            object_id=str(meter.pk), reason=kept,
            before={"number": meter.number, "profile": meter.profile},
            after={"number": command.number, "profile": command.profile, "swap": made.pk, "evidence": made.evidence,
                   "final_wh": {supply.circuit.index: ended[supply.pk].energy_wh for supply in supplies},
                   "credit": {supply.circuit.index: ended[supply.pk].credit for supply in supplies}},
        )  # fmt: skip
    return made


def _may_swap(command: SwapCommand, meter: Meter) -> Profile:
    if meter.removed_at is not None:
        raise Refused("swap_gone")
    if command.number == meter.number:
        raise Refused("swap_same_meter")
    profile = check_meter(
        number=command.number, profile=command.profile, unit=command.unit, ct_ratio=command.ct_ratio
    )
    stated = any(each.stated is not None for each in command.read.values())
    if stated and not command.evidence.strip():
        raise Refused("swap_needs_evidence")
    if len(command.evidence.strip()) > MAX_REASON:
        raise Refused("reason_too_long", most=MAX_REASON)
    return profile


def _supplies(meter: Meter) -> list[SupplyPoint]:
    """Who is supplied by the meter, locked: circuits first, as every act does; then the purses, so that nobody sells
    to one between the look at its deliveries and its end."""
    list(Circuit.objects.select_for_update(no_key=True).filter(meter=meter).order_by("pk"))
    live = SupplyPoint.objects.filter(circuit__meter=meter, state__in=LIVE).order_by("pk")
    list(live.select_for_update(no_key=True, of=("self",)))
    purses = CircuitCredit.objects.filter(circuit__meter=meter, circuit__supplypoint__in=live.filter(custody="meter"))
    list(purses.order_by("pk").select_for_update(no_key=True, of=("self",)))
    return list(live.select_related("circuit__site__company", "circuit__meter", "contract__customer", "contract__site"))


def _may_go_on(command: SwapCommand, supply: SupplyPoint, profile: Profile) -> None:
    """What can be said before anything is written."""
    if supply.carrier != Carrier.NETWORK:
        raise Refused("swap_by_token")
    if supply.state != "open" or supply.contract.state != "open":
        raise Refused("contract_not_open")
    if supply.custody not in profile.custody:
        refused = "custody_not_supported" if supply.custody == Custody.METER else "server_custody_unsupported"
        raise Refused(refused, profile=profile.code)
    old = all_profiles()[supply.circuit.meter.profile]
    if supply.custody == Custody.METER and profile.credit_unit != old.credit_unit:
        raise Refused("swap_credit_unit")
    nothing_on_its_way(supply)
    nothing_payable(supply)


def _read(command: SwapCommand, supply: SupplyPoint) -> Read:
    return command.read.get(supply.circuit.index, Read())


def _go_on(made: Swap, command: SwapCommand, supply: SupplyPoint, last: LastWord, circuit: Circuit) -> None:
    """The same contract is supplied by the new circuit from the moment on at which the old one was read last."""
    read = _read(command, supply)
    wishes.release(supply.circuit, at=command.at)
    credit = CircuitCredit.objects.filter(circuit=supply.circuit).first()
    part = SwapPart(
        swap=made, index=supply.circuit.index, old_supply=supply, new_circuit=circuit, state=SwapPart.State.OPENING,
        final_at=last.at, final_wh=last.energy_wh, stated=read.stated is not None, first_wh=read.first_wh,
        credit=last.credit, value_minor=last.value_minor, act=command.found.value,
        carried_minor=credit.carried_minor if credit is not None and supply.custody == Custody.METER else 0,
    )  # fmt: skip
    begin_new(part, actor=command.actor, at=command.at)
