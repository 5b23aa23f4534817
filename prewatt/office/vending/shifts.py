"""Tills and shifts: open with a float, hand over with a drawer that agrees (交班)."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet, Sum

from prewatt.core.refusals import Refused
from prewatt.core.units import MAX_AMOUNT_MINOR
from prewatt.office.ledger.call import call
from prewatt.office.payments.models import Payment, Tender
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending import act_errors as _act_errors  # noqa: F401  registers the texts
from prewatt.office.vending import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.vending.models import Sale, Shift, Till

_CODE: Final = re.compile(r"[A-Za-z0-9]{1,8}")


@dataclass(frozen=True, kw_only=True)
class TenderTotal:
    """What came in and went out by one tender in a shift, minor units, both >= 0."""

    tender: Tender
    count: int
    in_minor: int
    out_minor: int


@dataclass(frozen=True, kw_only=True)
class Drawer:
    """A shift as it stands: what the hand-over page shows."""

    shift: Shift
    float_minor: int
    expected_minor: int  # cash that should be in the drawer, from the ledger
    sales: int
    totals: tuple[TenderTotal, ...]


def add_till(
    *, site_id: int, code: str, name: str, actor: Actor | None, at: datetime, needs_shift: bool = True
) -> Till:
    """A new window. `actor` None: the system. Raises Refused `not_permitted`, `till_malformed`, `till_exists`."""
    if actor is not None:
        actor.require(Act.OPERATORS)
    if _CODE.fullmatch(code) is None or not 1 <= len(name.strip()) <= 32:
        raise Refused("till_malformed")
    try:
        with transaction.atomic():
            till = Till.objects.create(site_id=site_id, code=code, name=name.strip(), needs_shift=needs_shift)
            audit(
                at=at, actor=actor.key if actor else "system", action="vending.till_add", site_id=site_id,
                object_type="till", object_id=str(till.pk), after={"code": code, "needs_shift": needs_shift},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("till_exists", till=code) from None
    return till


def open_shift(*, till_id: int, float_minor: int, actor: Actor, at: datetime) -> Shift:
    """Raises Refused `not_permitted`, `amount_malformed_minor`, `till_unknown`, `till_needs_no_shift`,
    `shift_open_already`, `day_closed`."""
    actor.require(Act.SHIFT)
    if not 0 <= float_minor <= MAX_AMOUNT_MINOR:
        raise Refused("amount_malformed_minor")
    row = call(
        "SELECT outcome, shift_id FROM vending_shift_open(%s, %s, %s, %s, %s)",
        [till_id, actor.operator_id, float_minor, actor.key, at],
    )
    assert row is not None
    if row[0] != "done":
        raise Refused(row[0])
    return Shift.objects.get(pk=row[1])


def open_shift_of(operator_id: int, site_id: int) -> Shift | None:
    """The operator's open shift at a site, newest first; None: he must open one."""
    return (
        Shift.objects.select_related("till")
        .filter(operator_id=operator_id, till__site_id=site_id, closed_at=None)
        .order_by("-id")
        .first()
    )


def drawer(shift: Shift) -> Drawer:
    """What should be in the drawer now, and how it came about."""
    row = call("SELECT vending_drawer(%s)", [shift.pk])
    assert row is not None
    rows = Payment.objects.filter(shift_id=shift.pk)
    inward = {each["tender"]: each for each in _sums(rows.filter(amount_minor__gt=0))}
    outward = {each["tender"]: each for each in _sums(rows.filter(amount_minor__lt=0))}
    totals = tuple(
        TenderTotal(
            tender=tender,
            count=sum(side[tender.value]["n"] for side in (inward, outward) if tender.value in side),
            in_minor=int(inward[tender.value]["total"]) if tender.value in inward else 0,
            out_minor=-int(outward[tender.value]["total"]) if tender.value in outward else 0,
        )
        for tender in Tender
    )
    return Drawer(
        shift=shift,
        float_minor=shift.float_minor,
        expected_minor=shift.expected_minor if shift.expected_minor is not None else int(row[0]),
        sales=Sale.objects.filter(shift=shift).count(),
        totals=totals,
    )


def _sums(rows: QuerySet[Payment]) -> list[dict[str, Any]]:
    return [dict(each) for each in rows.values("tender").annotate(n=Count("id"), total=Sum("amount_minor"))]


def hand_over(
    shift: Shift, *, counted_minor: int, actor: Actor, at: datetime, accept_difference: bool = False, note: str = ""
) -> Shift:
    """Close the shift (交班): what was counted must be what the books expect, and goes to the safe.

    A manager may accept a difference with a reason; it is booked to over_short.
    Raises Refused `not_permitted`, `amount_malformed_minor`, `shift_unknown`, `shift_closed`,
    `shift_not_yours`, `drawer_differs`, `reason_needed`, `day_closed`.
    """
    actor.require(Act.SHIFT)
    if accept_difference:
        actor.require(Act.SHIFT_DIFFERENCE)
    if not 0 <= counted_minor <= MAX_AMOUNT_MINOR:
        raise Refused("amount_malformed_minor")
    row = call(
        "SELECT outcome, expected FROM vending_shift_hand_over(%s, %s, %s, %s, %s, %s, %s)",
        [shift.pk, actor.operator_id, counted_minor, accept_difference and may(actor.role, Act.SHIFT_DIFFERENCE),
         note.strip()[:255], actor.key, at],
    )  # fmt: skip
    assert row is not None
    if row[0] != "done":
        raise Refused(row[0], counted=counted_minor, expected=row[1])
    return Shift.objects.select_related("till").get(pk=shift.pk)
