"""How credit is put into a meter that speaks DL/T 645: the table `[credit]` of its profile.

There is no single public truth (费控): two families are known well enough to be written down, and the profile picks one.
Modbus meters have their `[order]` block instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from prewatt.core.meters.jobs import OrderKind
from prewatt.core.meters.scales import provenance
from prewatt.core.meters.tables import Table
from prewatt.core.refusals import Refused, Text, register, texts

MAX_SESSION_MINUTES: Final = 60  # who takes the line over must not find the meter open for a day

register(
    {
        "profile_credit": Text(
            "Credit in a DL/T 645 meter needs [credit], a purse in money, and purchase_count, balance,"
            " last_order_amount and purchased_total among its blocks; a model without it is server-held.",
            "DL/T 645 表内计费需要 [credit]、金额钱包，以及状态或钱包块中的购电次数、余额、上次购电和累计购电；"
            "否则只能由平台计费。",
        ),
        "return_not_supported": Text(
            "This model takes no credit back over the line: it is used up, or settled at the meter.",
            "该型号不能远程退电：请用完余额，或在现场处理。",
        ),
        "clear_not_supported": Text(
            "This model cannot be cleared over the line: take its credit over, or return it first.",
            "该型号不能远程清零：请接收余额，或先退电。",
        ),
        "meter_recharge_repeated": Text(
            "The meter says that it has this order already.", "电表拒绝：重复充值。"
        ),
        "meter_mac_wrong": Text(
            "The meter refused the check code. It locks its purse for the day after a few more (3 or 15, by model):"
            " have the keys looked at before trying again.",
            "电表拒绝：ESAM 验证失败。再失败数次（按型号 3 或 15 次）当日将闭锁，请先核对密钥。",
        ),
        "meter_authentication_failed": Text(
            "The meter did not accept the security module's proof. It locks its purse for the day after a few more.",
            "电表拒绝：身份认证失败。多次失败后当日将闭锁。",
        ),
        "meter_customer_differs": Text("The meter belongs to another customer number.", "电表拒绝：客户编号不匹配。"),
        "meter_address_abnormal": Text("The meter refused the address.", "电表拒绝：表号异常。"),
        "meter_suspended": Text(
            "The meter has locked its purse until tomorrow: too many wrong check codes.",
            "电表已挂起：校验失败次数过多，次日解锁。",
        ),
        "meter_close_failed": Text("The meter could not close its relay.", "电表合闸失败。"),
        "meter_not_opened": Text("The meter's account is not opened.", "电表未开户。"),
    }
)

# a refusal of State Grid meters by its name in `core.wire.dlt645.COST_ERRORS`; any other is "meter_refused"
GRID_REFUSALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "repeated_recharge": "meter_recharge_repeated",
        "esam_check_failed": "meter_mac_wrong",
        "identity_authentication_failed": "meter_authentication_failed",
        "customer_number_mismatch": "meter_customer_differs",
        "recharge_count_error": "meter_count_wrong",
        "hoarding_limit_exceeded": "meter_hoarding_limit",
        "address_abnormal": "meter_address_abnormal",
        "meter_suspended": "meter_suspended",
        "close_failed": "meter_close_failed",
    }
)


class Family(StrEnum):
    """Which conversation puts credit in."""

    ORDER_NUMBER = "order_number"  # an order by its own number, no cryptography
    STATE_GRID = "state_grid"  # authenticated, check codes by a security provider


KINDS: Final[Mapping[Family, frozenset[OrderKind]]] = MappingProxyType(
    {
        Family.ORDER_NUMBER: frozenset({OrderKind.PURCHASE, OrderKind.RETURN}),
        Family.STATE_GRID: frozenset({OrderKind.PURCHASE}),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Credit:
    """How this model is credited. `results`: what the one error byte of an order-number meter means; `minutes`: how
    long a session of a State Grid meter is asked to hold; `locks_after`: wrong check codes, 0 where it never locks."""

    family: Family
    results: Mapping[int, str]
    minutes: int
    locks_after: int
    source: str
    assumed: bool

    @property
    def kinds(self) -> frozenset[OrderKind]:
        return KINDS[self.family]

    def unfit(self, kind: OrderKind) -> str | None:
        """The code of a kind of order that this family cannot carry."""
        return None if kind in self.kinds else f"{kind.value}_not_supported"

    @property
    def secured(self) -> bool:
        """Nobody credits it without a security provider."""
        return self.family is Family.STATE_GRID


def credit_of(root: Table) -> Credit | None:
    """The table `[credit]`; None where there is none. Raises Refused `profile_missing`, `profile_value`."""
    if not root.has("credit"):
        return None
    table = root.table("credit")
    family = table.word("family", Family)
    results: dict[int, str] = {}
    numbered = family is Family.ORDER_NUMBER
    if numbered:
        listed = table.table("results")
        for key, code in listed.items().items():
            known = isinstance(code, str) and code.startswith("meter_") and code in texts
            if len(key) != 2 or any(digit not in "0123456789ABCDEF" for digit in key) or not known:
                raise listed.refuse(key, code)
            results[int(key, 16)] = str(code)
    source, assumed = provenance(table, "credit")
    made = Credit(
        family=family,
        results=MappingProxyType(results),
        minutes=0 if numbered else table.integer("minutes", 1, MAX_SESSION_MINUTES),
        locks_after=0 if numbered else table.integer("locks_after", 0, 99),
        source=source,
        assumed=assumed,
    )
    table.done()
    return made


def check_credit(credit: Credit | None, *, meter_held: bool, money: bool, witnessed: bool) -> None:
    """A DL/T 645 model holds credit exactly where the profile says how. Raises Refused `profile_credit`."""
    if (credit is not None) != meter_held or (meter_held and not (money and witnessed)):
        raise Refused("profile_credit")
