"""An opening or closing in words: its steps, what was found in the meter, why it was refused."""

from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import message
from prewatt.core.units import Rounding, amount_for_energy
from prewatt.office.estate.plans import version_in_force
from prewatt.office.vending.models import Opening
from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats

State = Opening.State
_ORDER = (State.READING, State.NEEDS_ACT, State.CLEARING, State.WRITING, State.DONE)
_BALANCE, _COUNT = Quantity.BALANCE.value, Quantity.PURCHASE_COUNT.value
_TOTAL, _NUMBER = Quantity.ENERGY_IMPORT_TOTAL.value, Quantity.METER_NUMBER.value


def _kwh(value: object) -> str:
    return f"{formats.energy(value)} kWh" if isinstance(value, int) else formats.DASH


def _credit(one: Opening, value: object) -> str:
    """Credit as its holder counts it."""
    if not isinstance(value, int) or one.supply_point.credit_unit == "Wh":
        return _kwh(value)
    company = one.contract.site.company
    return formats.money(value, company.currency, company.exponent)


def _read_fact(one: Opening) -> str:
    """What the meter said first."""
    values = one.read_values
    if not values:
        return ""
    number = values.get(_NUMBER)
    told = [_("number %s") % f"{number:012d}"] if isinstance(number, int) else []
    told += [_("balance %s") % _credit(one, values.get(_BALANCE)), _("count %s") % values.get(_COUNT, formats.DASH)]
    if isinstance(values.get(_TOTAL), int):
        told.append(_("register %s") % _kwh(values[_TOTAL]))
    return " · ".join(told)


def _work(one: Opening, ask: Ask) -> str:
    """What the step that is at work waits for: never a spinner without an end."""
    job = one.job
    if job is None:
        return ""
    if job.state == "queued" and job.due_at > ask.at:
        return _("the meter did not answer; asked again at %s") % formats.clock_seconds(job.due_at, ask.zone)
    if job.state == "queued":
        return _("waits for its line")
    return _("the meter is being asked")


def steps_of(one: Opening, ask: Ask) -> list[dict[str, Any]]:
    """The steps for the steps part: stage, name, fact, time."""
    if one.supply_point.carrier == "token":
        closed = one.kind == Opening.Kind.CLOSE
        done = _("Contract closed") if closed else _("Contract opened")
        names = [
            (State.READING, _("Stated"), _read_fact(one) if one.read_values else _("the registers were not read")),
            (State.DONE, done, _("the slip is printed") if closed else _("credit comes as tokens; selling can begin")),
        ]
    elif one.supply_point.custody == "server":
        names = _held_steps(one, ask)
    elif one.kind == Opening.Kind.CLOSE:
        names = [
            (State.READING, _("Read"), _read_fact(one)),
            (State.DONE, _("Contract closed"), _("the slip is printed")),
        ]
    else:
        names = [(State.READING, _("Read"), _read_fact(one))]
        if one.state == State.NEEDS_ACT or one.act:
            names.append((State.NEEDS_ACT, _("Credit found"), _act_fact(one)))
        if one.act == Opening.Act.CLEAR or one.state == State.CLEARING:
            names.append((State.CLEARING, _("Clear"), _("the purse is emptied by an order")))
        names += [
            (State.WRITING, _("Write"), _written(one)),
            (State.DONE, _("Contract opened"), _("the meter agrees; selling can begin")),
        ]
    return [_step(one, state, name, fact, ask) for state, name, fact in names]


def _held_steps(one: Opening, ask: Ask) -> list[tuple[State, str, str]]:
    """Where the books hold the credit nothing is written into the meter."""
    total = one.read_values.get(_TOTAL)
    fact = _("register %s") % _kwh(total) if isinstance(total, int) else ""
    balance = one.read_values.get(_BALANCE)
    if isinstance(balance, int):
        company = one.contract.site.company
        fact += " · " + _("balance %s") % formats.money(balance, company.currency, company.exponent)
    if one.kind == Opening.Kind.CLOSE:
        return [
            (State.READING, _("Read"), fact),
            (State.DONE, _("Contract closed"), _("charged up to this reading; the slip is printed")),
        ]
    return [
        (State.READING, _("Opening reading"), fact),
        (State.DONE, _("Contract opened"), _("from this reading on use is charged")),
    ]


