"""Tokens by the million: key-change sets and credit tokens as streams of chunks, memory bounded.

A stream takes rows from any iterable, works on CHUNK of them at once with numpy (compiled where numba is
present), and gives one result per chunk, in order. Every digit is what the scalar path gives; a row the
arrays find fault with goes through the scalar path, so its refusal is the scalar one too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from prewatt.core.refusals import Refused
from prewatt.core.sts import compiled
from prewatt.core.sts.amounts import AMOUNT16_MAX, decode_amount16, encode_amount16
from prewatt.core.sts.bulk_keys import Meters, decoder_keys
from prewatt.core.sts.codec import Encoded, encode
from prewatt.core.sts.ids import Ea, MeterPan
from prewatt.core.sts.keychange import KeyChange
from prewatt.core.sts.keys import VendingKey
from prewatt.core.sts.tid import TID_HIGH
from prewatt.core.sts.tokens import RND_HIGH, CreditKind, TokenClass, UnitsCredit
from prewatt.core.sts.vectors import (
    U64,
    Bytes,
    Flags,
    Tokens,
    digit_rows,
    misty1_encrypt,
    pans_hold,
    sta_encrypt,
    to_digits,
    with_crc,
)

CHUNK: Final = 8192  # rows at once: the buffers of one chunk stay in the processor's cache
COMPILED_LEAST: Final = 1024  # rows from which loading the compiler pays; a few are done sooner without it
_ANY_PAN: Final = MeterPan.of_drn("00000000000").digits
_WORD: Final = np.uint64
Row = TypeVar("Row")


class KeyChangeRow(NamedTuple):
    """One meter of a campaign. Tuples, not dataclasses: millions of them are made by a database cursor."""

    meter_pan: str
    old_ti: str
    new_ti: str


class CreditRow(NamedTuple):
    """One credit token: what determines its twenty digits, beside the key."""

    meter_pan: str
    ti: str
    tid: int
    rnd: int
    amount_tenths: int


@dataclass(frozen=True, kw_only=True)
class BatchRefusal:
    """A row no token was made for. `index` counts from the start of the stream."""

    index: int
    code: str


@dataclass(frozen=True, kw_only=True)
class KeyChangeChunk:
    """Sets for rows first_index ... first_index + len(tokens) - 1.

    `tokens` has one row per meter and one column per token of the set (dtype S20); the rows of
    `refused` are empty strings.
    """

    first_index: int
    tokens: Tokens
    refused: tuple[BatchRefusal, ...]

    def sets(self) -> list[list[str]]:
        """The digits as text; an empty list where a row was refused."""
        rows: list[list[str]] = [[digits.decode("ascii") for digits in row] for row in self.tokens.tolist()]
        for refusal in self.refused:
            rows[refusal.index - self.first_index] = []
        return rows


@dataclass(frozen=True, kw_only=True)
class CreditChunk:
    """Tokens (dtype S20) and what each really carries, in tenths; a refused row is empty and carries 0."""

    first_index: int
    tokens: Tokens
    carried_tenths: npt.NDArray[np.int64]
    refused: tuple[BatchRefusal, ...]


@dataclass(frozen=True, kw_only=True)
class KeyChangeCampaign:
    """From one vending key to another for many meters; each keeps its PAN and brings its tariff indices.

    Refuses at once what no meter of the campaign could get (a cipher the keys do not make, a forbidden
    change of key type). `use_compiled`: None means where numba is installed and a chunk is large.
    """

    old: VendingKey = field(repr=False)
    new: VendingKey = field(repr=False)
    ea: Ea
    rollover: bool
    three_tokens: bool = False
    use_compiled: bool | None = None

    def __post_init__(self) -> None:
        self.one(KeyChangeRow(_ANY_PAN, "00", "00"))

    def one(self, row: KeyChangeRow) -> tuple[Encoded, ...]:
        """The set of one meter by the scalar path: what the stream must equal."""
        old = self.old.decoder_key(meter_pan=row.meter_pan, ti=row.old_ti, ea=self.ea)
        new = self.new.decoder_key(meter_pan=row.meter_pan, ti=row.new_ti, ea=self.ea)
        return KeyChange(old=old, new=new, rollover=self.rollover, three_tokens=self.three_tokens).tokens()

    def stream(self, rows: Iterable[KeyChangeRow]) -> Iterator[KeyChangeChunk]:
        """One chunk of sets for each CHUNK rows; nothing is kept between chunks."""
        for first_index, chunk in _chunks(rows):
            yield self._chunk(first_index, chunk)

    def _chunk(self, first_index: int, rows: Sequence[KeyChangeRow]) -> KeyChangeChunk:
        pans, old_tis, new_tis = ([row[place] for row in rows] for place in range(3))
        digits, good = _checked_pans(pans)
        old_ti, old_good = digit_rows(old_tis, 2)
        new_ti, new_good = (old_ti, old_good) if new_tis == old_tis else digit_rows(new_tis, 2)
        good &= old_good & new_good
        kernels = _kernels(self.use_compiled, len(digits))
        old_keys = decoder_keys(self.old, Meters(pans=digits, tis=old_ti), self.ea, kernels)
        new_keys = decoder_keys(self.new, Meters(pans=digits, tis=new_ti), self.ea, kernels)
        blocks = [with_crc(TokenClass.MANAGEMENT, part) for part in self._parts(new_keys, new_ti)]
        shown = [to_digits(each, TokenClass.MANAGEMENT) for each in _encrypt(self.ea, old_keys, blocks, kernels)]
        tokens: Tokens = np.stack(shown, axis=1)
        refused = []
        for at in np.flatnonzero(~good).tolist():
            try:
                tokens[at] = [each.digits for each in self.one(rows[at])]
            except Refused as refusal:
                tokens[at] = b""
                refused.append(BatchRefusal(index=first_index + at, code=refusal.code))
        return KeyChangeChunk(first_index=first_index, tokens=tokens, refused=tuple(refused))

    def _parts(self, new_keys: Bytes, new_ti: Bytes) -> list[U64]:
        """The clear 48 bits of each token of the set: the constant head, then the key's words."""
        words = np.ascontiguousarray(new_keys).view(">u4").astype(np.uint64)
        sample = KeyChange(
            old=self.old.decoder_key(meter_pan=_ANY_PAN, ti="00", ea=self.ea),
            new=self.new.decoder_key(meter_pan=_ANY_PAN, ti="00", ea=self.ea),
            rollover=self.rollover,
            three_tokens=self.three_tokens,
        ).tokens()
        heads = [each.bits48 >> 32 << 32 for each in sample]
        ti = new_ti[:, 0].astype(np.uint64) * _WORD(10) + new_ti[:, 1]
        parts = [words[:, 0] | _WORD(heads[0]), words[:, -1] | _WORD(heads[1]) | ti << _WORD(32)]
        if self.ea is Ea.MISTY1:
            parts += [words[:, 1] | _WORD(heads[2]), words[:, 2] | _WORD(heads[3])]
        elif self.three_tokens:
            parts.append(np.full(len(words), sample[2].bits48, dtype=np.uint64))  # the SGC alone: no key in it
        return parts


