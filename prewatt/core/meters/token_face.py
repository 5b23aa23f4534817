"""How a meter takes twenty digits: at its keypad, over its line, or both. The table `[token]` of a profile.

Over the line the digits are written as packed BCD, and the meter answers in registers: which token it judged last (the
echo), what it said, and what that put on its purse. Echo and result are read by one request, so they belong together:
a result is nobody's answer unless the echo beside it shows his digits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.scales import provenance, scale_of
from prewatt.core.meters.tables import Table
from prewatt.core.refusals import Text, register

DIGITS: Final = 20
DIGIT_WORDS: Final = 5  # four digits a register, the first ones in the first
RESULT_WORDS: Final = 1
CREDIT_WORDS: Final = 2  # i32, high word first


class TokenAnswer(StrEnum):
    """What meters say to a token (IEC 62055-41, 8.3; `core.sts` says the same of its virtual meter)."""

    ACCEPTED = "accepted"
    KEY_PART = "key_part"  # one token of a key-change set is kept until the others come
    USED = "used"
    OLD = "old"
    CRC = "crc"
    FORMAT = "format"
    FUNCTION = "function"
    KEY_EXPIRED = "key_expired"
    DDTK = "ddtk"
    KEY_TYPE = "key_type"
    MAKER = "maker"
    RANGE = "range"
    OVERFLOW = "overflow"
    LOCKED_OUT = "locked_out"

    @property
    def taken(self) -> bool:
        """Has the meter what the token brought, from now or from before?"""
        return self in (TokenAnswer.ACCEPTED, TokenAnswer.KEY_PART, TokenAnswer.USED)

    @property
    def code(self) -> str | None:
        """What an outcome says of it; None for what need not be said."""
        return None if self in (TokenAnswer.ACCEPTED, TokenAnswer.KEY_PART) else f"meter_token_{self.value}"

    @property
    def blind(self) -> bool:
        """Would a meter that took this very token earlier perhaps say the same of it now?"""
        return self in (TokenAnswer.CRC, TokenAnswer.OLD, TokenAnswer.LOCKED_OUT)


register(
    {
        "meter_token_used": Text(
            "The meter says: used. It had taken this token before.", "电表提示：令牌已使用（此前已接受）。"
        ),
        "meter_token_old": Text(
            "The meter refused: the token is older than all it remembers.", "电表拒绝：令牌过旧。"
        ),
        "meter_token_crc": Text(
            "The meter refused: CRC error. It holds another key, or the token is another meter's.",
            "电表拒绝：校验错误。电表密钥不同，或令牌属于另一块表。",
        ),
        "meter_token_format": Text("The meter refused: format error.", "电表拒绝：令牌格式错误。"),
        "meter_token_function": Text(
            "The meter refused: it does not have this function.", "电表拒绝：不支持该功能。"
        ),
        "meter_token_key_expired": Text("The meter refused: its key has expired.", "电表拒绝：密钥已失效。"),
        "meter_token_ddtk": Text(
            "The meter refused: it holds a default key, which takes no credit.", "电表拒绝：默认密钥不接受充值。"
        ),
        "meter_token_key_type": Text("The meter refused: key type error.", "电表拒绝：密钥类型错误。"),
        "meter_token_maker": Text("The meter refused: the token is another maker's.", "电表拒绝：厂家代码不符。"),
        "meter_token_range": Text("The meter refused: out of its range.", "电表拒绝：超出允许范围。"),
        "meter_token_overflow": Text(
            "The meter refused: its register would overflow. The token stays good.", "电表拒绝：余额将溢出。令牌仍然有效。"
        ),
        "meter_token_locked_out": Text(
            "The meter refused: it is locked after wrong entries. Try again later.", "电表拒绝：多次输错已锁定，请稍后再试。"
        ),
        "meter_token_answer_unknown": Text(
            "The meter gave an answer that its profile does not know.", "电表返回了档案中没有的令牌结果。"
        ),
        "token_missing": Text("The job carries no token of twenty digits.", "任务没有 20 位令牌。"),
        "token_not_supported": Text("This model takes no tokens over its line.", "该型号不能通过通讯线路接收令牌。"),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenWire:
    """Where a token goes over the line, addresses of circuit 1. `start` and `count`: the one read of the answer."""

    address: int  # of the digits
    echo: int  # of the token the meter judged last, by whichever way it came
    result: int
    credit: int | None  # what that token put on the purse, signed
    factor: Fraction  # of `credit`, in the credit unit
    start: int
    count: int
    spare: int
    shared: bool  # one place for the whole meter, instead of one for each circuit
    results: Mapping[int, TokenAnswer]
    source: str
    assumed: bool

    def word_of(self, answer: TokenAnswer) -> int:
        """The result word for an answer: the meter's side. 0 for what this model has no word for."""
        return next((raw for raw, each in self.results.items() if each is answer), 0)

    def spans(self) -> list[tuple[int, int, str]]:
        """First address, address behind the last, and name of everything that it takes of circuit 1's map."""
        found = [(self.start, self.start + self.count, "token.answer")]
        inside = self.start <= self.address and self.address + DIGIT_WORDS <= self.start + self.count
        return found if inside else [*found, (self.address, self.address + DIGIT_WORDS, "token.address")]


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenFace:
    """The ways in for a token. A model without this table takes none."""

    keypad: bool
    wire: TokenWire | None


