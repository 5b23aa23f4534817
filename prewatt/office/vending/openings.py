"""Opening (开户): a conversation with the meter, from reading it to the settings it agrees to.

`open_contract` writes contract and supply point as *opening* and asks the meter who it is and what it
holds. Each outcome defers `opening_steps.advance`, which looks at the row again and takes one step: credit that is
not zero is taken over or cleared by a stated act, the settings are written and read back, and only
then is the supply point open. Closing is in `closings.py`.
"""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

from prewatt.core.meters import Profile
from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.wallet import prices_for
from prewatt.core.refusals import Refused
from prewatt.core.units import Rounding, amount_for_energy
from prewatt.office.estate.models import Circuit, Contract, Customer, Plan, PlanAssignment, Site, SupplyPoint
from prewatt.office.estate.money_purses import check_plan_fits, credit_unit
from prewatt.office.estate.plans import version_in_force
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.ledger import books
from prewatt.office.ledger.models import AccountKind
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.vending import opening_errors as _errors  # noqa: F401  registers the texts
from prewatt.office.vending import purse_prices
from prewatt.office.vending.limits import check_key
from prewatt.office.vending.models import CircuitCredit, Opening, Receipt, Till
from prewatt.office.vending.opening_rows import ask, end_refused, locked, move
from prewatt.office.vending.purse_prices import holds_money, one_price, read_back
from prewatt.office.vending.slips import issue_slip

State = Opening.State


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is agreed at opening. Thresholds in the circuit's credit unit, 0 = none for the limits."""

    plan: Plan
    alarm_1: int
    alarm_2: int
    overdraft: int = 0
    hoarding_limit: int = 0
    load_limit_w: int = 0


@dataclass(frozen=True, kw_only=True)
class OpenCommand:
    """One opening as asked for. `act` may be stated beforehand for a meter that holds credit."""

    key: str
    circuit: Circuit
    customer: Customer
    terms: Terms
    till: Till
    actor: Actor
    at: datetime
    act: Opening.Act = Opening.Act.NONE
    contract: Contract | None = None  # one that stands, where the credit of its circuit changes hands


def open_contract(command: OpenCommand) -> Opening:
    """Start an opening; the same key gives the first one again.

    Raises Refused: not_permitted, key_required, circuit_supplied, circuit_common, custody_not_supported,
    levels_order, plan_without_price, plan_other_company, security_provider_missing, clear_not_supported; of a purse
    in money purse_other_currency, and for a price that the meter cannot drain by value_too_fine, value_out_of_range.
    """
    command.actor.require(Act.OPEN_CONTRACT)
    request_key = f"{command.actor.key}:{check_key(command.key)}"
    terms, circuit, at = command.terms, command.circuit, command.at
    if circuit.use == Circuit.Use.COMMON:
        raise Refused("circuit_common")
    profile = all_profiles().get(circuit.meter.profile)
    if profile is None or not profile.takes_orders:
        raise Refused("custody_not_supported")
    check_credited(profile, command.act)
    if not terms.alarm_1 >= terms.alarm_2 >= 0 or min(terms.overdraft, terms.hoarding_limit, terms.load_limit_w) < 0:
        raise Refused("levels_order")
    if terms.plan.company_id != circuit.site.company_id:
        raise Refused("plan_other_company")
    unit = credit_unit(profile, circuit.site.company)
    check_plan_fits(profile, terms.plan, at=at)
    with transaction.atomic():
        Circuit.objects.select_for_update(no_key=True).get(pk=circuit.pk)
        first = Opening.objects.filter(request_key=request_key).first()
        if first is not None:
            return first
        standing = SupplyPoint.objects.select_related("contract").filter(circuit=circuit, valid_to=None).first()
        if standing is not None:
            raise Refused("circuit_supplied", number=standing.contract.number)
        contract = command.contract or new_contract(circuit.site, command.customer)
        supply = SupplyPoint.objects.create(
            contract=contract, circuit=circuit, custody="meter", credit_unit=unit, state="opening", valid_from=at,
            alarm_1=terms.alarm_1, alarm_2=terms.alarm_2, overdraft=terms.overdraft,
            hoarding_limit=terms.hoarding_limit, load_limit_w=terms.load_limit_w,
        )  # fmt: skip
        PlanAssignment.objects.create(supply_point=supply, plan=terms.plan, valid_from=at)
        version_in_force(supply, at=at)
        opening = Opening.objects.create(
            site_id=circuit.site_id, kind=Opening.Kind.OPEN, state=State.READING, act=command.act, contract=contract,
            supply_point=supply, request_key=request_key, actor=command.actor.key, actor_name=command.actor.name,
            till=command.till, at=at,
        )  # fmt: skip
        ask(opening, Job(intent=Intent.READ_PURSE, circuit_index=circuit.index), at=at)
        audit(
            at=at, actor=command.actor.key, action="vending.open", site_id=circuit.site_id, object_type="contract",
            object_id=contract.number, after={"circuit": circuit.pk, "customer": command.customer.pk},
        )  # fmt: skip
    return opening


