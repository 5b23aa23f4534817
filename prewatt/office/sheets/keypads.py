"""Meters that take tokens: what a row of `sts`, and a supply point by token, must agree with."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from prewatt.core.meters import Profile
from prewatt.core.refusals import Refused
from prewatt.core.sts import CreditKind
from prewatt.office.estate.models import Carrier, Custody
from prewatt.office.sheets.rows import StsRow, SupplyRow
from prewatt.office.tokens.meters import Attributes, checked, pan_of

_DRN_DIGITS: Final = (11, 13)


def attributes(row: StsRow) -> Attributes:
    """What the row says, judged by the engine. Raises Refused as `tokens.meters.checked` and `pan_of`."""
    pan = pan_of(row.pan) if len(row.pan) in _DRN_DIGITS else row.pan
    return checked(
        Attributes(
            meter_pan=pan, ea=row.ea, dkga=row.dkga, sgc=row.sgc, ti=row.ti, krn=row.krn, kt=row.kt, ken=row.ken,
            base_date=row.base_date, tct=row.tct, credit_kind=row.credit_kind, three_tokens=row.three_tokens,
        )
    )  # fmt: skip


def row_of(meter: str, held: Attributes) -> StsRow:
    """The row that would say what stands."""
    return StsRow(
        meter=meter, pan=held.meter_pan, sgc=held.sgc, krn=held.krn, kt=held.kt, ti=held.ti, ken=held.ken,
        base_date=held.base_date, ea=held.ea, dkga=held.dkga, tct=held.tct, credit_kind=held.credit_kind,
        three_tokens=held.three_tokens,
    )  # fmt: skip


def wrong_with(
    value: SupplyRow, profile: Profile | None, sts: Mapping[str, StsRow], *, lost: bool, at: datetime
) -> tuple[str, dict[str, object]] | None:
    """Why a supply point cannot be by token, code and parameters; None where it can, or is not by token. `lost`: the
    meter's row of `sts` is refused itself."""
    if value.carrier != Carrier.TOKEN:
        return None
    if value.custody != Custody.METER or (value.overdraft, value.alarm_1, value.alarm_2) != (0, 0, 0):
        return "token_without_terms", {}
    if value.valid_from > at:
        return "token_from_ahead", {}
    held = sts.get(value.meter)
    if held is None:
        return None if lost else ("sts_meter_unknown", {})
    if held.credit_kind != CreditKind.ELECTRICITY:
        return "token_credit_kind", {}
    if profile is not None and profile.circuits > 1:
        return "token_one_circuit", {}
    return None


def judged(row: StsRow) -> tuple[StsRow | None, Refused | None]:
    """The row with its PAN written out, or why the engine refuses it."""
    try:
        return row_of(row.meter, attributes(row)), None
    except Refused as refused:
        return None, refused