def token_face_of(root: Table, credit_unit: str, *, max_block: int) -> TokenFace | None:
    """The table `[token]`. Raises Refused `profile_value`, `profile_missing`, `profile_no_source`."""
    if not root.has("token"):
        return None
    table = root.table("token")
    made = TokenFace(
        keypad=table.flag("keypad"),
        wire=_wire(table.table("wire"), credit_unit, max_block) if table.has("wire") else None,
    )
    table.done()
    if made.wire is None and not made.keypad:
        raise table.refuse("keypad", "false")
    return made


def _wire(table: Table, credit_unit: str, max_block: int) -> TokenWire:
    address = table.address("address", 0x10000 - DIGIT_WORDS)
    echo = table.address("echo", 0x10000 - DIGIT_WORDS, address)  # else the written registers show it
    result = table.address("result")
    credit, factor = None, Fraction(1)
    if table.has("credit"):
        credit = table.address("credit", 0x10000 - CREDIT_WORDS)
        _, factor = scale_of(table, Quantity.TOKEN_CREDIT, credit_unit)
    spare, shared = table.integer("spare", 0, 1, 0), table.flag("shared")
    brought = [(credit, CREDIT_WORDS)] if credit is not None else []
    parts = sorted([(echo, DIGIT_WORDS), (result, RESULT_WORDS), *brought])
    count = sum(words for _, words in parts)
    places = [parts[0][0] + sum(words for _, words in parts[:each]) for each in range(len(parts))]
    if [at for at, _ in parts] != places or count + spare > max_block:
        raise table.refuse("result", "not one block with the echo")
    if address != echo and address < places[0] + count and places[0] < address + DIGIT_WORDS:
        raise table.refuse("address", "lies in its own answer")
    source, assumed = provenance(table, "token")
    made = TokenWire(
        address=address, echo=echo, result=result, credit=credit, factor=factor, start=places[0], count=count,
        spare=spare, shared=shared, results=_results(table.table("results")), source=source, assumed=assumed,
    )  # fmt: skip
    table.done()
    return made


def _results(table: Table) -> Mapping[int, TokenAnswer]:
    found: dict[int, TokenAnswer] = {}
    for key, word in table.items().items():
        answer = table.named(key, word, TokenAnswer)
        # 0 is what stands there while the meter still judges
        if not (key.isascii() and key.isdecimal() and len(key) <= 5 and 0 < int(key) <= 0xFFFF) or int(key) in found:
            raise table.refuse(key, word)
        found[int(key)] = answer
    if not {TokenAnswer.ACCEPTED, TokenAnswer.USED} <= set(found.values()):
        raise table.refuse("accepted", "missing")
    return MappingProxyType(found)


def bcd(digits: str) -> bytes:
    """Twenty digits as the registers hold them."""
    assert len(digits) == DIGITS and digits.isascii() and digits.isdecimal(), "twenty digits"
    return bytes.fromhex(digits)


def digits_of(data: bytes) -> str:
    """What five registers show; empty for nibbles that are no digits."""
    text = data.hex()
    return text if text.isdecimal() else ""
