"""Refusals of changes: codes and texts."""

from prewatt.core.refusals import Text, register

register(
    {
        "reading_not_fresh": Text(
            en="The meter has not been read well in the last {minutes} minutes, so there is nothing to settle by. "
            "Nothing was changed. Read the meter now, then try again.",
            zh="最近 {minutes} 分钟内没有抄到合格读数，无法结算。什么都没有改。请先立即抄表，再重试。",
        ),
        "reading_not_billed": Text(
            en="The newest reading could not be billed ({why}), so the account cannot be settled. Nothing was changed. "
            "Look at the meter, or give the plan a price.",
            zh="最新读数无法计费（{why}），账目无法结清。什么都没有改。请检查电表，或为电价方案补上价格。",
        ),
        "change_same_contract": Text(
            en="The circuit is supplied under this contract already. Nothing was changed.",
            zh="该回路本来就属于此户。什么都没有改。",
        ),
        "change_same_custody": Text(
            en="The credit of this circuit is held there already. Nothing was changed.",
            zh="该回路已经是这种计费方式。什么都没有改。",
        ),
        "change_not_server_held": Text(
            en="The meter holds the credit of this circuit. Nothing was changed. Close the contract at the meter and "
            "open the new one.",
            zh="该回路为表内计费。什么都没有改。请先在表上销户，再为新户开户。",
        ),
        "balance_not_settled": Text(
            en="The balance is {balance} (minor units). Nothing was changed. Carry it over, or return or collect it "
            "first.",
            zh="余额为 {balance}（最小货币单位）。什么都没有改。请选择结转，或先退费或补交。",
        ),
    }
)
