"""The slot of a card meter: a card goes in as bytes, the meter reads it, shows what it makes of it, and gives it back.

What lies on a card is nobody's business here: a card engine (`CardReader`) knows layouts and keys, judges the card
against the meter, applies its order and writes back onto it. Without one a meter says that it cannot read this card,
changes neither itself nor the card, and keeps it until it is taken out. The slot is part of the meter's memory.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from prewatt.core.refusals import Text
from prewatt.field.simulator.circuit import Accepted
from prewatt.field.simulator.fields import SiteError
from prewatt.field.simulator.meter import Meter

CARD_MODELS: Final = frozenset({"pilot-spm9571", "pilot-spm9573", "ningju-ddzy1218", "ningju-dtzy1218"})
IMAGE_LIMIT_BYTES: Final = 8_192  # an M1 card has 1,024
ERROR_CODES: Final = tuple(f"CE-{number:02d}" for number in range(1, 8))  # what its display holds on
UNREADABLE: Final = "unreadable"
HUNG: Final = "hung"
SAYS: Final = {
    UNREADABLE: Text("this card cannot be read", "无法识别此卡"),
    HUNG: Text("not read: the meter hangs", "未读卡：表计死机"),
}


@dataclass(frozen=True, kw_only=True)
class CardRead:
    """What came of a card. `says`: a code of the display ("" taken, CE-01 ...), `image`: the card as it is now, with
    what the meter wrote back; `accepted`: circuit index and order, where it brought one."""

    says: str
    image: bytes
    accepted: tuple[tuple[int, Accepted], ...] = ()


class CardReader(Protocol):
    """A card engine: the meter's own side of its cards."""

    def read(self, meter: Meter, image: bytes, at_ms: int) -> CardRead:
        """Read a card in the slot of a settled meter, and do what it says. Never raises for what is on a card."""


class NoCardReader:
    """A meter that knows no card."""

    def read(self, meter: Meter, image: bytes, at_ms: int) -> CardRead:
        return CardRead(says=UNREADABLE, image=image)


def image_of(text: str) -> bytes:
    """A card's bytes as people write them: pairs of hex digits, with or without blanks. Raises `SiteError` bad_card."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise SiteError("bad_card", "card.image", "must be pairs of hex digits") from None


def has_slot(meter: Meter) -> bool:
    """Does this meter take cards? Its model says so, or the site file where the model is the site's own."""
    return meter.site.card_slot or _model(meter.profile.code) in CARD_MODELS


def _model(code: str) -> str:
    """Without the version of a site's own, and whatever the same meter speaks."""
    return code.partition("@")[0].removesuffix("-645")


def insert(meter: Meter, image: bytes, reader: CardReader, at_ms: int) -> CardRead:
    """Put a card into the slot of a settled meter. Raises `SiteError` no_card_slot, card_in_slot, bad_card."""
    if not has_slot(meter):
        raise SiteError("no_card_slot", "card", f"meter {meter.number} takes no cards")
    if meter.state.card is not None:
        raise SiteError("card_in_slot", "card", "there is a card in the slot")
    if not 0 < len(image) <= IMAGE_LIMIT_BYTES:
        raise SiteError("bad_card", "card.image", f"must be 1..{IMAGE_LIMIT_BYTES} bytes")
    hung = at_ms < meter.state.hung_until_ms
    read = CardRead(says=HUNG, image=image) if hung else reader.read(meter, image, at_ms)
    meter.state.card, meter.state.card_says = read.image.hex(), read.says
    return read


def eject(meter: Meter) -> bytes:
    """Take the card out. Raises `SiteError` no_card_slot, slot_empty."""
    if not has_slot(meter):
        raise SiteError("no_card_slot", "card", f"meter {meter.number} takes no cards")
    if meter.state.card is None:
        raise SiteError("slot_empty", "card", "there is no card in the slot")
    image, meter.state.card, meter.state.card_says = bytes.fromhex(meter.state.card), None, ""
    return image


def shown(meter: Meter, lang: str) -> str:
    """What the display says of the card in the slot; "" while there is none, or after one that was taken."""
    if meter.state.card is None:
        return ""
    said = SAYS.get(meter.state.card_says)
    return meter.state.card_says if said is None else said.en if lang == "en" else said.zh
