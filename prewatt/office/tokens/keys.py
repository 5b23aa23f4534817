"""Vending keys in the office: taken into a vault, limited, ended; and how a meter's attributes lead to one."""

from datetime import date, datetime
from typing import Final

from django.db import transaction
from django.db.models import Q

from prewatt.core.refusals import Refused
from prewatt.core.sts import BaseDate, Dkga, KeyType, VendingKey
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.tokens.models import KeyDay, StoredKey, StsMeter, TokenRequest
from prewatt.office.tokens.sealed import SealedVault
from prewatt.office.tokens.vault import KeyName, KeyVault

LIMITS: Final = ("tokens_a_day", "tenths_a_day", "money_e5_a_day")


def name_of(row: StoredKey) -> KeyName:
    """The vault's view of a row."""
    return KeyName(
        sgc=row.sgc, krn=row.krn, kt=KeyType(row.kt), ken=row.ken, dkga=Dkga(row.dkga),
        base_date=BaseDate(row.base_date), provider=row.provider, label=row.label, sealed=bytes(row.sealed),
    )  # fmt: skip


def seal_in(
    vault: SealedVault, key: VendingKey, *, company_id: int | None, actor: Actor, at: datetime
) -> StoredKey:
    """Take a vending key into the software vault. `key` must know its base date, which dates the tokens.

    Raises Refused `not_permitted`, `vending_key_exists`, `vault_test_key`; the key's own form was judged when it was
    made.
    """
    actor.require(Act.VAULT)
    assert key.base_date is not None, "a key in the office dates tokens"
    name = KeyName(
        sgc=key.sgc, krn=key.krn, kt=key.kt, ken=key.ken, dkga=key.dkga, base_date=key.base_date,
        provider=vault.provider,
    )  # fmt: skip
    sealed = vault.seal(name, key.value)
    kept = KeyName(**{**vars(name), "sealed": sealed})
    return _add(kept, vault, company_id=company_id, actor=actor, at=at)


def point_at(vault: KeyVault, name: KeyName, *, company_id: int | None, actor: Actor, at: datetime) -> StoredKey:
    """Make a key of a device known by its label; the device must answer for it.

    Raises Refused `not_permitted`, `vending_key_exists`, `device_key_missing`, `vault_cannot`, `vault_unavailable`.
    """
    actor.require(Act.VAULT)
    assert name.provider == vault.provider and name.label, "a device finds its keys by their labels"
    return _add(name, vault, company_id=company_id, actor=actor, at=at)


def _add(name: KeyName, vault: KeyVault, *, company_id: int | None, actor: Actor, at: datetime) -> StoredKey:
    check = vault.check_value(name)
    named = {"sgc": name.sgc, "krn": name.krn, "kt": int(name.kt), "ken": name.ken, "dkga": name.dkga.value,
             "base_date": int(name.base_date)}  # fmt: skip
    with transaction.atomic():
        row, made = StoredKey.objects.get_or_create(
            **named, ended_at=None,
            defaults={"provider": name.provider, "label": name.label, "sealed": name.sealed, "check_value": check,
                      "company_id": company_id, "added_at": at},
        )  # fmt: skip
        if not made:
            raise Refused("vending_key_exists")
        audit(
            at=at, actor=actor.key, action="tokens.key_add", object_type="vending_key", object_id=str(row.pk),
            after={**named, "provider": name.provider, "check_value": check, "company": company_id},
        )  # fmt: skip
    return row


def limit(
    row: StoredKey, *, tokens_a_day: int | None, tenths_a_day: int | None, money_e5_a_day: int | None, reason: str,
    actor: Actor, at: datetime,
) -> None:  # fmt: skip
    """Set the daily limits; None is none. Raises Refused `not_permitted`, `token_reason_needed`,
    `vending_limit_malformed`."""
    actor.require(Act.VAULT)
    if not reason.strip():
        raise Refused("token_reason_needed")
    after = dict(zip(LIMITS, (tokens_a_day, tenths_a_day, money_e5_a_day), strict=True))
    if any(each is not None and not 0 < each < 1 << 31 for each in (tokens_a_day,)) or any(
        each is not None and not 0 < each < 1 << 62 for each in (tenths_a_day, money_e5_a_day)
    ):
        raise Refused("vending_limit_malformed")
    with transaction.atomic():
        locked = StoredKey.objects.select_for_update(no_key=True).get(pk=row.pk)
        before = {name: getattr(locked, name) for name in LIMITS}
        for name in LIMITS:
            setattr(locked, name, after[name])
        locked.save(update_fields=list(LIMITS))
        audit(
            at=at, actor=actor.key, action="tokens.key_limit", object_type="vending_key", object_id=str(row.pk),
            reason=reason, before=before, after=after,
        )  # fmt: skip


def end(row: StoredKey, *, reason: str, actor: Actor, at: datetime) -> None:
    """Make no more tokens with a key. Refused while meters hold keys made from it, or tokens of it wait.

    Raises Refused `not_permitted`, `token_reason_needed`, `vending_key_ended`, `vending_key_in_use`.
    """
    actor.require(Act.VAULT)
    if not reason.strip():
        raise Refused("token_reason_needed")
    with transaction.atomic():
        locked = StoredKey.objects.select_for_update().get(pk=row.pk)
        if locked.ended_at is not None:
            raise Refused("vending_key_ended")
        waiting = TokenRequest.objects.filter(Q(key=locked) | Q(new_key=locked), state=TokenRequest.State.WAITING)
        if StsMeter.objects.filter(**_names(locked), meter__removed_at=None).exists() or waiting.exists():
            raise Refused("vending_key_in_use")
        locked.ended_at = at
        locked.save(update_fields=["ended_at"])
        audit(
            at=at, actor=actor.key, action="tokens.key_end", object_type="vending_key", object_id=str(row.pk),
            reason=reason,
        )  # fmt: skip


def _names(row: StoredKey | StsMeter) -> dict[str, object]:
    return {name: getattr(row, name) for name in ("sgc", "krn", "kt", "ken", "dkga", "base_date")}


def key_of(sts: StsMeter) -> StoredKey:
    """The vending key that made the key this meter holds. Raises Refused `vending_key_unknown`."""
    row = StoredKey.objects.filter(
        Q(company_id=None) | Q(company_id=sts.site.company_id), **_names(sts), ended_at=None
    ).first()
    if row is None:
        raise Refused("vending_key_unknown", sgc=sts.sgc, krn=sts.krn, kt=sts.kt, ken=sts.ken)
    return row


def used_on(row: StoredKey, day: date) -> KeyDay:
    """What was asked of a key on a day (UTC); zeros when nothing was."""
    return KeyDay.objects.filter(key=row, day=day).first() or KeyDay(key=row, day=day)
