"""What a whole frame says: its fields as values, its error word as names.

A reading never fails: what is not known is left out, what does not fit its field carries a fault.
"""

from typing import Final

from prewatt.core.wire.dlt645.frame import Frame, Function
from prewatt.core.wire.dlt645.identifiers import layout_of
from prewatt.core.wire.dlt645.items import Item, Kind, Value, flags, value_of
from prewatt.core.wire.dlt645.load import GROUP as LOADS
from prewatt.core.wire.dlt645.load import loads
from prewatt.core.wire.dlt645.vendor import PARAMETER_DI, VENDOR_BLOCKS
from prewatt.core.wire.dlt645.words import BAUD_OF, COST_ERRORS, ERRORS, Command

ACCESS: Final = 8  # bytes of authority, password and operator in a write
_CIPHERS: Final = (0x98, 0x99)  # an authority that announces a cipher text instead of fields


def _item(name: str, size: int, kind: Kind = Kind.HEX, unit: str = "", form: str = "") -> Item:
    return Item(name=name, size=size, kind=kind, unit=unit, form=form)


_OPERATOR: Final = _item("operator_wire", 4, Kind.RAW)
_MONEY_ORDER: Final = (  # one maker's recharge and refund, without cryptography
    _OPERATOR,
    _item("amount_minor", 4, Kind.BINARY),
    _item("order", 8),
    _item("mac1_wire", 4, Kind.RAW),
    _item("meter_again", 6),
    _item("mac2_wire", 4, Kind.RAW),
)
_GRID_ORDER: Final = (  # State Grid: how the money module writes amount and count is its own affair
    _OPERATOR,
    _item("amount_wire", 4, Kind.RAW),
    _item("count_wire", 4, Kind.RAW),
    _item("mac1_wire", 4, Kind.RAW),
    _item("customer_number", 6),
    _item("mac2_wire", 4, Kind.RAW),
)

# cost control requests and replies by identifier; the length tells the families apart
_REQUESTS: Final[dict[int, tuple[tuple[Item, ...], ...]]] = {
    0x070000FF: ((_OPERATOR, *(_item(name, 8, Kind.RAW) for name in ("cipher_wire", "random1_wire", "factor_wire"))),),
    0x070001FF: ((_OPERATOR, _item("minutes_wire", 2, Kind.RAW), _item("mac_wire", 4, Kind.RAW)),),
    0x070002FF: ((_OPERATOR,),),
    0x070101FF: (_GRID_ORDER, _MONEY_ORDER),
    0x070102FF: (_GRID_ORDER, _MONEY_ORDER),
    0x070108FF: (_MONEY_ORDER,),
    0x078102FF: ((_OPERATOR,),),
    PARAMETER_DI: ((_OPERATOR, *VENDOR_BLOCKS[PARAMETER_DI]),),
}
_REPLIES: Final[dict[int, tuple[tuple[Item, ...], ...]]] = {
    0x070000FF: ((_item("random2_wire", 4, Kind.RAW), _item("esam_number_wire", 8, Kind.RAW)),),
    0x070002FF: (
        (
            _item("customer_number", 6),
            _item("balance_wire", 4, Kind.RAW),
            _item("count_wire", 4, Kind.RAW),
            _item("key_info_wire", 4, Kind.RAW),
        ),
    ),
    0x078102FF: (
        (
            _item("balance_wire", 4, Kind.RAW),
            _item("mac1_wire", 4, Kind.RAW),
            _item("count_wire", 4, Kind.RAW),
            _item("mac2_wire", 4, Kind.RAW),
            _item("customer_number", 6),
            _item("key_info_wire", 4, Kind.RAW),
        ),
    ),
}
_CONTROL: Final = (
    _item("authority", 1),
    _item("", 7),  # password and operator stay in the data, not among the values
    _item("command", 1),
    _item("", 1),
    _item("valid_until", 6, Kind.MOMENT, form="ssmmhhDDMMYY"),
)
_CLOCK: Final = (_item("time", 6, Kind.MOMENT, form="ssmmhhDDMMYY"),)
_ADDRESS: Final = (_item("address", 6),)
_FREEZE: Final = (_item("pattern", 4, Kind.DIGITS, "MMDDhhmm"),)
_SEQUENCE: Final = (_item("sequence", 1, Kind.BINARY),)
_BLOCKS: Final = Item(name="blocks", size=1)
_SELECTED: Final = {1: (_BLOCKS,), 6: (_BLOCKS, _item("from", 5, Kind.MOMENT, form="mmhhDDMMYY"))}


