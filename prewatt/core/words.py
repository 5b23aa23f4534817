"""Amounts in words (大写金额) for receipts: financial Chinese numerals and English."""

from typing import Final

from prewatt.core.units import Currency

_DIGITS: Final = "零壹贰叁肆伍陆柒捌玖"
_PLACES: Final = ("", "拾", "佰", "仟")
_GROUPS: Final = ("", "万", "亿", "万亿")

_SMALL: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS: Final = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES: Final = ("", " thousand", " million", " billion", " trillion")


def amount_in_words(amount_minor: int, currency: Currency, lang: str = "zh-hans") -> str:
    """50000 fen -> "人民币伍佰元整" or "five hundred yuan only"; a negative amount begins with 负 or "minus"."""
    return _chinese(amount_minor, currency) if lang.lower().startswith("zh") else _english(amount_minor, currency)


def _chinese_group(number: int) -> str:
    """0..9999 without leading zeros: 1050 -> 壹仟零伍拾."""
    text, gap = "", False
    for place in (3, 2, 1, 0):
        digit = number // 10**place % 10
        if digit == 0:
            gap = bool(text)
            continue
        text += ("零" if gap else "") + _DIGITS[digit] + _PLACES[place]
        gap = False
    return text


def _chinese_whole(number: int) -> str:
    assert 0 <= number < 10**16, number
    if number == 0:
        return "零"
    text, gap = "", False
    for group in (3, 2, 1, 0):
        part = number // 10 ** (4 * group) % 10_000
        if part == 0:
            gap = bool(text)
            if group == 2 and text and text.endswith("万亿"):
                gap = True
            continue
        if text and (gap or part < 1000):
            text += "零"
        text += _chinese_group(part) + _GROUPS[group]
        gap = False
    if "万亿" in text and text.count("亿") > 1:
        # 壹万亿 followed by 亿: the 亿 is said once, 壹万零贰亿
        text = text.replace("万亿", "万", 1)
    return text


def _chinese(amount_minor: int, currency: Currency) -> str:
    whole, part = divmod(abs(amount_minor), currency.minor_per_major)
    words = currency.name_zh + ("负" if amount_minor < 0 else "")
    tenths = part * 1000 // currency.minor_per_major  # thousandths: 角, 分, 厘
    jiao, fen, li = tenths // 100, tenths // 10 % 10, tenths % 10
    if whole or not tenths:
        words += _chinese_whole(whole) + "元"
    if not tenths:
        return words + "整"
    if jiao:
        words += _DIGITS[jiao] + "角"
    elif whole:
        words += "零"
    if fen:
        words += _DIGITS[fen] + "分"
    elif li and jiao:
        words += "零"
    if li:
        words += _DIGITS[li] + "厘"
    return words if fen or li else words + "整"


def _english_hundreds(number: int) -> str:
    words: list[str] = []
    hundreds, rest = divmod(number, 100)
    if hundreds:
        words.append(f"{_SMALL[hundreds]} hundred")
        if rest:
            words.append("and")
    if 0 < rest < 20:
        words.append(_SMALL[rest])
    elif rest:
        tens, ones = divmod(rest, 10)
        words.append(_TENS[tens] + (f"-{_SMALL[ones]}" if ones else ""))
    return " ".join(words)


def _english_whole(number: int) -> str:
    assert 0 <= number < 10**15, number
    if number == 0:
        return "zero"
    words: list[str] = []
    for scale in range(4, -1, -1):
        part = number // 1000**scale % 1000
        if not part:
            continue
        if scale == 0 and words and part < 100:
            words.append("and")
        words.append(_english_hundreds(part) + _SCALES[scale])
    return " ".join(words)


def _english(amount_minor: int, currency: Currency) -> str:
    whole, part = divmod(abs(amount_minor), currency.minor_per_major)
    words = "minus " if amount_minor < 0 else ""
    words += f"{_english_whole(whole)} {currency.major_en}"
    return f"{words} and {_english_whole(part)} {currency.minor_en}" if part else f"{words} only"
