"""Settings written into a meter that stands (参数下发): alarm levels, overdraft, hoarding and load limits, one or several.

The driver writes once and reads back; only what the meter then shows becomes what was agreed with the contract. Each
value that was wanted stays as a version (`WantedSetting`); what is known of it is `metering.parameters`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from prewatt.core.meters import Profile
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import encode_value
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit, Custody, SupplyPoint
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering import parameters
from prewatt.office.metering.jobs import decode, enqueue
from prewatt.office.metering.models import JobRow, JobState, WantedSetting
from prewatt.office.metering.parameters import ParameterState
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act

# what is agreed with a contract and may be written by hand, and the column of the supply point that holds it
WRITABLE: Final[Mapping[Quantity, str]] = {
    Quantity.ALARM_LEVEL_1: "alarm_1",
    Quantity.ALARM_LEVEL_2: "alarm_2",
    Quantity.OVERDRAFT_LIMIT: "overdraft",
    Quantity.HOARDING_LIMIT: "hoarding_limit",
    Quantity.LOAD_LIMIT: "load_limit_w",
}
# no contract says how these stand: what was agreed is what the meter showed last
OWN: Final = (
    Quantity.MALICIOUS_SWITCH, Quantity.MALICIOUS_STEP, Quantity.ALARM_TRIPS_1, Quantity.ALARM_TRIPS_2,
    Quantity.PAY_MODE,
)  # fmt: skip
SWITCHES: Final = frozenset(OWN) - {Quantity.MALICIOUS_STEP}  # 0 or 1
# not its purse's: also where the books hold the credit
OF_THE_METER: Final = frozenset({Quantity.LOAD_LIMIT, Quantity.MALICIOUS_SWITCH, Quantity.MALICIOUS_STEP})
LIFE: Final = timedelta(minutes=15)  # a setting that arrives hours later surprises whoever changed his mind
PREFIX: Final = "settings:"  # of the keys of these jobs; an opening's have others
TASK: Final = "metering.settings_done"


def writable(circuit: Circuit) -> list[Quantity]:
    """What this circuit's meter lets us write now, in the order of `WRITABLE` and `OWN`."""
    profile, supply = all_profiles().get(circuit.meter.profile), _supply(circuit)
    if profile is None or supply is None:
        return []
    return [each for each in (*WRITABLE, *OWN) if may_write(profile, supply, each)]


def may_write(profile: Profile, supply: SupplyPoint, quantity: Quantity) -> bool:
    """Whether a meter of this model lets us write it, the way its credit is held."""
    if quantity not in (*WRITABLE, *OWN):
        return False
    return quantity in profile.settings and (supply.custody == Custody.METER or quantity in OF_THE_METER)


def _supply(circuit: Circuit) -> SupplyPoint | None:
    return SupplyPoint.objects.filter(circuit=circuit, state=SupplyPoint.State.OPEN).first()


def supply_of(circuit: Circuit) -> SupplyPoint:
    """The open supply point with which these parameters are agreed. Raises Refused `settings_not_open`."""
    found = _supply(circuit)
    if found is None:
        raise Refused("settings_not_open")
    return found


def agreed_with(supply: SupplyPoint) -> dict[Quantity, int]:
    """What is agreed with the contract of each parameter that is written by hand."""
    return {quantity: int(getattr(supply, column)) for quantity, column in WRITABLE.items()}


def standing(supply: SupplyPoint) -> dict[Quantity, int]:
    """What is agreed, and of the meter's own parameters what it showed last; those it never showed are left out."""
    shown = parameters.shown(supply.circuit_id)
    return agreed_with(supply) | {each: shown[each] for each in OWN if each in shown}


def write(
    circuit: Circuit, wanted: Mapping[Quantity, int], *, reason: str, actor: Actor, request_key: str, at: datetime
) -> int:
    """Ask the head-end to write; the id of the job. Only what differs from what was agreed is written, and what is
    agreed but known to stand otherwise in the meter, or not known at all since a write that was not answered.

    Raises Refused `not_permitted`, `settings_not_open`, `setting_not_supported`, `settings_unchanged`,
    `settings_alarm_order`, `value_too_fine`, `value_out_of_range`, `settings_running` (retry).
    """
    actor.require(Act.METER_SETTINGS)
    return want(circuit, wanted, reason=reason, actor=actor.key, key=request_key, at=at)


