"""Everything a meter can say or be told has a word in both languages."""

from enum import StrEnum

import pytest

from prewatt.core.meters.jobs import Intent, OrderKind, Verdict, Wish
from prewatt.core.meters.names import label
from prewatt.core.meters.quantities import Quantity, StatusBit

ENUMS: list[type[Quantity | StatusBit | Verdict | Intent | OrderKind | Wish]] = [
    Quantity, StatusBit, Verdict, Intent, OrderKind, Wish,
]  # fmt: skip


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_every_member_has_a_word_of_its_own_in_both_languages(
    enum: type[Quantity | StatusBit | Verdict | Intent | OrderKind | Wish],
) -> None:
    assert issubclass(enum, StrEnum)
    for lang in ("zh-hans", "en"):
        words = [label(each, lang) for each in enum]
        assert all(word.strip() for word in words)
        assert len(set(words)) == len(words)
    assert all(any("\u4e00" <= char <= "\u9fff" for char in label(each)) for each in enum)