def check_credited(profile: Profile, act: Opening.Act) -> None:
    """Whether we can put credit into a model at all, and take what it holds out of it where that was stated.

    Raises Refused security_provider_missing, clear_not_supported.
    """
    if profile.credit is not None and profile.credit.secured and settings.PREWATT_SECURITY == "none":
        raise Refused("security_provider_missing")
    if act == Opening.Act.CLEAR and not profile.carries(OrderKind.CLEAR):
        raise Refused("clear_not_supported")


def new_contract(site: Site, customer: Customer) -> Contract:
    """A contract with the next number, opening: it is open when its first supply point is."""
    made: Contract = Contract.objects.create(
        site=site, number=_next_number(site.pk), customer=customer, state="opening"
    )
    return made


def _next_number(site_id: int) -> str:
    """户号: 3, the site, and a running number; 8 digits or more. One that other books gave out already is passed by."""
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval('estate_contract_number')")
            row = cursor.fetchone()
        assert row is not None
        number = f"3{site_id:02d}{row[0]:05d}"
        if not Contract.objects.filter(number=number).exists():
            return number


def choose(opening: Opening, act: Opening.Act, *, actor: Actor, at: datetime) -> Opening:
    """State what becomes of credit found in the meter: take it over or clear it.

    Raises Refused: not_permitted, opening_needs_no_act, clear_not_supported.
    """
    actor.require(Act.OPEN_CONTRACT)
    assert act is not Opening.Act.NONE, "an act must be stated"
    with transaction.atomic():
        row = locked(opening.pk)
        if row.state != State.NEEDS_ACT:
            raise Refused("opening_needs_no_act")
        profile = all_profiles().get(row.supply_point.circuit.meter.profile)
        if profile is not None:
            check_credited(profile, act)
        row.act = act
        Opening.objects.filter(pk=row.pk).update(act=act)
        audit(
            at=at, actor=actor.key, action="vending.opening_act", site_id=row.site_id, object_type="contract",
            object_id=row.contract.number, after={"act": act.value, "balance": row.read_values.get("balance")},
        )  # fmt: skip
        _dispose(row, at=at)
    return row


def cancel(opening: Opening, *, actor: Actor, at: datetime) -> Opening:
    """Give an opening up: nothing is supplied under it. Raises Refused not_permitted, opening_unknown (it is done)."""
    actor.require(Act.OPEN_CONTRACT)
    with transaction.atomic():
        row = locked(opening.pk)
        held = row.supply_point.custody == "server"  # `changes.openings.give_up` looks at its balance first
        if held or row.kind != Opening.Kind.OPEN or row.state in (State.DONE, State.CLEARING, State.WRITING):
            raise Refused("opening_unknown")
        end_refused(row, "cancelled", at=at)
    return row


def was_read(row: Opening, values: dict[str, int], *, at: datetime) -> None:
    """Judge what the meter said first: who it is, and what it holds."""
    meter = row.supply_point.circuit.meter
    Opening.objects.filter(pk=row.pk).update(read_values=values)
    row.read_values = values
    number = values.get(Quantity.METER_NUMBER.value)
    if number is not None and number != int(meter.number):
        end_refused(row, "meter_number_differs", at=at)
    elif values.get(Quantity.BALANCE.value) is None or values.get(Quantity.PURCHASE_COUNT.value) is None:
        end_refused(row, "custody_not_supported", at=at)
    elif values[Quantity.BALANCE.value] != 0 and not row.act:
        move(row, State.NEEDS_ACT)
    else:
        _dispose(row, at=at)


