"""Strangers who dialled in: take one over as a gateway, with its meter where it is one, or refuse him.

A caller belongs to no site until he is taken over, so the list is the installation's: whoever may enter gateways sees
all of it, and a name is all that it shows of anybody.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from prewatt.core.meters.mailbox import NOT_PROVED
from prewatt.core.refusals import Refused
from prewatt.office.estate import wires
from prewatt.office.estate.models import Gateway, Room, Site
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering.models import Caller, Heartbeat
from prewatt.office.staff.audit import audit

SHOWN_MOST: Final = 200
WRONG_KEY_SHOWN: Final = timedelta(days=1)  # a gateway that knows its key by now is no longer spoken of
LIVES: Final = timedelta(seconds=30)  # a head-end beats each second; its clock and ours may be apart
HEADEND: Final = "headend:"
LINE: Final = "1"  # code of the one line of a gateway that dials in


def waiting() -> Sequence[Caller]:
    """Those nobody has decided about, the last to call first; at most SHOWN_MOST. One that was entered as a gateway
    since he called, by hand or from a spreadsheet, is no stranger."""
    known = Gateway.objects.exclude(identity="").values("identity")
    rows = Caller.objects.filter(refused_at=None).exclude(detail=NOT_PROVED).exclude(identity__in=known)
    return list(rows.order_by("-last_at", "identity")[:SHOWN_MOST])


def not_proved(site_id: int, *, at: datetime) -> Sequence[Caller]:
    """Who said the name of a gateway of this site and a wrong key within the last day, the last first."""
    names = Gateway.objects.filter(site_id=site_id).exclude(secret="").values("identity")
    rows = Caller.objects.filter(detail=NOT_PROVED, identity__in=names, last_at__gt=at - WRONG_KEY_SHOWN)
    return list(rows.order_by("-last_at", "identity")[:SHOWN_MOST])


def refused() -> Sequence[Caller]:
    """Those that were sent away, the last to be refused first."""
    return list(Caller.objects.exclude(refused_at=None).order_by("-refused_at", "identity")[:SHOWN_MOST])


def brokers_away(*, at: datetime) -> list[tuple[str, str]]:
    """(head-end, stable code why) of the head-ends that live and do not reach their MQTT broker."""
    living = Heartbeat.objects.filter(part__startswith=HEADEND, at__gt=at - LIVES, detail__has_key="broker")
    return [(each.part.removeprefix(HEADEND), str(each.detail["broker"])) for each in living.order_by("part")]


def one(identity: str) -> Caller:
    """Refuses caller_gone."""
    found = Caller.objects.filter(pk=identity).first()
    if found is None:
        raise Refused("caller_gone", identity=identity)
    return found


def take_over(
    identity: str, site: Site, *, code: str, name: str, baud: int, heartbeat: str = "", number: str = "",
    profile: str = "", unit: int = 1, ct_ratio: int = 1, room: Room | None = None, secret: str = "",
    sealed: bool = True, port: int = 1, actor: str, at: datetime,
) -> Gateway:  # fmt: skip
    """He is a gateway of this site from now on, with one line, and with a meter where `number` is given; the head-end
    serves him within seconds. An Acrel gateway has a `secret` and the line is its serial `port`. Refuses caller_gone,
    gateway_secret_malformed and what entering a gateway, a line and a meter refuses."""
    with transaction.atomic():
        caller = Caller.objects.select_for_update().filter(pk=identity).first()
        if caller is None:
            raise Refused("caller_gone", identity=identity)
        if (caller.kind == wires.ACREL_GATEWAY) != bool(secret):
            raise Refused("gateway_secret_malformed")
        gateway = wires.add_gateway(
            site, code=code, name=name, identity=caller.identity, heartbeat=heartbeat, secret=secret, sealed=sealed,
            actor=actor, at=at,
        )  # fmt: skip
        way = wires.transport_of(gateway)
        line = wires.add_line(gateway, code=LINE, transport=way, port=port, baud=baud, actor=actor, at=at)
        if number:
            wires.add_meter(
                line, number=number, profile=profile, unit=unit, ct_ratio=ct_ratio, room=room, common=False,
                actor=actor, at=at,
            )  # fmt: skip
        caller.delete()
    return gateway


def refuse(identity: str, *, site_id: int, actor: str, at: datetime) -> None:
    """He is hung up on from now on; the site is that whose trail says so. Refuses caller_gone."""
    _decide(identity, "metering.caller_refuse", refused_at=at, site_id=site_id, actor=actor, at=at)


def let_wait(identity: str, *, site_id: int, actor: str, at: datetime) -> None:
    """A refused one may wait again. Refuses caller_gone."""
    _decide(identity, "metering.caller_let_wait", refused_at=None, site_id=site_id, actor=actor, at=at)


def _decide(
    identity: str, action: str, *, refused_at: datetime | None, site_id: int, actor: str, at: datetime
) -> None:
    with transaction.atomic():
        caller = Caller.objects.select_for_update().filter(pk=identity).first()
        if caller is None:
            raise Refused("caller_gone", identity=identity)
        caller.refused_at, caller.refused_by = refused_at, actor if refused_at else ""
        caller.save(update_fields=["refused_at", "refused_by"])
        audit(
            at=at, actor=actor, action=action, site_id=site_id, object_type="caller", object_id=caller.identity,
            after={"identity": caller.identity, "peer": caller.peer, "kind": caller.kind},
        )  # fmt: skip
