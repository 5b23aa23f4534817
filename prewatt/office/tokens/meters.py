"""STS attributes of a meter: registered, repaired, changed by a key change. Checked by the engine before anything is
written."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.core.sts import BaseDate, CreditKind, Dkga, Ea, KeyType, MeterPan, StsCode
from prewatt.core.sts.ids import check_ken, check_krn, check_kt, check_sgc, check_ti
from prewatt.core.sts.refusals import refuse
from prewatt.office.estate.models import Meter
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.tokens import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.tokens.models import StsMeter, TokenRequest

TCT_CODES: Final = {"01": "magnetic card", "02": "keypad", "07": "virtual"}
CARD: Final = "01"


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What is on the meter's label or in its card. Give `meter_pan` (18 digits) or make it of a DRN by `pan_of`."""

    meter_pan: str
    ea: str
    dkga: str
    sgc: str
    ti: str
    krn: int
    kt: int
    base_date: int
    ken: int = 255
    tct: str = "02"
    three_tokens: bool = False
    credit_kind: int = CreditKind.ELECTRICITY


def pan_of(drn: str) -> str:
    """The meter PAN of a DRN of 11 or 13 digits. Raises `drn_malformed`, `drn_check_digit`."""
    return MeterPan.of_drn(drn).digits


def checked(given: Attributes) -> Attributes:
    """The attributes when the engine accepts them, in its order: PAN, algorithms, key names, then what belongs
    together.

    Raises its refusals (`meter_pan_check_digit`, `ea_unknown`, ...), `tct_unknown`, `common_key_needs_card`.
    """
    MeterPan.parse(given.meter_pan)
    if given.dkga in ("01", "03"):
        raise refuse(StsCode.DKGA_UNVERIFIED, dkga=given.dkga)
    if given.dkga not in frozenset(Dkga):
        raise refuse(StsCode.DKGA_UNKNOWN)
    if given.ea == "09":
        raise refuse(StsCode.EA_WITHDRAWN)
    if given.ea not in frozenset(Ea):
        raise refuse(StsCode.EA_UNKNOWN)
    check_sgc(given.sgc)
    check_ti(given.ti)
    check_krn(given.krn)
    kt = check_kt(given.kt)
    check_ken(given.ken)
    BaseDate.of(given.base_date)
    if given.dkga == Dkga.DES and given.ea != Ea.STA:
        raise refuse(StsCode.DKGA_EA_MISMATCH)
    if given.dkga == Dkga.HMAC and kt is KeyType.DCTK:
        raise refuse(StsCode.COMMON_KEY_UNDEFINED)
    if given.three_tokens and given.ea != Ea.STA:
        raise refuse(StsCode.KEY_CHANGE_THREE_TOKENS)
    if given.tct not in TCT_CODES:
        raise Refused("tct_unknown")
    if kt is KeyType.DCTK and given.tct != CARD:
        raise Refused("common_key_needs_card")
    if given.credit_kind not in frozenset(CreditKind):
        raise refuse(StsCode.SUBCLASS_UNKNOWN, token_class=0, subclass=given.credit_kind)
    return given


def register(meter: Meter, given: Attributes, *, actor: Actor, at: datetime) -> StsMeter:
    """Give a meter its STS attributes. Raises Refused `not_permitted`, what `checked` raises, `sts_meter_exists`."""
    actor.require(Act.ESTATE)
    checked(given)
    with transaction.atomic():
        Meter.objects.select_for_update(no_key=True).get(pk=meter.pk)
        if StsMeter.objects.filter(meter=meter).exists() or StsMeter.objects.filter(meter_pan=given.meter_pan).exists():
            raise Refused("sts_meter_exists")
        made = StsMeter.objects.create(
            site_id=meter.site_id, meter=meter, changed_at=at,
            **{name: getattr(given, name) for name in Attributes.__dataclass_fields__},
        )  # fmt: skip
        _audit(made, "tokens.register", actor, at, reason="", before=None)
    return made


def repair(sts: StsMeter, given: Attributes, *, reason: str, actor: Actor, at: datetime) -> StsMeter:
    """Correct the record where the meter holds something else (a test token showed it). Requests under way stay as
    they are.

    Raises Refused `token_reason_needed`, what `checked` raises, `sts_meter_in_use` when the PAN would change behind
    tokens, `sts_meter_exists`.
    """
    actor.require(Act.ESTATE)
    if not reason.strip():
        raise Refused("token_reason_needed")
    checked(given)
    with transaction.atomic():
        locked = StsMeter.objects.select_for_update(no_key=True).get(pk=sts.pk)
        if locked.meter_pan != given.meter_pan:
            if TokenRequest.objects.filter(sts_meter=locked).exists():
                raise Refused("sts_meter_in_use")
            if StsMeter.objects.filter(meter_pan=given.meter_pan).exists():
                raise Refused("sts_meter_exists")
        before = shown(locked)
        fields = list(Attributes.__dataclass_fields__)
        for name in fields:
            setattr(locked, name, getattr(given, name))
        locked.revision += 1
        locked.changed_at = at
        locked.save(update_fields=[*fields, "revision", "changed_at"])
        _audit(locked, "tokens.repair", actor, at, reason=reason, before=before)
    return locked


def attributes_of(sts: StsMeter) -> Attributes:
    """The row as the value `register` and `repair` take."""
    return Attributes(**{name: getattr(sts, name) for name in Attributes.__dataclass_fields__})


def shown(sts: StsMeter) -> dict[str, object]:
    """What the trail keeps of the attributes."""
    return {name: getattr(sts, name) for name in Attributes.__dataclass_fields__}


def _audit(
    sts: StsMeter, action: str, actor: Actor, at: datetime, *, reason: str, before: dict[str, object] | None
) -> None:
    audit(
        at=at, actor=actor.key, action=action, site_id=sts.site_id, object_type="meter", object_id=str(sts.meter_id),
        reason=reason, before=before, after=shown(sts),
    )  # fmt: skip
