"""The face of a key vault (密钥库): names of keys and what a token says go in, twenty digits come out.

A vault knows nothing of the office's rows. Everything that determines the digits is in the order, and the order has a
message id: asked twice it answers with the same digits. A software vault derives the decoder key in our memory; a
PKCS#11 device keeps the vending key and gives us the decoder key; a security module keeps both and gives the digits
alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from prewatt.core.refusals import Refused
from prewatt.core.sts import BaseDate, DecoderKey, Dkga, Ea, KeyChange, KeyType, Token, encode
from prewatt.office.tokens import errors as _errors  # noqa: F401  registers the texts


@dataclass(frozen=True, kw_only=True)
class KeyName:
    """A vending key without its value: what names it, and where its vault finds it."""

    sgc: str
    krn: int
    kt: KeyType
    ken: int
    dkga: Dkga
    base_date: BaseDate
    provider: str
    label: str = ""  # in a device
    sealed: bytes = field(default=b"", repr=False)  # of the software vault; useless without its secret

    def bound(self) -> bytes:
        """What is sealed together with the value: a key moved under other names does not open."""
        return f"{self.dkga} {self.sgc} {self.krn} {self.kt:d} {self.ken} {self.base_date:d}".encode()


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The meter a token is for."""

    meter_pan: str
    ti: str
    ea: Ea


@dataclass(frozen=True, kw_only=True)
class TokenOrder:
    """One token of class 0 or 2, TID and random bits included."""

    message_id: str
    key: KeyName
    holder: Holder
    token: Token


@dataclass(frozen=True, kw_only=True)
class KeyChangeOrder:
    """One key-change set under the old key. `holder.ti` is the old tariff index."""

    message_id: str
    key: KeyName
    holder: Holder
    new_key: KeyName
    new_ti: str
    rollover: bool
    three_tokens: bool


Order = TokenOrder | KeyChangeOrder


class KeyVault(Protocol):
    """Where vending keys live. Every refusal is a `Refused`; `retry` True says that the vault was away.

    `issue` may be called again with the same message id, from any process, and answers the same: a security module does
    so by its own record of results, the others because the order determines the digits.
    """

    @property
    def provider(self) -> str: ...

    def issue(self, order: Order) -> tuple[str, ...]:
        """One token, or a key-change set first to last. Raises vault_unavailable, vault_key_elsewhere, key_expired,
        ..."""

    def issue_sets(self, orders: Iterable[KeyChangeOrder]) -> Iterator[tuple[str, ...] | Refused]:
        """Key-change sets for many meters, in order: a refused one does not stop the others."""

    def check_value(self, key: KeyName) -> str:
        """Three bytes in hex by which two persons see that they speak of the same key."""


class DecoderVault(Protocol):
    """A vault that lets the decoder key into our memory."""

    @property
    def provider(self) -> str: ...

    def decoder_key(self, key: KeyName, holder: Holder) -> DecoderKey: ...


def issue_with(vault: DecoderVault, order: Order) -> tuple[str, ...]:
    """`KeyVault.issue` of every vault that gives decoder keys."""
    old = vault.decoder_key(own(vault, order.key), order.holder)
    if isinstance(order, TokenOrder):
        return (encode(order.token, old).digits,)
    holder = Holder(meter_pan=order.holder.meter_pan, ti=order.new_ti, ea=order.holder.ea)
    new = vault.decoder_key(own(vault, order.new_key), holder)
    change = KeyChange(old=old, new=new, rollover=order.rollover, three_tokens=order.three_tokens)
    return tuple(each.digits for each in change.tokens())


def own(vault: DecoderVault, key: KeyName) -> KeyName:
    """The key when it is this vault's; raises Refused `vault_key_elsewhere`."""
    if key.provider != vault.provider:
        raise Refused("vault_key_elsewhere")
    return key


def one_by_one(vault: KeyVault, orders: Iterable[KeyChangeOrder]) -> Iterator[tuple[str, ...] | Refused]:
    """`KeyVault.issue_sets` of a vault without a faster way. What is away ends the stream: the rest is asked again."""
    for order in orders:
        try:
            yield vault.issue(order)
        except Refused as refused:
            if refused.retry:
                raise
            yield refused
