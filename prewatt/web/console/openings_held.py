"""Opening where the books hold the credit (后台计费): the part of the form in money, and what it starts."""

from collections.abc import Callable
from datetime import datetime

from django.http import QueryDict
from django.utils.translation import gettext as _

from prewatt.core.meters import Custody
from prewatt.core.refusals import Refused
from prewatt.core.units import currency, parse_amount
from prewatt.office.changes.openings import HeldOpening, HeldTerms, open_held
from prewatt.office.estate.models import Circuit, Contract, Customer, Plan
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.estate.scope import visible_to
from prewatt.office.staff.actors import of_operator
from prewatt.office.vending.models import Opening, Till
from prewatt.web.console.settings_fields import Field, local, moment, text
from prewatt.web.console.views_base import Ask


def able_of(chosen: Circuit | None) -> list[str]:
    """The custodies that the meter of a circuit can; both while none is chosen."""
    profile = all_profiles().get(chosen.meter.profile) if chosen is not None else None
    if profile is None:
        return ["meter", "server"]
    return sorted(each for each in profile.custody if each is not Custody.METER or profile.takes_orders)


def custody_field(able: list[str], *more: tuple[str, str, str]) -> Field:
    """Who holds the credit; of a meter that was chosen beforehand only what it can do. `more`: ways beside these."""
    words = [
        (
            "meter", _("in the meter"),
            _("it counts down and trips by itself; thresholds in kWh, or in money where it holds money"),
        ),
        ("server", _("in the office"), _("the books count down, the server switches; thresholds in money")),
    ]
    auto = [("", _("as the meter can"), _("in the meter where it has a purse of its own, else in the office"))]
    options = [*(each for each in words if each[0] in able), *more]
    return Field(
        name="custody", label=_("Who holds the credit"), kind="radio", value=options[0][0] if len(options) == 1 else "",
        options=options if len(options) == 1 else auto + options,
    )  # fmt: skip


def money_fields(ask: Ask) -> list[Field]:
    """What is agreed where the office holds the credit."""
    unit = {"unit": ask.site.currency}
    return [
        Field(name="alarm_1_money", label=_("Alarm level 1, %(unit)s") % unit, kind="decimal", value="50"),
        Field(name="alarm_2_money", label=_("Alarm level 2, %(unit)s") % unit, kind="decimal", value="10"),
        Field(
            name="overdraft_money",
            label=_("Overdraft, %(unit)s") % unit,
            kind="decimal",
            value="0",
            hint=_("How far below zero supply goes on."),
        ),
    ]


def start_fields(ask: Ask) -> list[Field]:
    """Under which contract, with which balance, from when."""
    return [
        Field(
            name="contract",
            label=_("Under the contract"),
            most=20,
            hint=_("Its number, where this is a further circuit of one that stands; empty: a new contract."),
        ),
        Field(
            name="balance",
            label=_("Balance"),
            kind="radio",
            value="shared",
            options=[
                ("shared", _("one for the contract"), _("all its circuits that the office counts share it")),
                ("own", _("one of its own"), ""),
            ],
        ),
        Field(
            name="from",
            label=_("From"),
            kind="datetime-local",
            value=local(ask.at, ask.zone),
            hint=_("The first good reading from then on is the opening reading; nothing before it is billed."),
        ),
    ]


def wants_server(form: QueryDict, circuit: Circuit) -> bool:
    """What was chosen, or what the meter can where nothing was."""
    wanted = form.get("custody", "")
    if wanted in ("meter", "server"):
        return wanted == "server"
    profile = all_profiles().get(circuit.meter.profile)
    return profile is not None and "meter" not in profile.custody


def amount(ask: Ask, form: QueryDict, name: str) -> int:
    """Money as typed -> minor units; empty is 0. Raises Refused amount_malformed, amount_too_precise, ..."""
    typed = form.get(name, "").strip()[:32]
    return parse_amount(typed, currency(ask.site.currency)) if typed else 0


def held_terms(ask: Ask, form: QueryDict, plan: Plan) -> HeldTerms:
    """What is agreed, as typed."""
    return HeldTerms(
        plan=plan,
        alarm_1=amount(ask, form, "alarm_1_money"),
        alarm_2=amount(ask, form, "alarm_2_money"),
        overdraft=amount(ask, form, "overdraft_money"),
        shared=form.get("balance", "shared") != "own",
    )


def contract_named(ask: Ask, number: str) -> Contract | None:
    """A contract of this site that he may see; None: none was named. Raises Refused contract_unknown."""
    if not number:
        return None
    found = visible_to(ask.operator, Contract).filter(number=number, site_id=ask.site.id).first()
    if found is None:
        raise Refused("contract_unknown")
    return found


def start_held(
    ask: Ask, circuit: Circuit, plan: Plan, till: Till, *, key: str, customer: Callable[[], Customer]
) -> Opening:
    """Start it in the caller's transaction. `customer` enters or finds him where the contract is new."""
    form = ask.request.POST
    contract = contract_named(ask, text(form, "contract", 20))
    begins: datetime = moment(form, "from", ask.zone) or ask.at
    return open_held(
        HeldOpening(
            key=key,
            circuit=circuit,
            customer=None if contract is not None else customer(),
            contract=contract,
            terms=held_terms(ask, form, plan),
            valid_from=begins,
            till=till,
            actor=of_operator(ask.operator),
            at=ask.at,
        )
    )
