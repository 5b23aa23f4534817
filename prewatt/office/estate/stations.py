"""Stations (通讯子站): where gateways stand together, fed and connected together. A gateway may belong to one."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet

from prewatt.core.refusals import Refused
from prewatt.office.estate import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.estate.models import Gateway, Site, Station
from prewatt.office.staff.audit import audit

FIELDS = ("name", "place", "equipment")


def add_station(
    site: Site, *, code: str, name: str, place: str = "", equipment: str = "", actor: str, at: datetime
) -> Station:
    """A station without gateways. Refuses name_needed, code_taken."""
    code, name = code.strip(), name.strip()
    if not code or not name:
        raise Refused("name_needed")
    try:
        with transaction.atomic():
            station = Station.objects.create(
                site=site, code=code, name=name, place=place.strip(), equipment=equipment.strip()
            )
            audit(
                at=at, actor=actor, action="estate.station_add", site_id=site.pk, object_type="station",
                object_id=str(station.pk), after={"code": code, **_shown(station)},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("code_taken", taken=code) from None
    return station


def edit_station(
    station: Station, *, name: str, place: str, equipment: str, actor: str, at: datetime
) -> None:
    """What it is called, where it is, what stands there. Refuses name_needed."""
    if not name.strip():
        raise Refused("name_needed")
    with transaction.atomic():
        locked = Station.objects.select_for_update(no_key=True).get(pk=station.pk)
        before = _shown(locked)
        locked.name, locked.place, locked.equipment = name.strip(), place.strip(), equipment.strip()
        locked.save(update_fields=list(FIELDS))
        audit(
            at=at, actor=actor, action="estate.station_edit", site_id=locked.site_id, object_type="station",
            object_id=str(locked.pk), before=before, after=_shown(locked),
        )  # fmt: skip


def assign(gateway: Gateway, station: Station | None, *, actor: str, at: datetime) -> bool:
    """Say where a gateway stands; None: at no station. The wire stays as it is, the head-end does not reconnect. True
    when it moved. Refuses station_other_site."""
    if station is not None and station.site_id != gateway.site_id:
        raise Refused("station_other_site")
    with transaction.atomic():
        locked = Gateway.objects.select_for_update(no_key=True).select_related(None).get(pk=gateway.pk)
        if locked.station_id == (station.pk if station else None):
            return False
        before = locked.station.code if locked.station is not None else ""
        locked.station = station
        locked.save(update_fields=["station"])
        audit(
            at=at, actor=actor, action="estate.gateway_station", site_id=locked.site_id, object_type="gateway",
            object_id=str(locked.pk), before={"station": before},
            after={"station": station.code if station else ""},
        )  # fmt: skip
    return True


def remove_station(station: Station, *, actor: str, at: datetime) -> None:
    """Take an empty station away; its trail stays. Refuses station_has_gateways."""
    with transaction.atomic():
        locked = Station.objects.select_for_update().get(pk=station.pk)
        if Gateway.objects.filter(station=locked).exists():
            raise Refused("station_has_gateways")
        audit(
            at=at, actor=actor, action="estate.station_remove", site_id=locked.site_id, object_type="station",
            object_id=str(locked.pk), before={"code": locked.code, **_shown(locked)},
        )  # fmt: skip
        locked.delete()


def with_counts(rows: QuerySet[Station]) -> QuerySet[Station]:
    """With `gateways`, how many stand there; by code."""
    return rows.annotate(gateways=Count("gateway", filter=Q(gateway__isnull=False))).order_by("code")


def _shown(station: Station) -> dict[str, str]:
    return {name: getattr(station, name) for name in FIELDS}
