"""A meter that stands is given another model: a newer version of the site's own, or what it should have been.

While a circuit is supplied under a contract, what is billed by and what holds the credit must be read as before:
another address or scale of these would look like use, or like credit that nobody paid for.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from django.db import transaction

from prewatt.core.meters import Profile
from prewatt.core.meters.model import inside
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused, Text, register
from prewatt.office.estate.models import Carrier, Circuit, Custody, Meter, SupplyPoint
from prewatt.office.estate.profiles import all_profiles, usable
from prewatt.office.metering.moves import change_profile
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.roles import Act
from prewatt.office.vending.acts import check_reason
from prewatt.office.vending.models import OPEN_DELIVERY_STATES, Delivery

register(
    {
        "profile_same": Text(en="The meter has this model already.", zh="电表已经是这个表型。"),
        "profile_meter_gone": Text(
            en="This meter was taken down. Nothing was changed.", zh="这块表已拆除。什么都没有改。"
        ),
        "profile_counts_otherwise": Text(
            en="Circuit {index} is supplied under a contract, and the new model reads its {quantity} otherwise. "
            "Nothing was changed. Close the contract first, or exchange the meter.",
            zh="第 {index} 回路正在合同供电中，而新表型读取 {quantity} 的方式不同。什么都没有改。请先销户，或换表。",
        ),
    }
)

LIVE: Final = ("opening", "open", "closing")
BILLED: Final = (Quantity.ENERGY_IMPORT_TOTAL,)
PURSE: Final = (
    Quantity.BALANCE,
    Quantity.OVERDRAWN,
    Quantity.USE_PAST_ZERO,
    Quantity.PURCHASE_COUNT,
    Quantity.LAST_ORDER_KIND,
    Quantity.LAST_ORDER_AMOUNT,
    Quantity.PURCHASED_TOTAL,
    Quantity.ORDER_RESULT,
    *(each for each in Quantity if each.value.startswith("price_")),
)


def move_to(meter: Meter, name: str, *, reason: str, actor: Actor, at: datetime) -> None:
    """Give a meter another model; the head-end reads it so from its next plan on.

    Raises Refused: not_permitted, reason_needed, reason_too_long, profile_same, profile_meter_gone,
    profile_counts_otherwise, custody_not_supported, server_custody_unsupported, delivery_unsettled, meter_busy, and
    those of `wires.set_profile`.
    """
    actor.require(Act.ESTATE)
    kept = check_reason(reason)
    with transaction.atomic():
        meter = Meter.objects.select_for_update(no_key=True).get(pk=meter.pk)
        if meter.removed_at is not None:
            raise Refused("profile_meter_gone")
        if meter.profile == name:
            raise Refused("profile_same")
        new, old = usable(name, meter.site_id), all_profiles().get(meter.profile)
        list(Circuit.objects.select_for_update(no_key=True).filter(meter=meter).order_by("pk"))
        live = SupplyPoint.objects.filter(circuit__meter=meter, state__in=LIVE).select_related("circuit").order_by("pk")
        for supply in live.select_for_update(no_key=True, of=("self",)):
            _may_go_on(supply, old, new)
        change_profile(meter, name, reason=kept, actor=actor.key, at=at)


def _may_go_on(supply: SupplyPoint, old: Profile | None, new: Profile) -> None:
    if supply.custody not in new.custody:
        held = supply.custody == Custody.METER
        raise Refused("custody_not_supported" if held else "server_custody_unsupported", profile=new.code)
    if Delivery.objects.filter(circuit=supply.circuit, state__in=OPEN_DELIVERY_STATES).exists():
        raise Refused("delivery_unsettled")
    in_purse = supply.custody == Custody.METER and supply.carrier == Carrier.NETWORK
    for quantity in (*BILLED, *PURSE) if in_purse else BILLED:
        if old is None or way(old, quantity) != way(new, quantity):
            raise Refused("profile_counts_otherwise", index=supply.circuit.index, quantity=quantity.value)
    if supply.custody == Custody.METER and (old is None or _purse_of(old) != _purse_of(new)):
        raise Refused("profile_counts_otherwise", index=supply.circuit.index, quantity=Quantity.BALANCE.value)


def way(profile: Profile, quantity: Quantity) -> tuple[object, ...] | None:
    """All that decides which number a meter's answer becomes; None where the model has no such register."""
    held = profile.registers.get(quantity)
    if held is None:
        return None
    blocks = profile.blocks.get(held.group, ())
    functions = frozenset(block.function for block in blocks if inside(held, block))
    stride = 0 if held.shared else profile.stride
    return (
        profile.protocol, held.address, held.how, held.invalid, functions, stride, profile.ratio_applied,
        profile.rollover_kwh,
    )  # fmt: skip


def _purse_of(profile: Profile) -> tuple[object, ...]:
    """How orders are told, apart from where their source stands."""
    order = None if profile.order is None else replace(profile.order, source="", assumed=False)
    credit = None if profile.credit is None else replace(profile.credit, source="", assumed=False)
    return profile.credit_unit, profile.resolution, profile.wallet, order, credit
