"""Lists of a campaign for those who walk: meters in the order of the building, with their sets. Read only, but for the
trace of who took one away."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.tokens.models import Campaign

PAGE_MOST: Final = 500  # lines of one page
_LINES: Final = """
SELECT * FROM (
    SELECT DISTINCT ON (cm.id) b.sort, b.code AS building, r.floor, r.code AS room, cm.id, r.name, e.number,
        m.meter_pan, cm.state, cm.code, cm.request_id, t.digits
    FROM tokens_campaignmeter cm JOIN tokens_stsmeter m ON m.id = cm.sts_meter_id
    JOIN estate_meter e ON e.id = m.meter_id
    LEFT JOIN tokens_token t ON t.request_id = cm.request_id
    LEFT JOIN estate_circuit c ON c.meter_id = e.id
    LEFT JOIN estate_room r ON r.id = c.room_id
    LEFT JOIN estate_building b ON b.id = r.building_id
    WHERE cm.campaign_id = %s AND cm.state = ANY(%s) AND (%s::bigint IS NULL OR b.id = %s)
        AND (%s::bigint IS NULL OR cm.id = %s)
    ORDER BY cm.id, c.index
) AS line
WHERE (coalesce(sort, 32767), coalesce(building, ''), coalesce(floor, 32767), coalesce(room, ''), id)
    > (%s, %s, %s, %s, %s)
ORDER BY coalesce(sort, 32767), coalesce(building, ''), coalesce(floor, 32767), coalesce(room, ''), id LIMIT %s
"""
FIRST: Final[tuple[Any, ...]] = (-32768, "", -32768, "", 0)


@dataclass(frozen=True, kw_only=True)
class RouteLine:
    """One meter of the list. `place` goes back into `route` as `after` for the next page."""

    place: tuple[Any, ...]
    building: str
    floor: int | None
    room: str
    sign: str
    number: str
    meter_pan: str
    state: str
    code: str
    request_id: int | None
    digits: tuple[str, ...]


def route(
    campaign: Campaign, *, states: tuple[str, ...] = ("issued", "delivered"), building_id: int | None = None,
    only: int | None = None, after: tuple[Any, ...] = FIRST, most: int = PAGE_MOST,
) -> list[RouteLine]:  # fmt: skip
    """A page of the list, building by building, floor by floor; `only` is one line by its id.

    The digits are those that stand; showing them changes nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _LINES,
            [campaign.pk, list(states), building_id, building_id, only, only, *after, min(most, PAGE_MOST)],
        )
        rows = cursor.fetchall()
    return [
        RouteLine(
            place=(_or(sort, 32767), building or "", _or(floor, 32767), room or "", row_id), building=building or "",
            floor=floor, room=room or "", sign=name or "", number=number, meter_pan=pan, state=state, code=code,
            request_id=request_id, digits=tuple(digits or ()),
        )
        for sort, building, floor, room, row_id, name, number, pan, state, code, request_id, digits in rows
    ]  # fmt: skip


def _or(number: int | None, other: int) -> int:
    return other if number is None else number


def taken(
    campaign: Campaign, *, meters: int, building_id: int | None, form: str, actor: Actor, at: datetime
) -> None:
    """Somebody shows, prints or takes away a list with digits (`form`: "page", "sheet"): the trail says who.

    Raises Refused `not_permitted`.
    """
    actor.require(Act.TOKENS)
    with transaction.atomic():
        audit(
            at=at, actor=actor.key, action="tokens.route_list", site_id=campaign.site_id, object_type="campaign",
            object_id=str(campaign.pk), after={"meters": meters, "building_id": building_id, "form": form},
        )  # fmt: skip