def _dispose(row: Opening, *, at: datetime) -> None:
    """Go on from what was read: clear the purse first where that was stated, else write the settings."""
    if row.act == Opening.Act.CLEAR and row.read_values[Quantity.BALANCE.value] != 0:
        move(row, State.CLEARING)
        order = Order(count=row.read_values[Quantity.PURCHASE_COUNT.value] + 1, kind=OrderKind.CLEAR, amount=0)
        ask(row, Job(intent=Intent.CREDIT, circuit_index=row.supply_point.circuit.index, order=order), at=at)
    else:
        write_settings(row, at=at)


def write_settings(row: Opening, *, at: datetime) -> None:
    """Write what was agreed; the driver reads it back. A purse in money is told the price in force as well, or where it
    keeps a standby set of prices, as soon as it is open."""
    supply = row.supply_point
    move(row, State.WRITING)
    profile = all_profiles()[supply.circuit.meter.profile]
    prices = prices_for(version_in_force(supply, at=at).price, profile.settings) if holds_money(supply) else {}
    settings = {
        Quantity.ALARM_LEVEL_1: supply.alarm_1,
        Quantity.ALARM_LEVEL_2: supply.alarm_2,
        Quantity.OVERDRAFT_LIMIT: supply.overdraft,
        Quantity.HOARDING_LIMIT: supply.hoarding_limit,
        Quantity.LOAD_LIMIT: supply.load_limit_w,
        **prices,
    }
    ask(row, Job(intent=Intent.WRITE_SETTINGS, circuit_index=supply.circuit.index, settings=settings), at=at)


def done(row: Opening, *, at: datetime) -> None:
    """The meter agreed: open the books of this circuit, the supply point and the contract; print the slip."""
    supply, contract = row.supply_point, row.contract
    count = row.read_values[Quantity.PURCHASE_COUNT.value]
    taken_over = row.read_values[Quantity.BALANCE.value]
    if row.act == Opening.Act.CLEAR and taken_over != 0:
        count, taken_over = count + 1, 0
    CircuitCredit.objects.update_or_create(
        circuit=supply.circuit,
        defaults={"site_id": row.site_id, "purchase_count": count, "carried_minor": 0, "updated_at": at},
    )
    SupplyPoint.objects.filter(pk=supply.pk).update(state="open")
    written = one_price(row.job) if holds_money(supply) and row.job is not None else None
    if written is not None:
        read_back(supply, written, at=at)
    elif holds_money(supply):
        purse_prices.opened(supply, at=at)
    Contract.objects.filter(pk=contract.pk, state="opening").update(state="open", opened_at=at)
    worth = book_take_over(row, taken_over, at=at) if taken_over > 0 else 0
    move(row, State.DONE, done_at=at)
    issue_slip(
        row, kind=Receipt.Kind.OPENING, at=at,
        data={
            "balance": taken_over, "purchase_count": count, "taken_over_minor": worth,
            "alarm_1": supply.alarm_1, "alarm_2": supply.alarm_2, "overdraft": supply.overdraft,
            "hoarding_limit": supply.hoarding_limit, "load_limit_w": supply.load_limit_w,
            "energy_wh": row.read_values.get(Quantity.ENERGY_IMPORT_TOTAL.value),
            "price": str(version_in_force(supply, at=at).price),
        },
    )  # fmt: skip


def book_take_over(row: Opening, credit: int, *, at: datetime) -> int:
    """Credit that was in the meter already becomes deferred income against the opening account; its worth. Money is
    worth itself."""
    site = row.contract.site
    company = site.company
    worth = credit if holds_money(row.supply_point) else amount_for_energy(
        credit, price=version_in_force(row.supply_point, at=at).price, exponent=company.exponent,
        rounding=Rounding.NEAREST,
    )  # fmt: skip
    if worth <= 0:
        return 0
    opening = books.account(company_id=company.pk, site_id=site.pk, kind=AccountKind.OPENING, key="opening")
    deferred = books.account(
        company_id=company.pk, site_id=site.pk, kind=AccountKind.DEFERRED_INCOME, key="deferred_income"
    )
    books.book(
        books.NewEntry(
            company_id=company.pk, site_id=site.pk, timezone=site.timezone, key=f"opening:{row.pk}", kind="opening",
            actor=row.actor, at=at,
            transfers=[books.Transfer(debit_account_id=opening, credit_account_id=deferred, amount_minor=worth)],
        )
    )  # fmt: skip
    return worth