def want(
    circuit: Circuit, wanted: Mapping[Quantity, int], *, reason: str, actor: str, key: str, at: datetime,
    anew: bool = False,
) -> int:  # fmt: skip
    """The same for whoever may, which the caller has asked. `anew`: this meter may never have been told what was
    agreed, so that all is written that it did not show. Raises Refused as `write`."""
    profile = all_profiles().get(circuit.meter.profile)
    with transaction.atomic():
        Circuit.objects.select_for_update().get(pk=circuit.pk)
        key = f"{PREFIX}{key}:{circuit.pk}"
        known = JobRow.objects.filter(key=key).first()
        if known is not None:
            return int(known.pk)
        supply = supply_of(circuit)
        agreed = standing(supply)
        if supply.custody != Custody.METER and not set(wanted) & OF_THE_METER:
            raise Refused("settings_not_open")
        if profile is None or not all(may_write(profile, supply, each) for each in wanted):
            raise Refused("setting_not_supported")
        if anew:
            shown = parameters.shown(circuit.pk)
            changed = {each: value for each, value in wanted.items() if shown.get(each) != value}
        else:
            changed = _differing(circuit, wanted, agreed)
        if not changed:
            raise Refused("settings_unchanged")
        after = {**agreed, **changed}
        if after[Quantity.ALARM_LEVEL_1] < after[Quantity.ALARM_LEVEL_2]:
            raise Refused("settings_alarm_order")
        for quantity, value in changed.items():
            if value < 0 or (quantity in SWITCHES and value > 1):
                raise Refused("value_out_of_range", quantity=quantity.value, value=value)
            encode_value(profile.registers[quantity], value)
        if running(circuit):
            raise Refused("settings_running", retry=True)
        job_id = enqueue(
            key=key, circuit_id=circuit.pk, at=at, actor=actor, expires_at=at + LIFE, then_task=TASK,
            job=Job(intent=Intent.WRITE_SETTINGS, circuit_index=circuit.index, settings=changed),
            then_args={"circuit_id": circuit.pk},
        )  # fmt: skip
        WantedSetting.objects.bulk_create(
            [
                WantedSetting(
                    circuit=circuit, quantity=quantity.value, value=value, before=agreed.get(quantity), reason=reason,
                    actor=actor, set_at=at, job_id=job_id,
                )
                for quantity, value in changed.items()
            ]
        )  # fmt: skip
        audit(
            at=at, actor=actor, action="metering.settings", site_id=circuit.site_id, object_type="circuit",
            object_id=str(circuit.pk), reason=reason,
            before={WRITABLE.get(quantity, quantity.value): agreed.get(quantity) for quantity in changed},
            after={WRITABLE.get(quantity, quantity.value): value for quantity, value in changed.items()},
        )  # fmt: skip
    return job_id


def _differing(
    circuit: Circuit, wanted: Mapping[Quantity, int], agreed: Mapping[Quantity, int]
) -> dict[Quantity, int]:
    """What is to be written: also what was agreed, where the meter is known to show, or may hold, something else."""
    doubtful = {
        each.quantity
        for each in parameters.of_circuit(circuit.pk, agreed)
        if each.state in (ParameterState.DIFFERS, ParameterState.UNKNOWN, ParameterState.REFUSED)
    }
    return {each: value for each, value in wanted.items() if agreed.get(each) != value or each in doubtful}


def running(circuit: Circuit) -> bool:
    """Whether settings are on their way to this circuit's meter."""
    waiting = JobRow.objects.filter(circuit=circuit, state__in=(JobState.QUEUED, JobState.CLAIMED))
    return waiting.filter(intent=Intent.WRITE_SETTINGS.value).exists()


def settle(circuit_id: int) -> bool:
    """What the meter was read back with becomes what is agreed; True when something changed. Harmless when repeated.

    A write that ended otherwise changes nothing here: the page says of each parameter what is known.
    """
    with transaction.atomic():
        rows = JobRow.objects.filter(
            circuit_id=circuit_id, intent=Intent.WRITE_SETTINGS.value, key__startswith=PREFIX, state=JobState.DONE
        )
        job = rows.order_by("-pk").first()
        supply = (
            SupplyPoint.objects.select_for_update()
            .filter(circuit_id=circuit_id, state=SupplyPoint.State.OPEN)
            .first()
        )
        if job is None or supply is None or job.verdict != Verdict.DONE or job.created_at < supply.valid_from:
            return False
        read = {WRITABLE[each]: job.values.get(each.value) for each in decode(job.payload).settings if each in WRITABLE}
        new = {column: value for column, value in read.items() if value is not None}
        if {column: getattr(supply, column) for column in new} == new:
            return False
        SupplyPoint.objects.filter(pk=supply.pk).update(**new)
    return True
