"""Amounts in words, as a receipt prints them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.units import CNY, CURRENCIES
from prewatt.core.words import amount_in_words

DIGITS = {digit: value for value, digit in enumerate("零壹贰叁肆伍陆柒捌玖")}


@pytest.mark.parametrize(
    ("amount_minor", "words"),
    [
        (0, "人民币零元整"),
        (1, "人民币壹分"),
        (10, "人民币壹角整"),
        (25, "人民币贰角伍分"),
        (100, "人民币壹元整"),
        (105, "人民币壹元零伍分"),
        (150, "人民币壹元伍角整"),
        (1_000, "人民币壹拾元整"),
        (50_000, "人民币伍佰元整"),
        (100_100, "人民币壹仟零壹元整"),
        (101_000, "人民币壹仟零壹拾元整"),
        (168_032, "人民币壹仟陆佰捌拾元叁角贰分"),
        (140_950, "人民币壹仟肆佰零玖元伍角整"),
        (600_714, "人民币陆仟零柒元壹角肆分"),
        (1_640_902, "人民币壹万陆仟肆佰零玖元零贰分"),
        (32_504, "人民币叁佰贰拾伍元零肆分"),
        (10_700_053, "人民币壹拾万柒仟元伍角叁分"),
        (1_000_100, "人民币壹万零壹元整"),
        (10_050_000, "人民币壹拾万零伍佰元整"),
        (100_000_000, "人民币壹佰万元整"),
        (1_000_000_000_0, "人民币壹亿元整"),
        (1_000_000_000_1, "人民币壹亿元零壹分"),
        (1_000_100_000_0, "人民币壹亿零壹万元整"),
        (1_000_000_010_0, "人民币壹亿零壹元整"),
        (1_234_567_890_12, "人民币壹拾贰亿叁仟肆佰伍拾陆万柒仟捌佰玖拾元壹角贰分"),
        (100_000_000_000_000, "人民币壹万亿元整"),
        (-150, "人民币负壹元伍角整"),
    ],
)
def test_chinese(amount_minor: int, words: str) -> None:
    assert amount_in_words(amount_minor, CNY) == words


@pytest.mark.parametrize(
    ("amount_minor", "code", "words"),
    [
        (0, "CNY", "zero yuan only"),
        (5, "CNY", "zero yuan and five fen"),
        (50_000, "CNY", "five hundred yuan only"),
        (123_456, "CNY", "one thousand two hundred and thirty-four yuan and fifty-six fen"),
        (100_100, "CNY", "one thousand and one yuan only"),
        (1_900_000, "CNY", "nineteen thousand yuan only"),
        (200_000_015, "CNY", "two million yuan and fifteen fen"),
        (50_000, "UGX", "fifty thousand Uganda shillings only"),
        (1_021, "KWD", "one Kuwaiti dinars and twenty-one fils"),
        (-150, "CNY", "minus one yuan and fifty fen"),
    ],
)
def test_english(amount_minor: int, code: str, words: str) -> None:
    assert amount_in_words(amount_minor, CURRENCIES[code], "en") == words


@pytest.mark.parametrize(
    ("amount_minor", "code", "words"),
    [
        (50_000, "UGX", "乌干达先令伍万元整"),
        (1_021, "KWD", "科威特第纳尔壹元零贰分壹厘"),
        (150, "USD", "美元壹元伍角整"),
    ],
)
def test_other_currencies_in_chinese(amount_minor: int, code: str, words: str) -> None:
    assert amount_in_words(amount_minor, CURRENCIES[code]) == words


def read_back(words: str) -> int:
    """The number a clerk would read: an independent reader, group by group."""
    match = re.fullmatch(r"人民币(?:(.+)元)?零?(?:(.)角)?(?:(.)分)?整?", words)
    assert match is not None, words
    total = section = digit = 0
    for char in (match[1] or "").replace("万亿", "兆"):
        if char in DIGITS:
            digit = DIGITS[char]
        elif char in "拾佰仟":
            section, digit = section + digit * 10 ** (" 拾佰仟".index(char)), 0
        else:
            total, section, digit = total + (section + digit) * {"万": 10**4, "亿": 10**8, "兆": 10**12}[char], 0, 0
    return (total + section + digit) * 100 + DIGITS[match[2] or "零"] * 10 + DIGITS[match[3] or "零"]


@given(st.one_of(st.integers(0, 10**14 - 1), st.integers(0, 10**7)))
def test_what_is_written_is_read_back(amount_minor: int) -> None:
    words = amount_in_words(amount_minor, CNY)
    assert read_back(words) == amount_minor
    assert "零零" not in words
    assert words.endswith(("整", "分"))