@dataclass(frozen=True, kw_only=True)
class CreditBatch:
    """Credit tokens of one kind (units, subclasses 0-3) for many meters under one vending key."""

    key: VendingKey = field(repr=False)
    ea: Ea
    kind: CreditKind = CreditKind.ELECTRICITY
    use_compiled: bool | None = None

    def __post_init__(self) -> None:
        assert not self.kind.is_currency, "units only"
        self.key.decoder_key(meter_pan=_ANY_PAN, ti="00", ea=self.ea)

    def one(self, row: CreditRow) -> Encoded:
        """One token by the scalar path: what the stream must equal."""
        key = self.key.decoder_key(meter_pan=row.meter_pan, ti=row.ti, ea=self.ea)
        return encode(UnitsCredit(kind=self.kind, tid=row.tid, rnd=row.rnd, amount_tenths=row.amount_tenths), key)

    def stream(self, rows: Iterable[CreditRow]) -> Iterator[CreditChunk]:
        """One chunk of tokens for each CHUNK rows; nothing is kept between chunks."""
        for first_index, chunk in _chunks(rows):
            yield self._chunk(first_index, chunk)

    def _chunk(self, first_index: int, rows: Sequence[CreditRow]) -> CreditChunk:
        digits, good = _checked_pans([row.meter_pan for row in rows])
        ti, ti_good = digit_rows([row.ti for row in rows], 2)
        tids = _bounded([row.tid for row in rows], TID_HIGH)
        rnds = _bounded([row.rnd for row in rows], RND_HIGH)
        amounts = _bounded([row.amount_tenths for row in rows], AMOUNT16_MAX)
        good &= ti_good & (tids >= 0) & (rnds >= 0) & (amounts >= 0) & (tids >> 16 <= self.key.ken)
        fields, carried = _amount_fields(np.maximum(amounts, 0))
        kernels = _kernels(self.use_compiled, len(digits))
        keys = decoder_keys(self.key, Meters(pans=digits, tis=ti), self.ea, kernels)
        clear = (
            _WORD(self.kind.value << 44)
            | np.maximum(rnds, 0).astype(np.uint64) << _WORD(40)
            | np.maximum(tids, 0).astype(np.uint64) << _WORD(16)
            | fields
        )
        (made,) = _encrypt(self.ea, keys, [with_crc(TokenClass.CREDIT, clear)], kernels)
        tokens = to_digits(made, TokenClass.CREDIT)
        refused = []
        for at in np.flatnonzero(~good).tolist():
            try:
                one = self.one(rows[at])
                tokens[at], carried[at] = one.digits, one.carried or 0
            except Refused as refusal:
                tokens[at], carried[at] = b"", 0
                refused.append(BatchRefusal(index=first_index + at, code=refusal.code))
        return CreditChunk(first_index=first_index, tokens=tokens, carried_tenths=carried, refused=tuple(refused))


