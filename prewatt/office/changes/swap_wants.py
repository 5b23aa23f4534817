"""What was wanted of an exchanged meter becomes wanted of the one in its place: parameters that were written one by
one, times of use, and when prices are to swap.

It begins when every circuit of the exchange is done, by the conversations that any such want has, each for itself; what
the new model cannot be told is kept with the reason, for the exchange's page. What somebody has wanted of the new meter
meanwhile stands. Credit goes over by `swap_steps`, and the prices themselves are always the plan's.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.db import DatabaseError, OperationalError, transaction

from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused
from prewatt.office.changes import swap_errors as _errors  # noqa: F401  registers the texts
from prewatt.office.changes.models import Swap, SwapPart
from prewatt.office.estate.models import Meter
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import parameters, settings
from prewatt.office.metering.models import WantedPrices, WantedSchedule, WantedSetting
from prewatt.office.metering.prices import PRICE_SETS
from prewatt.office.metering.standby import SETTLED, Pair, earliest
from prewatt.office.metering.times import TIMES
from prewatt.office.vending import price_sets, purse_prices

logger = logging.getLogger(__name__)

TIMES_OF_USE: Final = "times"
PRICES: Final = "prices"
SYSTEM: Final = "system"  # what it wanted of prices it wants of the new meter by itself
SWEEP_BATCH: Final = 100  # exchanges are rare; a round each five seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Want:
    """One version of the old meter. `what`: a quantity, `TIMES_OF_USE` or `PRICES`; `index` 0: the whole meter's.
    `code`: why the new one's model cannot be told. `ask` wants it of the new one; False: not yet."""

    what: str
    index: int
    version: int
    code: str
    ask: Callable[[datetime], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Handed:
    """What became of one. `code` "": the new meter is asked for it, or showed it already; else why it is not."""

    what: str
    index: int
    code: str


def actor_of(made: Swap) -> str:
    """Who wants it of the new meter, in its versions and the trail."""
    return f"swap:{made.pk}"


def handed(made: Swap) -> list[Handed]:
    """What has gone over, and what did not."""
    return [Handed(what=each["what"], index=each["index"], code=each["code"]) for each in made.handed]


def outlook(made: Swap) -> list[Handed]:
    """What would, as far as the new model says: for whoever looks before he exchanges."""
    return [Handed(what=each.what, index=each.index, code=each.code) for each in _wants(made)]


def sweep(*, at: datetime) -> int:
    """Hand over what can be; how many exchanges were looked at. Runs twice, late or never without harm."""
    unfinished = SwapPart.objects.exclude(state=SwapPart.State.DONE)
    waiting = list(
        Swap.objects.filter(handed_at=None).exclude(parts__in=unfinished).order_by("?").values_list("pk", flat=True)[
            :SWEEP_BATCH
        ]
    )
    for pk in waiting:
        try:
            hand_over(pk, at=at)
        except OperationalError:  # not this one's fault: the database is away
            raise
        except (DatabaseError, Refused):
            logger.exception("what was wanted before exchange %s could not be handed over", pk)
    return len(waiting)


def hand_over(swap_id: int, *, at: datetime) -> bool:
    """Want of the new meter what was wanted of the old one; whether all of it has been."""
    with transaction.atomic():
        Swap.objects.select_for_update(no_key=True).get(pk=swap_id)
        made = Swap.objects.select_related("old_meter__site", "new_meter__site").get(pk=swap_id)
        if made.handed_at is not None or made.parts.exclude(state=SwapPart.State.DONE).exists():
            return made.handed_at is not None
        if made.new_meter.removed_at is not None:  # it was exchanged itself, before it could be told
            Swap.objects.filter(pk=swap_id).update(handed_at=at)
            return True
        kept: list[dict[str, Any]] = list(made.handed)
        known, all_of_it = {(each["what"], each["version"]) for each in kept}, True
        for want in _wants(made):
            if (want.what, want.version) in known:
                continue
            code = want.code or _asked(want, at)
            if code is None:
                all_of_it = False
                continue
            kept.append({"what": want.what, "index": want.index, "version": want.version, "code": code})
        Swap.objects.filter(pk=swap_id).update(handed=kept, handed_at=at if all_of_it else None)
    return all_of_it


def _asked(want: Want, at: datetime) -> str | None:
    """"": the new meter is asked; a code: it cannot be; None: not yet."""
    try:
        with transaction.atomic():
            return "" if want.ask(at) else None
    except Refused as refused:
        if refused.code == "settings_unchanged":
            return ""
        return None if refused.retry else refused.code


def _wants(made: Swap) -> Iterator[Want]:
    for part in made.parts.select_related("old_supply", "new_supply", "new_circuit__meter").order_by("index"):
        wanted = parameters.newest(part.old_supply.circuit_id, since=part.old_supply.valid_from)
        for quantity, version in sorted(wanted.items()):
            if quantity in (*settings.WRITABLE, *settings.OWN):  # a price is the plan's
                profile = all_profiles().get(part.new_circuit.meter.profile)
                fits = profile is not None and settings.may_write(profile, part.new_supply, quantity)
                yield Want(
                    what=quantity.value, index=part.index, version=version.pk,
                    code="" if fits else "setting_not_supported", ask=partial(_setting, made, part, quantity, version),
                )  # fmt: skip
    for times in _times_of(made):
        yield Want(
            what=TIMES_OF_USE, index=0, version=times.pk, code=_unfit(TIMES, made.new_meter),
            ask=partial(_times, made, times),
        )  # fmt: skip
    prices = PRICE_SETS.newest(made.old_meter)
    if prices is not None and prices.actor != SYSTEM and prices.swap_at > made.at:
        yield Want(
            what=PRICES, index=0, version=prices.pk, code=_unfit(PRICE_SETS, made.new_meter),
            ask=partial(_prices, made, prices),
        )  # fmt: skip


def _unfit(pair: Pair[Any, Any, Any, Any], meter: Meter) -> str:
    table = pair.table_of(meter)
    if table is None:
        return pair.unknown
    return "" if table.writable else pair.single


def _setting(made: Swap, part: SwapPart, quantity: Quantity, version: WantedSetting, at: datetime) -> bool:
    if quantity in parameters.newest(part.new_circuit_id):
        raise Refused("swap_wanted_since")
    settings.want(
        part.new_circuit, {quantity: version.value}, reason=version.reason, actor=actor_of(made),
        key=f"{actor_of(made)}:{version.pk}", at=at, anew=True,
    )  # fmt: skip
    return True


def _times_of(made: Swap) -> list[WantedSchedule]:
    """What is wanted now; before it what held at the exchange, where the other was still to come."""
    versions = TIMES.versions(made.old_meter)
    held = [each for each in versions if each.job.verdict == "done" and each.swap_at <= made.at]
    if not versions or versions[0].swap_at <= made.at:
        return list(versions[:1])
    return [*held[:1], versions[0]]


def _times(made: Swap, version: WantedSchedule, at: datetime) -> bool:
    """One set after the other: the standby set holds what is next until it has come into force."""
    told = TIMES.newest(made.new_meter)
    if told is not None and told.actor != actor_of(made):
        raise Refused("swap_wanted_since")
    if told is not None and at < told.swap_at + SETTLED:
        return False
    TIMES.write(
        made.new_meter, TIMES.held(version), swap_at=max(version.swap_at, earliest(at)), reason=version.reason,
        actor=actor_of(made), key=f"times:{actor_of(made)}:{version.pk}", at=at,
    )  # fmt: skip
    return True


def _prices(made: Swap, version: WantedPrices, at: datetime) -> bool:
    """When the plan's price is to swap; not before the new meter drains by the one in force."""
    supply, told = price_sets.supply_of(made.new_meter), PRICE_SETS.newest(made.new_meter)
    if told is not None and told.actor != SYSTEM:
        raise Refused("swap_wanted_since")
    state = None if supply is None else purse_prices.state_of(supply, at=at)
    if supply is None or state is None:
        raise Refused("settings_not_open")
    if version.swap_at >= earliest(at) and (state.running or not state.agrees):
        return False
    price_sets.want(
        supply, version.swap_at, reason=version.reason, actor=actor_of(made), key=f"{actor_of(made)}:{version.pk}",
        at=at,
    )  # fmt: skip
    return True
