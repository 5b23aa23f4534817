"""STS meters in a site file. Mostly no bus reaches them: all they have is a number, a key, credit and a load.

    {
      "number": "260312500001",                    # 12 digits, unique among all meters
      "place": "1-610",                            # what people call it
      "profile": "pilot-spm9511", "line": "1", "unit": 61,   # what it is, and beside which bus it hangs, unplugged
      "key": {                                     # what the meter decrypts with; public test keys alone belong here
        "ea": "07", "value": "5b0de5df2ad62c7b", "meter_pan": "600727110000000172",   # of its DRN
        "sgc": "600123", "ti": "01",
        "krn": 1, "kt": 2, "ken": 255, "base_date": 2014
      },
      "wired": false,                              # optional; true: plugged in, its profile has a [token.wire]
      "made_tid": 5000000,                         # its date of manufacture, minutes since the base date
      "taken_tids": [6400000],                     # optional: tokens it took before the first start
      "opening": {"balance_wh": 52300, "energy_wh": 1215000, "purchase_count": 3},   # optional, all 0
      "load": {"kind": "dorm", "annual_kwh": 1300, "peak_w": 2400, "seed": 7},
      "circuits": [                                # optional, of a wired one: its further circuits, 2, 3, ... each of
        {"index": 2, "place": "1-611", "key": {...}, "made_tid": 5000000, "opening": {...}, "load": {...}}    # its own
      ]
    }

As with the other meters, what it holds is taken from here on its very first start only.
"""

import re
from dataclasses import dataclass, field, replace

from prewatt.field.simulator.fields import ENERGY_LIMIT_WH, Fields, Load, SiteError, load_from

TAKEN_LIMIT = 50  # what a meter remembers
TID_LIMIT = 0xFFFFFF
CIRCUIT_LIMIT = 36  # as of every meter

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MODEL = re.compile(r"[A-Za-z0-9._-]{1,64}(@[0-9]{1,4})?")
_NUMBER = re.compile(r"[0-9]{12}")
_HEX = re.compile(r"[0-9a-f]{16}([0-9a-f]{16})?")
_PAN = re.compile(r"[0-9]{18}")
_TWO = re.compile(r"[0-9]{2}")
_SIX = re.compile(r"[0-9]{6}")


@dataclass(frozen=True, kw_only=True)
class KeypadKey:
    """A decoder key as the file writes it; the meter judges it when it starts."""

    ea: str
    value: bytes = field(repr=False)
    meter_pan: str
    sgc: str
    ti: str
    krn: int
    kt: int
    ken: int
    base_date: int


@dataclass(frozen=True, kw_only=True)
class KeypadSite:
    """One STS meter."""

    number: str
    place: str
    profile: str
    line: str
    unit: int
    key: KeypadKey
    made_tid: int
    taken_tids: tuple[int, ...] = ()
    balance_wh: int = 0
    energy_wh: int = 0
    purchase_count: int = 0
    load: Load = Load()
    wired: bool = False
    index: int = 1
    of: str = ""  # the meter that this is a further circuit of

    @property
    def meter_number(self) -> str:
        """The number on the meter's plate; what is its own of a further circuit is called `number`-`index`."""
        return self.of or self.number


def keypads_from(parts: list[Fields]) -> tuple[KeypadSite, ...]:
    """Read the list. Raises `SiteError`, also for a number that is there twice."""
    found: dict[str, KeypadSite] = {}
    for part in parts:
        further = part.left.pop("circuits", [])
        each = _keypad(part)
        if each.number in found:
            raise SiteError("duplicate", f"{part.where}.number", f"{each.number} is there twice")
        found[each.number] = each
        for circuit in Fields(part.where, {"circuits": further}).parts("circuits", CIRCUIT_LIMIT - 1):
            made = _further(each, circuit)
            found[made.number] = made
        indexes = [1, *(other.index for other in found.values() if other.of == each.number)]
        if indexes != list(range(1, len(indexes) + 1)) or (len(indexes) > 1 and not each.wired):
            raise SiteError("bad_circuits", f"{part.where}.circuits", "are 2, 3, ... without a gap, of a wired meter")
    return tuple(found.values())


def _further(first: KeypadSite, fields: Fields) -> KeypadSite:
    """Another circuit of the same meter, with a key of its own."""
    index = fields.integer("index", 2, CIRCUIT_LIMIT)
    beside: dict[str, object] = {"number": first.number, "profile": first.profile, "line": first.line,
                                 "unit": first.unit, "wired": first.wired}  # fmt: skip
    if beside.keys() & fields.left.keys():
        raise SiteError("unknown_key", fields.where, "says what stands in the meter's own entry")
    fields.left.update(beside)
    return replace(_keypad(fields), number=f"{first.number}-{index}", index=index, of=first.number)


def _keypad(fields: Fields) -> KeypadSite:
    opening = fields.part("opening")
    keypad = KeypadSite(
        number=fields.matching("number", _NUMBER),
        place=fields.text("place"),
        profile=fields.matching("profile", _MODEL),
        line=fields.matching("line", _ID),
        unit=fields.integer("unit", 1, 247),
        key=_key(fields.part("key")),
        made_tid=fields.integer("made_tid", 0, TID_LIMIT),
        taken_tids=_tids(fields),
        balance_wh=opening.integer("balance_wh", 0, ENERGY_LIMIT_WH, 0),
        energy_wh=opening.integer("energy_wh", 0, ENERGY_LIMIT_WH, 0),
        purchase_count=opening.integer("purchase_count", 0, 0xFFFF, 0),
        load=load_from(fields.part("load")),
        wired=fields.flag("wired"),
    )
    opening.done()
    fields.done()
    return keypad


def _key(fields: Fields) -> KeypadKey:
    key = KeypadKey(
        ea=fields.matching("ea", _TWO),
        value=bytes.fromhex(fields.matching("value", _HEX)),
        meter_pan=fields.matching("meter_pan", _PAN),
        sgc=fields.matching("sgc", _SIX),
        ti=fields.matching("ti", _TWO),
        krn=fields.integer("krn", 1, 9),
        kt=fields.integer("kt", 0, 3),
        ken=fields.integer("ken", 0, 255),
        base_date=fields.integer("base_date", 1993, 2035),
    )
    fields.done()
    return key


def _tids(fields: Fields) -> tuple[int, ...]:
    value = fields.left.pop("taken_tids", [])
    if not isinstance(value, list) or len(value) > TAKEN_LIMIT:
        raise SiteError("not_a_list", f"{fields.where}.taken_tids", f"must be a list of at most {TAKEN_LIMIT}")
    if not all(type(each) is int and 0 <= each <= TID_LIMIT for each in value):
        raise SiteError("not_an_integer", f"{fields.where}.taken_tids", f"must be integers 0..{TID_LIMIT}")
    return tuple(sorted(set(value)))
