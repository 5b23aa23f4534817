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
        "registers_malformed": Text(
            en="Both registers are needed: the energy so far, and the credit left in tenths of a kWh, neither below "
            "zero. Nothing was saved.",
            zh="请填写两个读数：累计电量和剩余电量（精确到 0.1 度），都不能为负。什么都没有保存。",
        ),
        "registers_backward": Text(
            en="The energy register was read higher before ({last_wh} Wh). Nothing was saved. Read it again.",
            zh="累计电量低于上次读数（{last_wh} Wh）。什么都没有保存。请重新抄读。",
        ),
        "registers_again": Text(
            en="This circuit has a reading of this very moment. Nothing was saved. Try again.",
            zh="该回路在同一时刻已有读数。什么都没有保存。请重试。",
        ),
        "token_one_circuit": Text(
            en="A token does not say to which circuit of a meter it belongs: this meter has several. "
            "Nothing was opened.",
            zh="令牌不能区分一块表的多个回路，而此表有多个回路。没有开户。",
        ),
        "balance_not_settled": Text(
            en="The balance is {balance} (minor units). Nothing was changed. Carry it over, or return or collect it "
            "first.",
            zh="余额为 {balance}（最小货币单位）。什么都没有改。请选择结转，或先退费或补交。",
        ),
    }
)