def _written(one: Opening) -> str:
    if one.supply_point.credit_unit != "Wh":
        return _("alarm amounts, overdraft, limits and the price it drains by, read back")
    return _("alarm levels, overdraft and limits, read back")


def _act_fact(one: Opening) -> str:
    return {
        Opening.Act.TAKE_OVER.value: _("taken over"),
        Opening.Act.CLEAR.value: _("to be cleared"),
    }.get(one.act, _("waits for a decision"))


def _step(one: Opening, state: State, name: str, fact: str, ask: Ask) -> dict[str, Any]:
    reached = _reached(one)
    place, here = _ORDER.index(state), _ORDER.index(reached)
    if one.state == State.REFUSED:
        stage = "done" if place < here else "refused" if place == here else "todo"
    elif one.state == State.DONE or place < here:
        stage = "done"
    else:
        stage = "now" if place == here else "todo"
    if stage == "now" and state in (State.READING, State.CLEARING, State.WRITING):
        fact = _work(one, ask)
    time = ""
    if state == State.DONE and one.done_at and stage == "done":
        time = formats.clock_seconds(one.done_at, ask.zone)
    return {"stage": stage, "name": name, "fact": fact if stage != "todo" else "", "time": time, "at": None}


def _reached(one: Opening) -> State:
    """The step at which it stands, or stood when it was refused: told by what its last job wanted."""
    if one.state != State.REFUSED:
        return State(one.state)
    intent = one.job.intent if one.job else ""
    return {"write_settings": State.WRITING, "credit": State.CLEARING}.get(intent, State.READING)


def found_words(one: Opening) -> str:
    """The credit or debt found in the meter, and its worth."""
    balance = one.read_values.get(_BALANCE)
    if not isinstance(balance, int):
        return ""
    company = one.contract.site.company
    if one.supply_point.credit_unit != "Wh":
        said = {"sum": _credit(one, abs(balance))}
        if balance < 0:
            return _("The meter shows %(sum)s of debt. Decide what becomes of it.") % said
        return _("The meter still holds %(sum)s. Decide what becomes of it.") % said
    worth = amount_for_energy(
        abs(balance),
        price=version_in_force(one.supply_point, at=one.at).price,
        exponent=company.exponent,
        rounding=Rounding.NEAREST,
    )
    told = {"energy": _kwh(abs(balance)), "worth": formats.money(worth, company.currency, company.exponent)}
    if balance < 0:
        return (
            _("The meter shows %(energy)s of debt (%(worth)s at the present price). Decide what becomes of it.") % told
        )
    return _("The meter still holds %(energy)s (%(worth)s at the present price). Decide what becomes of it.") % told


def refusal_words(one: Opening, ask: Ask) -> tuple[str, str]:
    """(what happened, what to do): the code's text, with what was read."""
    if one.code == "cancelled":
        return _("Given up: nothing was opened and nothing is supplied."), ""
    balance = one.read_values.get(_BALANCE)
    shown = _credit(one, abs(balance)) if isinstance(balance, int) else formats.DASH
    said = message(
        one.code, get_language() or "zh-hans",
        {
            "balance": shown, "number": one.supply_point.circuit.meter.number,
            "why": one.read_values.get("why", formats.DASH),
        },
    )  # fmt: skip
    if one.kind == Opening.Kind.CLOSE:
        return said, _("The contract stays open.")
    return said, _(
        "Nothing was opened and nothing is supplied. What was written may be written again by the next opening."
    )
