"""Scans of lines (扫描) as people ask for them: begin, stop, and what was found as JSON and back.

A scan belongs to a line and to no meter, so it is no job: it has a table of its own and goes to the head-end with the
same leases and epochs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, transaction

from prewatt.core.meters.identify import Why
from prewatt.core.meters.jobs import Frame
from prewatt.core.meters.model import Protocol
from prewatt.core.meters.scanning import FIRST_UNIT, LAST_UNIT, MAX_BAUDS
from prewatt.core.refusals import Refused
from prewatt.office.estate import links, wires
from prewatt.office.estate.models import Line
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering.jobs import frames_of
from prewatt.office.metering.models import LineScan
from prewatt.office.staff.audit import audit

KEPT: Final = 20  # scans of one line; older ones say nothing about it any more
State = LineScan.State
OPEN: Final = (State.WAITING, State.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One proposal as it was stored."""

    codes: tuple[str, ...]
    permille: int
    why: tuple[Why, ...]
    number: str
    assumed: bool


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Somebody who answered, as it was stored."""

    protocol: Protocol
    address: str
    baud: int
    garbled: bool
    proposals: tuple[Shown, ...]
    frames: tuple[Frame, ...]


def begin(
    line: Line, *, protocols: Sequence[Protocol], first: int = FIRST_UNIT, last: int = LAST_UNIT,
    bauds: Sequence[int] = (), actor: str, at: datetime,
) -> LineScan:  # fmt: skip
    """Ask for a scan; the head-end begins it within seconds. `bauds`: to try beside the line's own, where the speed is
    ours to set. Refuses scan_nothing_chosen, scan_range, scan_speed_fixed, scan_transparent, scan_mqtt,
    scan_concentrator, scan_running."""
    if not protocols:
        raise Refused("scan_nothing_chosen")
    if not FIRST_UNIT <= first <= last <= LAST_UNIT:
        raise Refused("scan_range")
    others = [baud for baud in dict.fromkeys(bauds) if baud != line.baud][: MAX_BAUDS - 1]
    if others and line.transport not in links.OWN_SPEED:
        raise Refused("scan_speed_fixed")
    if line.transport == wires.MQTT:
        raise Refused("scan_mqtt")
    if line.medium:
        raise Refused("scan_concentrator")
    if Protocol.DLT645 in protocols and line.transport in links.MODBUS_TCP:
        raise Refused("scan_transparent")
    plan = {
        "protocols": [each.value for each in dict.fromkeys(protocols)], "first": first, "last": last,
        "bauds": [line.baud, *others],
    }  # fmt: skip
    try:
        with transaction.atomic():
            old = LineScan.objects.filter(line=line).exclude(state__in=OPEN).order_by("-pk")[KEPT - 1 :]
            LineScan.objects.filter(pk__in=[each.pk for each in old]).delete()
            scan = LineScan.objects.create(
                site_id=line.gateway.site_id, gateway=line.gateway, line=line, plan=plan, state=State.WAITING,
                actor=actor, created_at=at,
            )  # fmt: skip
            audit(
                at=at, actor=actor, action="metering.scan_begin", site_id=scan.site_id, object_type="line",
                object_id=str(line.pk), after=plan,
            )  # fmt: skip
    except IntegrityError:
        raise Refused("scan_running") from None
    return scan


def stop(scan: LineScan, *, actor: str, at: datetime) -> None:
    """End a scan; one that runs ends after the question it is at. Refuses scan_over."""
    with transaction.atomic():
        held = LineScan.objects.select_for_update().get(pk=scan.pk)
        if held.state not in OPEN:
            raise Refused("scan_over")
        if held.state == State.WAITING:
            held.state, held.finished_at = State.STOPPED, at
        held.stop_asked = True
        held.save(update_fields=["state", "finished_at", "stop_asked"])
        audit(
            at=at, actor=actor, action="metering.scan_stop", site_id=held.site_id, object_type="line",
            object_id=str(held.line_id), after={"asked": held.asked, "total": held.total},
        )  # fmt: skip


def found_of(stored: Sequence[Mapping[str, Any]]) -> list[Answered]:
    """Who answered, as the head-end said."""
    return [
        Answered(
            protocol=Protocol(each["protocol"]), address=each["address"], baud=each["baud"], garbled=each["garbled"],
            proposals=tuple(
                Shown(
                    codes=tuple(one["codes"]), permille=one["permille"], why=tuple(Why(why) for why in one["why"]),
                    number=one["number"], assumed=one["assumed"],
                )
                for one in each["proposals"]
            ),
            frames=frames_of(each["frames"]),
        )
        for each in stored
    ]  # fmt: skip
