"""Which role may do which act: one table, asked by every verb and by every menu."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from prewatt.office.staff.models import Role


class Act(StrEnum):
    """Something a member of staff may be allowed to do."""

    VIEW = "view"  # pages of the estate, readings, states
    SELL = "sell"
    SHIFT = "shift"  # open a shift at a till and hand it over
    SHIFT_DIFFERENCE = "shift_difference"  # hand over a drawer that does not agree
    REPRINT = "reprint"
    REWRITE = "rewrite"  # 补写
    REVERSE = "reverse"  # 冲正
    RETURN_CREDIT = "return_credit"  # 退电
    REFUND = "refund"  # 退费
    MAKE_UP_ASK = "make_up_ask"  # 补电
    MAKE_UP_AGREE = "make_up_agree"  # 补电, the second person
    SETTLE = "settle"  # a disputed delivery
    OPEN_CONTRACT = "open_contract"  # 开户
    CLOSE_CONTRACT = "close_contract"  # 销户
    READ_NOW = "read_now"
    RELAY = "relay"  # wishes: automatic, keep on, trip
    TAG = "tag"  # 检修挂牌
    METER_SETTINGS = "meter_settings"
    ESTATE = "estate"  # buildings, rooms, gateways, lines, meters
    PLANS = "plans"  # prices and their assignment
    LIMITS = "limits"  # smallest and largest sale
    ALARMS = "alarms"  # say that an alarm was seen
    BOOKS = "books"  # read the books
    CLOSE_DAY = "close_day"
    TRAIL = "trail"  # read the audit trail
    TOKENS = "tokens"  # STS management, test and key-change tokens, campaigns
    TOKEN_ASK = "token_ask"  # clear credit, or credit that nobody paid for
    TOKEN_AGREE = "token_agree"  # the second person
    VAULT = "vault"  # vending keys and their limits
    OPERATORS = "operators"  # operators, roles, scopes, keys, tills


_CASHIER: Final = frozenset(
    {Act.VIEW, Act.SELL, Act.SHIFT, Act.REPRINT, Act.REWRITE, Act.REVERSE, Act.MAKE_UP_ASK, Act.OPEN_CONTRACT,
     Act.READ_NOW, Act.ALARMS, Act.TOKEN_ASK}
)  # fmt: skip
_MANAGER: Final = _CASHIER | {
    Act.SHIFT_DIFFERENCE, Act.RETURN_CREDIT, Act.REFUND, Act.MAKE_UP_AGREE, Act.SETTLE, Act.CLOSE_CONTRACT,
    Act.RELAY, Act.TAG, Act.METER_SETTINGS, Act.PLANS, Act.LIMITS, Act.BOOKS, Act.TRAIL, Act.TOKENS, Act.TOKEN_AGREE,
}  # fmt: skip
_FINANCE: Final = frozenset(
    {Act.VIEW, Act.REPRINT, Act.REFUND, Act.MAKE_UP_AGREE, Act.BOOKS, Act.CLOSE_DAY, Act.TRAIL, Act.TOKEN_AGREE}
)
_ELECTRICIAN: Final = frozenset(
    {Act.VIEW, Act.READ_NOW, Act.RELAY, Act.TAG, Act.METER_SETTINGS, Act.ESTATE, Act.ALARMS, Act.MAKE_UP_ASK,
     Act.TOKENS, Act.TOKEN_ASK}
)
# An administrator keeps the house, not the money: nobody both names the operators and sells.
_ADMINISTRATOR: Final = frozenset(
    {Act.VIEW, Act.READ_NOW, Act.ESTATE, Act.PLANS, Act.LIMITS, Act.METER_SETTINGS, Act.ALARMS, Act.BOOKS, Act.TRAIL,
     Act.OPERATORS, Act.VAULT}
)  # fmt: skip

PERMITTED: Final = MappingProxyType(
    {
        Role.CASHIER: _CASHIER,
        Role.MANAGER: _MANAGER,
        Role.FINANCE: _FINANCE,
        Role.ELECTRICIAN: _ELECTRICIAN,
        Role.ADMINISTRATOR: _ADMINISTRATOR,
    }
)


def may(role: Role | str, act: Act) -> bool:
    """True when the table says so. Raises ValueError on a role that does not exist."""
    return act in PERMITTED[Role(role)]
