"""Purses that hold money: which unit a meter's credit is in, and whether its price can be that of a plan."""

from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from prewatt.core.meters import Profile
from prewatt.core.meters.prices import check_prices, flat_set
from prewatt.core.meters.registers import encode_value
from prewatt.core.meters.wallet import prices_for
from prewatt.core.refusals import Refused
from prewatt.office.estate import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.estate.models import Company, Custody, Plan, PlanAssignment, SupplyPoint
from prewatt.office.estate.profiles import all_profiles

WH = "Wh"


def credit_unit(profile: Profile, company: Company) -> str:
    """The unit of credit that a meter holds itself: "Wh", or the company's currency where its purse counts that
    currency's minor unit. Raises Refused `purse_other_currency`."""
    if profile.wallet is None:
        return WH
    if profile.wallet.exponent != company.exponent:
        raise Refused("purse_other_currency", currency=company.currency, decimals=profile.wallet.exponent)
    return company.currency


def check_price_fits(profile: Profile, price: Decimal) -> None:
    """Whether a purse in money can drain by a price as it stands. Raises Refused `value_too_fine`,
    `value_out_of_range`."""
    if profile.wallet is not None and profile.prices is not None and profile.prices.writable:
        check_prices(flat_set(price, profile.prices), profile.prices)
    elif profile.wallet is not None:
        for quantity, steps in prices_for(price, profile.settings).items():
            encode_value(profile.registers[quantity], steps)


def check_plan_fits(profile: Profile, plan: Plan, *, at: datetime) -> None:
    """The same of the price of a plan that is in force, and of every one to come."""
    if profile.wallet is None:
        return
    begun = plan.versions.filter(valid_from__lte=at).order_by("-valid_from").values_list("price", flat=True)[:1]
    for price in [*begun, *plan.versions.filter(valid_from__gt=at).values_list("price", flat=True)]:
        check_price_fits(profile, price)


def _supplied(plan: Plan) -> "QuerySet[PlanAssignment]":
    """Purses in money that a plan was given to."""
    return PlanAssignment.objects.filter(
        plan=plan, supply_point__custody=Custody.METER, supply_point__valid_to=None
    ).exclude(supply_point__credit_unit=WH)


def purses_of(plan: Plan) -> int:
    """How many meters that hold money a plan was given to: they drain by its price themselves."""
    return _supplied(plan).values("supply_point").distinct().count()


def check_meters_take(plan: Plan, price: Decimal) -> None:
    """Whether every purse in money that a plan holds for can drain by its new price. Raises Refused as above."""
    supplied = _supplied(plan)
    for code in supplied.values_list("supply_point__circuit__meter__profile", flat=True).distinct():
        profile = all_profiles().get(code)
        if profile is not None:
            check_price_fits(profile, price)


def check_meter_takes(supply: SupplyPoint, plan: Plan, *, at: datetime) -> None:
    """Whether the purse of a supply point can drain by the prices of a plan. Raises Refused as above."""
    profile = all_profiles().get(supply.circuit.meter.profile)
    if supply.custody == Custody.METER and profile is not None:
        check_plan_fits(profile, plan, at=at)
