"""Pinyin initials of a name, stored beside it: the embedded database knows no pinyin (no ICU)."""

from pypinyin import Style, lazy_pinyin

MAX_INITIALS = 64  # width of the columns


def initials(name: str) -> str:
    """Lower-case initials for the find box: 星野烘焙 -> "xyhb"; Latin words give their first letters."""
    words = " ".join(lazy_pinyin(name, style=Style.FIRST_LETTER, errors=lambda text: f" {text} "))
    return "".join(word[0].lower() for word in words.split() if word[0].isalnum())[:MAX_INITIALS]
