"""What a meter model says beside its registers: where orders, relay, times of use and freezes lie, by which source."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

from prewatt.core.meters import Profile
from prewatt.core.meters.credit import Family
from prewatt.core.meters.freezes import FreezeKind
from prewatt.core.meters.jobs import OrderKind, Wish
from prewatt.core.meters.model import ClockWay, Protocol
from prewatt.core.meters.names import label
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.web.console.meters_words import Sourced, mark_of
from prewatt.web.ui.templatetags.estate import reverse_word


@dataclass(frozen=True, kw_only=True)
class PlaceWords:
    """One line: what it is, where it lies (empty where no address belongs to it), what is known of it."""

    what: str
    where: str
    says: str
    mark: str
    mark_words: str
    source: str


def place_words(profile: Profile) -> list[PlaceWords]:
    """All that a profile says and that is no register of its own, in the order of harm that a wrong one does."""
    said = (_credit, _switching, _unlocking, _facts, _tables, _rest)
    return [line for each in said for line in each(profile)]


def _said(what: str, where: Iterable[int], says: str, of: Sourced, *, data: bool) -> PlaceWords:
    mark, words = mark_of(of)
    places = " ".join(dict.fromkeys(f"{each:08X}" if data else f"{each:04X}h" for each in where))
    return PlaceWords(what=what, where=places, says=says, mark=mark, mark_words=words, source=of.source)


def _named(value: StatusBit | OrderKind | Wish) -> str:
    return label(value, get_language() or "zh-hans")


def _is_data(profile: Profile) -> bool:
    return profile.protocol is Protocol.DLT645


def _credit(profile: Profile) -> Iterator[PlaceWords]:
    if (order := profile.order) is not None:
        kinds = ", ".join(f"{raw} {_named(kind)}" for kind, raw in order.kinds.items())
        says = _("count, kind (%s) and amount, written as one") % kinds
        yield _said(_("Credit order"), [order.address], says, order, data=False)
    if (credit := profile.credit) is not None:
        grid = credit.family is Family.STATE_GRID
        says = _("function 03, through a security provider") if grid else _("function 03, by order number")
        yield _said(_("Credit order"), (), says, credit, data=True)
    if profile.token is not None and (wire := profile.token.wire) is not None:
        places = [wire.address, wire.echo, wire.result]
        yield _said(_("STS token"), places, _("written; echo; result"), wire, data=False)


def _switching(profile: Profile) -> Iterator[PlaceWords]:
    relay = profile.relay
    if relay is None:
        return
    told = {wish: " ".join(map(str, words)) for wish, words in relay.words.items()} or {
        wish: " ".join(each.name.lower() for each in commands) for wish, commands in relay.commands.items()
    }
    says = "; ".join(f"{_named(wish)}: {each}" for wish, each in told.items())
    yield _said(_("Relay"), [relay.address], says, relay, data=_is_data(profile))


def _unlocking(profile: Profile) -> Iterator[PlaceWords]:
    if (unlock := profile.unlock) is not None:
        says = _("written before settings and commands")
        if unlock.lock is not None:
            says = _("written before settings and commands, and locked again after")
        yield _said(_("Unlocking"), [unlock.address], says, unlock, data=False)


def _facts(profile: Profile) -> Iterator[PlaceWords]:
    status = profile.registers.get(Quantity.STATUS)
    if status is not None and profile.status_bits:
        says = ", ".join(f"{place} {_named(bit)}" for bit, place in profile.status_bits.items())
        yield _said(_("Status bits"), [status.address], says, status, data=False)
    for flag in profile.flags:
        bits = [*(f".{each} = 1" for each in sorted(flag.set)), *(f".{each} = 0" for each in sorted(flag.clear))]
        says = f"{_named(flag.fact)}: +{flag.at} {' '.join(bits)}"
        yield _said(_("Status bits"), [flag.address], says, flag, data=True)


def _tables(profile: Profile) -> Iterator[PlaceWords]:
    data = _is_data(profile)
    if (times := profile.schedule) is not None:
        where = [place for one in times.sets for place in (one.zones, *one.tables[:1])]
        numbers = {"zones": times.most_zones, "tables": times.most_tables, "periods": times.most_periods}
        says = _("%(zones)d zones, %(tables)d day tables of %(periods)d periods") % numbers
        yield _said(_("Times of use"), [*where, *times.swaps], _standby(says, times.writable), times, data=data)
    if (prices := profile.prices) is not None and prices.sets:
        where = [place for one in prices.sets for place in (one.rates, one.thresholds, one.ladder) if place]
        says = _("four rates") if not prices.steps else _("four rates, a ladder of %d steps") % prices.steps
        yield _said(_("Prices"), [*where, *prices.swaps], _standby(says, prices.writable), prices, data=data)
    if (freezes := profile.freezes) is not None:
        words = {FreezeKind.DAY: _("%d days"), FreezeKind.MONTH: _("%d months")}
        says = ", ".join(words[kind] % many for kind, many in freezes.kept.items())
        yield _said(_("Freezes"), freezes.address.values(), says, freezes, data=data)


def _standby(says: str, writable: bool) -> str:
    return f"{says}; {_('a standby set and its swap time') if writable else _('only read')}"


def _rest(profile: Profile) -> Iterator[PlaceWords]:
    if (clock := profile.clock) is not None:
        held = profile.registers.get(Quantity.CLOCK)
        register = clock.way is ClockWay.REGISTER and held is not None
        says = _("written into its register") if register else _("told to all of the line at once (function 08)")
        where = [held.address] if register and held is not None else []
        yield _said(pgettext("meter", "Setting the clock"), where, says, clock, data=False)
    if (bus := profile.bus) is not None:
        says = _("after its key was pressed") if bus.key_needed else ""
        yield _said(_("Address on the bus"), [bus.address], says, bus, data=False)
    if (behaviour := profile.behaviour) is not None:
        yield _said(_("Reverse energy"), (), reverse_word(profile), behaviour, data=False)
