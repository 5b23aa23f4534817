"""Make-up (补电): credit without payment, asked by one person and agreed by another."""

from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Q

from prewatt.core.refusals import Refused
from prewatt.core.units import Rounding
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.roles import Act
from prewatt.office.vending import by_token
from prewatt.office.vending.acts import ActResult, check_reason, keyed, run
from prewatt.office.vending.models import Act as ActRow
from prewatt.office.vending.quotes import facts_of
from prewatt.office.vending.returns import worth

MAX_MAKE_UP: Final = 10_000_000  # credit unit: 10,000 kWh, or 100,000.00; free credit beyond that is no correction


def ask(
    *, contract_number: str, circuit_id: int, credit: int, reason: str, actor: Actor, key: str, at: datetime
) -> ActResult:
    """First person. Nothing is sent before a second person agrees.

    Raises Refused `not_permitted`, `reason_needed`, `circuit_not_of_contract`, `contract_not_open`,
    `credit_malformed`, `make_up_above_most`, `make_up_above_hoarding_limit`.
    """
    actor.require(Act.MAKE_UP_ASK)
    kept = check_reason(reason)
    if credit > MAX_MAKE_UP:
        raise Refused("make_up_above_most", most=MAX_MAKE_UP)
    facts = facts_of(contract_number, circuit_id, at)
    if facts is None:
        raise Refused("circuit_not_of_contract")
    value = worth(facts, credit, Rounding.NEAREST)
    head = keyed(actor, key, ["make_up", contract_number, circuit_id, credit, kept])
    return run("vending_make_up_ask", [*head, contract_number, circuit_id, credit, value, kept, actor.key, at])


def agree(act: ActRow, *, actor: Actor, at: datetime, reason: str = "") -> ActResult:
    """Second person: the order goes to the meter now. Agreeing twice changes nothing.

    By token it is a free-issue token, which takes the same two persons.
    Raises Refused `not_permitted`, `act_unknown`, `act_not_asked`, `second_person_needed`, `delivery_open`, ...
    """
    actor.require(Act.MAKE_UP_AGREE)
    with transaction.atomic():
        result = run("vending_make_up_answer", [act.pk, True, reason.strip(), actor.key, at])
        delivery = result.act.delivery
        assert delivery is not None, "agreed to"
        if not result.replayed and delivery.job_id is None and delivery.credit_account_id is None:
            by_token.ask_for_make_up(result.act, agreed_by=actor, at=at)
    by_token.go_on(Q(pk=delivery.pk), at=at)
    return result


def decline(act: ActRow, *, actor: Actor, at: datetime, reason: str) -> ActResult:
    """Second person says no; nothing was sent, nothing will be."""
    actor.require(Act.MAKE_UP_AGREE)
    return run("vending_make_up_answer", [act.pk, False, check_reason(reason), actor.key, at])