def errors_of(frame: Frame) -> tuple[str, ...]:
    """The names of what a refusal says; () for any other frame.

    Cost control answers two bytes in State Grid style; a single byte is its maker's own (`vendor_01`).
    """
    if not frame.refused:
        return ()
    if frame.function == Function.COST_CONTROL:
        if len(frame.data) == 2:
            return flags(COST_ERRORS, int.from_bytes(frame.data, "little"))
        return (f"vendor_{frame.data.hex().upper()}",) if frame.data else ()
    return flags(ERRORS, frame.data[0]) if frame.data else ()


def values_of(frame: Frame) -> tuple[Value, ...]:
    """The fields of a frame whose layout is known, in wire order; () where it is not."""
    data = frame.data
    if frame.refused:
        names = {1: "err", 2: "serr"}
        return _read((_item(names[len(data)], len(data)),), data) if len(data) in names else ()
    match frame.function:
        case Function.READ:
            return read_values(frame.di, data[4:]) if frame.reply else _selected(data[4:])
        case Function.READ_FOLLOWING:
            return _read(_SEQUENCE, data[-1:]) if len(data) > 4 else ()
        case Function.WRITE:
            # behind the access of a cipher text nothing can be read, and a MAC would pass for one item more
            plain = not frame.reply and len(data) > 4 + ACCESS and data[4] not in _CIPHERS
            return block(frame.di, data[4 + ACCESS :]) if plain else ()
        case Function.READ_ADDRESS | Function.WRITE_ADDRESS:
            return _read(_ADDRESS, data)
        case Function.BROADCAST_TIME:
            return _read(_CLOCK, data)
        case Function.FREEZE:
            return _read(_FREEZE, data)
        case Function.CHANGE_BAUD:
            return _baud(data)
        case Function.CONTROL:
            return _control(data) if not frame.reply else ()
        case Function.COST_CONTROL:
            return _cost_control(frame)
    return ()


def read_values(di: int | None, data: bytes) -> tuple[Value, ...]:
    """What stands behind the identifier of an answer, for a look: also what is longer than the standard says."""
    if di is not None and di >> 24 == LOADS:
        return loads(data)
    return block(di, data) or _beginning(di, data)


def _selected(data: bytes) -> tuple[Value, ...]:
    """A read of records may say how many, and from when on."""
    items = _SELECTED.get(len(data))
    return () if items is None else _read(items, data)


def block(di: int | None, data: bytes) -> tuple[Value, ...]:
    """The values behind an identifier; () when it is unknown or the bytes do not fit its layout."""
    layout = None if di is None else layout_of(di)
    items = None if layout is None or not data else layout.fitting(len(data))
    if layout is None or items is None:
        return ()
    whole = (value_of(layout.whole, data),) if layout.whole is not None else ()
    return whole + _read(items, data)


def _beginning(di: int | None, data: bytes) -> tuple[Value, ...]:
    """For a look only: some meters put more behind a value than the standard says. `rest` shows what."""
    layout = None if di is None else layout_of(di)
    items = () if layout is None else layout.leading(len(data))
    size = sum(item.size for item in items)
    if not items or size == len(data):
        return ()
    return (*_read(items, data[:size]), Value(name="rest", value=data[size:].hex().upper()))


def _read(items: tuple[Item, ...], data: bytes) -> tuple[Value, ...]:
    """Items that fill `data` exactly, without the nameless ones; () when they do not."""
    if sum(item.size for item in items) != len(data):
        return ()
    values, at = [], 0
    for item in items:
        if item.name:
            values.append(value_of(item, data[at : at + item.size]))
        at += item.size
    return tuple(values)


def _baud(data: bytes) -> tuple[Value, ...]:
    values = _read((_item("baud_code_wire", 1),), data)
    rate = BAUD_OF.get(data[0]) if values else None
    return values if rate is None else (*values, Value(name="baud", value=str(rate), unit="bit/s"))


def _control(data: bytes) -> tuple[Value, ...]:
    if not data or data[0] in _CIPHERS:
        return ()
    values = _read(_CONTROL, data)
    known = {int(command): command.name.lower() for command in Command}
    name = known.get(data[8]) if values else None
    return values if name is None else (*values, Value(name="action", value=name))


def _cost_control(frame: Frame) -> tuple[Value, ...]:
    if frame.di is None:
        return ()
    families = (_REPLIES if frame.reply else _REQUESTS).get(frame.di, ())
    return next((values for items in families if (values := _read(items, frame.data[4:]))), ())
