"""Refusals of opening and closing: codes and texts."""

from prewatt.core.refusals import Text, register

register(
    {
        "circuit_supplied": Text(
            en="This circuit is supplied under contract {number} already. Nothing was opened.",
            zh="该回路已由户 {number} 使用。没有开户。",
        ),
        "circuit_common": Text(
            en="This is a common-area circuit; it has no contract. Nothing was opened.",
            zh="这是公共用电回路，不开户。没有开户。",
        ),
        "customer_unknown": Text(en="No such customer. Nothing was opened.", zh="没有这个用户。没有开户。"),
        "levels_order": Text(
            en="Alarm 1 must not lie below alarm 2, and no limit may be negative. Nothing was opened.",
            zh="一级报警不能低于二级报警，各限额不能为负。没有开户。",
        ),
        "opening_unknown": Text(en="No such opening.", zh="没有这次开户。"),
        "opening_needs_no_act": Text(
            en="This opening does not wait for a decision.", zh="这次开户不需要选择处理方式。"
        ),
        "carrier_token": Text(
            en="The credit of this circuit comes as tokens: the meter is read by a person, not by us. Nothing was "
            "changed. Close it by what the meter shows.",
            zh="该回路通过令牌充值，由人抄表，系统不与电表通信。什么都没有改。请按表上读数销户。",
        ),
        "credit_unsettled": Text(
            en="The meter still holds {balance} of credit. The contract stays open. Return the credit first.",
            zh="表内还有余额 {balance}。没有销户。请先退电。",
        ),
        "debt_unsettled": Text(
            en="The meter shows {balance} of debt. The contract stays open. Sell the missing credit first.",
            zh="表内欠 {balance}。没有销户。请先补交。",
        ),
        "delivery_unsettled": Text(
            en="A credit of this contract is still on its way. The contract stays open.",
            zh="该户还有一笔下发未完成。没有销户。",
        ),
        "money_unsettled": Text(
            en="Money of this contract waits to be refunded. The contract stays open.",
            zh="该户还有应退款未退。没有销户。",
        ),
    }
)
