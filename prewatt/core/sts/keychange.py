"""Key-change sets: two tokens for EA07, three when the meter learns its SGC, four for EA11.

The tokens are encrypted with the old key and carry no RND and no TID. A base-date change sets the
rollover bit, which clears the meter's TID store (sts.md, section 6).
"""

from dataclasses import dataclass
from datetime import datetime

from prewatt.core.refusals import Refused
from prewatt.core.sts.codec import Encoded, encode
from prewatt.core.sts.ids import KEY_CHANGES, Ea
from prewatt.core.sts.keys import DecoderKey
from prewatt.core.sts.refusals import StsCode, refuse
from prewatt.core.sts.tid import tid_under_key
from prewatt.core.sts.tokens import KeyHigh, KeyLow, KeyMiddle, KeySupplyGroup, KeyToken


@dataclass(frozen=True, kw_only=True)
class KeyChange:
    """What is asked: from `old` to `new`, with or without rollover, two or three tokens for EA07.

    Refuses, in this order: keys of two meters, a change of cipher, a key type the old one may not
    become, three tokens for EA11. What is unknown of a bare key is not judged, but the new key must
    know its KRN, KT and TI, and its SGC where the tokens carry it.
    """

    old: DecoderKey
    new: DecoderKey
    rollover: bool
    three_tokens: bool = False

    def __post_init__(self) -> None:
        old, new = self.old, self.new
        if old.meter_pan and new.meter_pan and old.meter_pan != new.meter_pan:
            raise refuse(StsCode.KEY_CHANGE_OTHER_METER)
        if old.ea is not new.ea:
            raise refuse(StsCode.KEY_CHANGE_EA)
        for field in ("krn", "kt", "ti"):
            if getattr(new, field) is None:
                raise refuse(StsCode.FIELD_MISSING, field=f"new_key.{field}")
        if new.sgc is None and (self.three_tokens or new.ea is Ea.MISTY1):
            raise refuse(StsCode.FIELD_MISSING, field="new_key.sgc")
        if old.kt is not None and new.kt is not None and new.kt not in KEY_CHANGES[old.kt]:
            raise refuse(StsCode.KEY_CHANGE_KEY_TYPE, old=int(old.kt), new=int(new.kt))
        if self.three_tokens and new.ea is not Ea.STA:
            raise refuse(StsCode.KEY_CHANGE_THREE_TOKENS)

    def check_time(self, at: datetime) -> None:
        """Refuses a change issued when both keys have expired; a key without a base date is not judged."""
        if self.old.base_date is None or self.new.base_date is None:
            return
        try:
            tid_under_key(at, self.old.base_date, self.old.ken)
        except Refused as refusal:
            if refusal.code not in (StsCode.KEY_EXPIRED, StsCode.TIME_AFTER_RANGE):
                raise
            tid_under_key(at, self.new.base_date, self.new.ken)

    def parts(self) -> tuple[KeyToken, ...]:
        """The tokens' contents, first to last."""
        new = self.new
        assert new.krn is not None and new.kt is not None and new.ti is not None, "checked when made"
        words = [int.from_bytes(new.value[at : at + 4], "big") for at in range(0, len(new.value), 4)]
        first = KeyHigh(
            ken_high=new.ken >> 4,
            krn=new.krn,
            rollover=int(self.rollover),
            three_tokens=self.three_tokens,
            kt=new.kt,
            key_part=words[0],
        )
        second = KeyLow(ken_low=new.ken & 15, ti=new.ti, key_part=words[-1])
        if new.ea is Ea.MISTY1:
            assert new.sgc is not None, "checked when made"
            sgc = int(new.sgc)
            third = KeyMiddle(subclass=8, sgc_part=sgc & 0xFFF, key_part=words[1])
            fourth = KeyMiddle(subclass=9, sgc_part=sgc >> 12, key_part=words[2])
            return first, second, third, fourth
        if self.three_tokens:
            assert new.sgc is not None, "checked when made"
            return first, second, KeySupplyGroup(sgc=new.sgc)
        return first, second

    def tokens(self) -> tuple[Encoded, ...]:
        """The finished tokens under the old key, first to last; a reprint gives the same digits."""
        return tuple(encode(part, self.old) for part in self.parts())
