"""Token requests: [T1] stores everything that determines the digits, in the caller's transaction.

`prepare` decides every refusal that can be known beforehand; `ask` is one SQL call and may stand behind a sale in the
same transaction. It locks the meter's row first and the key's day last: call it last of what the transaction does.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from prewatt.core.refusals import Refused
from prewatt.core.sts import BaseDate, KeyType
from prewatt.core.sts.tid import special_tid_of, tid_under_key
from prewatt.core.sts.tokens import RND_HIGH
from prewatt.office.ledger.call import call
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.roles import Act
from prewatt.office.tokens import keys
from prewatt.office.tokens.asks import (
    Ask,
    CreditAsk,
    KeyChangeAsk,
    Kind,
    MeterTestAsk,
    carried,
    digest,
    kind_of,
    takes_two,
    to_json,
)
from prewatt.office.tokens.models import StoredKey, StsMeter, TokenRequest

TIDS_AHEAD: Final = 1440  # minutes that a meter's token identifiers may run ahead of the clock: a day
MESSAGE_MOST: Final = 96
REFERENCE_MOST: Final = 64

_ASK: Final = (
    "SELECT request_id, token_id, fresh FROM tokens_ask("
    "%s, %s, %s, %s::int, %s, %s::jsonb, %s, %s, %s, %s::int, %s, %s::int, %s::int, %s, %s, %s, %s, %s, %s, %s)"
)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An ask judged against a meter as it stood. `carried` is what the token will carry: what the books should hold."""

    sts: StsMeter
    ask: Ask
    carried: int | None
    key_id: int | None
    tid_from: int | None
    reserved: bool
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A stored request. `fresh` is False when the same message had stored it before."""

    request_id: int
    tid: int | None
    carried: int | None
    fresh: bool


def of_meter(meter_id: int) -> StsMeter:
    """The STS attributes of a meter of the estate. Raises Refused `sts_meter_unknown`."""
    found = StsMeter.objects.select_related("site").filter(meter_id=meter_id).first()
    if found is None:
        raise Refused("sts_meter_unknown")
    return found


def prepare(sts: StsMeter, ask: Ask, *, at: datetime, reserved: bool = False) -> Prepared:
    """Judge an ask; writes nothing. `at` is the time of issue, UTC; `reserved` takes the reserved minute of its day.

    Raises what the engine refuses (`token_amount_too_large`, `key_expired`, ...), `token_amount_zero`,
    `token_credit_kind`,
    `vending_key_default`, `vending_key_unknown`, `key_change_needless`, `token_reserved_kind`.
    """
    bears = carried(ask)
    if isinstance(ask, MeterTestAsk):
        return Prepared(sts=sts, ask=ask, carried=bears, key_id=None, tid_from=None, reserved=False, at=at)
    key = keys.key_of(sts)
    if isinstance(ask, KeyChangeAsk):
        _judge_key_change(sts, key, ask, at)
        return Prepared(sts=sts, ask=ask, carried=None, key_id=key.pk, tid_from=None, reserved=False, at=at)
    if isinstance(ask, CreditAsk):
        if sts.kt == KeyType.DDTK:
            raise Refused("vending_key_default")
        if ask.kind != sts.credit_kind:
            raise Refused("token_credit_kind")
        if reserved:
            raise Refused("token_reserved_kind")
    base = BaseDate(sts.base_date)
    tid = tid_under_key(at, base, sts.ken)
    if reserved:
        tid = special_tid_of(at, base)
    return Prepared(sts=sts, ask=ask, carried=bears, key_id=key.pk, tid_from=tid, reserved=reserved, at=at)


def _judge_key_change(sts: StsMeter, key: StoredKey, ask: KeyChangeAsk, at: datetime) -> None:
    """What can be known before the vault is asked; the vault judges ciphers and key types again."""
    new = StoredKey.objects.filter(pk=ask.new_key_id, ended_at=None).first()
    if new is None:
        raise Refused("vending_key_ended")
    if new.pk == key.pk and ask.new_ti == sts.ti:
        raise Refused("key_change_needless")
    if new.provider != key.provider:
        raise Refused("vault_key_elsewhere")
    tid_under_key(at, BaseDate(new.base_date), new.ken)


def ask(
    prepared: Prepared, *, message_id: str, actor: str, reference: str = "", reason: str = "",
    proposal_id: int | None = None,
) -> Asked:  # fmt: skip
    """[T1] Store the request in the caller's transaction. `actor` is `Actor.key` or "system".

    The same message with the same content gives the request that stands, whatever happened since to the meter or the
    clock. Raises Refused `token_message_malformed`, `token_message_reused`, `token_second_person`, `sts_meter_changed`,
    `token_tids_ahead`, `token_reserved_used`, `key_expired`, `vending_limit`, `vending_key_ended`.
    """
    assert connection.in_atomic_block, "T1 belongs to a transaction of the caller"
    if not 1 <= len(message_id) <= MESSAGE_MOST or "\0" in message_id or len(reference) > REFERENCE_MOST:
        raise Refused("token_message_malformed")
    if takes_two(prepared.ask) and proposal_id is None:
        raise Refused("token_second_person")
    content, kind = to_json(prepared.ask), kind_of(prepared.ask)
    units = money = 0
    if isinstance(prepared.ask, CreditAsk):
        assert prepared.carried is not None, "credit carries an amount"
        units, money = (0, prepared.carried) if prepared.ask.kind.is_currency else (prepared.carried, 0)
    new_key = prepared.ask.new_key_id if isinstance(prepared.ask, KeyChangeAsk) else None
    row = call(
        _ASK,
        [
            message_id, digest(prepared.sts.pk, kind.value, content, prepared.reserved), prepared.sts.pk,
            prepared.sts.revision, kind.value, json.dumps(content), prepared.carried, prepared.key_id, new_key,
            prepared.tid_from, prepared.reserved, TIDS_AHEAD, secrets.randbelow(RND_HIGH + 1), units, money,
            proposal_id, reference, reason[:255], actor, prepared.at,
        ],
    )  # fmt: skip
    assert row is not None
    request_id, tid, fresh = row
    return Asked(request_id=request_id, tid=tid, carried=prepared.carried, fresh=fresh)


def key_change_of(sts: StsMeter, new_key: StoredKey, *, new_ti: str = "") -> KeyChangeAsk:
    """The key change that leads this meter to `new_key`; an empty `new_ti` keeps its tariff index."""
    return KeyChangeAsk(
        new_key_id=new_key.pk, new_ti=new_ti or sts.ti, rollover=new_key.base_date != sts.base_date,
        three_tokens=sts.three_tokens,
    )  # fmt: skip


def standing(message_id: str) -> TokenRequest | None:
    """The request of a message, when it was stored: a retry looks here before it prepares anew."""
    return TokenRequest.objects.filter(message_id=message_id).first()


def of_reference(reference: str) -> TokenRequest | None:
    """The credit request that belongs to a sale ("sale:17"), newest first; None when it has none."""
    rows = TokenRequest.objects.filter(reference=reference, kind=TokenRequest.Kind.CREDIT)
    return rows.order_by("-id").first()


ACT_OF: Final = {
    Kind.CREDIT: Act.SELL,
    Kind.FREE_CREDIT: Act.TOKEN_AGREE,
    Kind.CLEAR_CREDIT: Act.TOKEN_AGREE,
    Kind.MANAGEMENT: Act.TOKENS,
    Kind.TEST: Act.TOKENS,
    Kind.KEY_CHANGE: Act.TOKENS,
}


def permit(actor: Actor, what: Ask) -> None:
    """Raises Refused `not_permitted` unless the role may ask for such a token."""
    actor.require(ACT_OF[kind_of(what)])