def _chunks(rows: Iterable[Row]) -> Iterator[tuple[int, list[Row]]]:
    source, first_index = iter(rows), 0
    while chunk := list(islice(source, CHUNK)):
        yield first_index, chunk
        first_index += len(chunk)


def _kernels(wanted: bool | None, rows: int) -> compiled.Kernels | None:
    if wanted is False or wanted is None and rows < COMPILED_LEAST:
        return None
    found = compiled.kernels()
    assert found is not None or not wanted, "numba is not installed"
    return found


def _checked_pans(pans: list[str]) -> tuple[Bytes, Flags]:
    rows, good = digit_rows(pans, 18)
    good &= pans_hold(rows)
    return rows, good


def _bounded(values: Sequence[int], high: int) -> npt.NDArray[np.int64]:
    """The values, with -1 for each that is not within 0..high."""
    return np.array([value if 0 <= value <= high else -1 for value in values], dtype=np.int64)


_EDGES: Final = np.array([decode_amount16(exponent << 14) for exponent in range(4)], dtype=np.int64)


def _amount_fields(amounts: npt.NDArray[np.int64]) -> tuple[U64, npt.NDArray[np.int64]]:
    """The 16-bit codes of amounts, rounded up, and what they carry."""
    exponent = np.searchsorted(_EDGES, amounts, side="right") - 1
    step = np.array((1, 10, 100, 1000), dtype=np.int64)[exponent]
    mantissa = (amounts - _EDGES[exponent] + step - 1) // step
    over = mantissa > 0x3FFF  # between the top of one exponent and the bottom of the next
    exponent, mantissa = exponent + over, np.where(over, 0, mantissa)
    carried = _EDGES[exponent] + mantissa * np.array((1, 10, 100, 1000), dtype=np.int64)[exponent]
    return (exponent << 14 | mantissa).astype(np.uint64), carried


def _encrypt(ea: Ea, keys: Bytes, blocks: list[U64], kernels: compiled.Kernels | None) -> list[U64]:
    """Each array of blocks under the same keys, one per meter."""
    if ea is Ea.MISTY1:
        return [misty1_encrypt(keys, each) for each in blocks]
    words = np.ascontiguousarray(keys).view(">u8").astype(np.uint64).reshape(-1)
    cipher = sta_encrypt if kernels is None else kernels.sta_encrypt
    return [cipher(words, each) for each in blocks]


assert encode_amount16(AMOUNT16_MAX) == 0xFFFF, "the array code has the scalar code's range"
