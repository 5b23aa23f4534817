"""Refusals of the corrections at the desk and of shifts: codes and texts."""

from prewatt.core.refusals import Text, register

register(
    {
        "reason_needed": Text(en="A reason is needed. Nothing was changed.", zh="必须填写原因。什么都没有改。"),
        "reason_too_long": Text(
            en="The reason may have {most} characters at most. Nothing was changed.",
            zh="原因最多 {most} 字。什么都没有改。",
        ),
        "act_unknown": Text(en="No such act.", zh="没有这项操作。"),
        "delivery_missing": Text(en="No such delivery.", zh="没有这笔下发。"),
        "credit_used": Text(
            en="What was bought has been used meanwhile. Nothing was changed. Return what is left instead.",
            zh="所购金额已有部分用掉。什么都没有改。请改为退还剩余部分。",
        ),
        "act_in_meter": Text(
            en="The meter has carried this out; it cannot be taken back. Nothing was changed. Sell or return instead.",
            zh="电表已执行，不能冲正。什么都没有改。请另行售电或退电。",
        ),
        "act_not_done": Text(
            en="Only a return or make-up that is done can be taken back. Nothing was changed.",
            zh="只有已完成的退电或补电才能冲正。什么都没有改。",
        ),
        "sale_reversed": Text(
            en="This sale has been reversed. Nothing was changed.", zh="该笔售电已冲正。什么都没有改。"
        ),
        "sale_refunded": Text(
            en="This sale has been refunded. Nothing was changed.", zh="该笔售电已退费。什么都没有改。"
        ),
        "sale_returned": Text(
            en="The credit of this sale is being returned, or has been. Nothing was changed.",
            zh="该笔售电的电量已退或正在退。什么都没有改。",
        ),
        "credit_in_meter": Text(
            en="The credit is in the meter. Nothing was changed. Take it out by a return, then pay it back.",
            zh="电量已写入电表。什么都没有改。请先退电，再退费。",
        ),
        "credit_not_in_meter": Text(
            en="The credit of this sale is not in the meter. Nothing was changed. Reverse or refund it instead.",
            zh="该笔售电的电量不在电表内。什么都没有改。请改用冲正或退费。",
        ),
        "delivery_unknown": Text(
            en="It is not known yet whether the meter has the credit. Nothing was changed; the money is safe. "
            "We keep asking the meter; try again when it has answered.",
            zh="尚不清楚电表是否已收到电量。什么都没有改，钱是安全的。系统会继续询问电表，请等待应答后再试。",
        ),
        "reversal_not_last": Text(
            en="Only the last sale of a circuit can be reversed. Nothing was changed.",
            zh="只能冲正该回路的最后一笔售电。什么都没有改。",
        ),
        "reversal_other_shift": Text(
            en="The shift of this sale has been handed over. Nothing was changed. Refund it instead.",
            zh="该笔售电的班次已交班，不能冲正。什么都没有改。请改用退费。",
        ),
        "delivery_not_waiting": Text(
            en="This delivery waits for nothing. The meter was not asked.", zh="该笔下发不在等待中。没有询问电表。"
        ),
        "delivery_not_refused": Text(
            en="Only an order that the meter refused can be written again. Nothing was changed.",
            zh="只有电表拒绝的指令才能补写。什么都没有改。",
        ),
        "delivery_not_disputed": Text(
            en="Only a disputed delivery is settled by hand. Nothing was changed.",
            zh="只有存疑的下发才能人工处理。什么都没有改。",
        ),
        "count_moved": Text(
            en="The meter's purchase count has moved on, so this order can never be applied again. Nothing was sent. "
            "Refund it instead.",
            zh="电表购电次数已变化，该指令不能再写入。未下发。请改用退费。",
        ),
        "evidence_contradicts": Text(
            en="The count that was read is below the order's: it cannot have been delivered. Nothing was changed.",
            zh="所读购电次数小于该指令的次数，不可能已写入。什么都没有改。",
        ),
        "evidence_malformed": Text(
            en="The purchase count read at the meter (0-65535) is needed. Nothing was changed.",
            zh="请填写在表上读到的购电次数（0-65535）。什么都没有改。",
        ),
        "credit_malformed": Text(
            en="The credit must be above zero and a multiple of {resolution}. Nothing was changed.",
            zh="电量必须大于零，且为 {resolution} 的整数倍。什么都没有改。",
        ),
        "make_up_above_most": Text(
            en="A make-up may give {most} at most. Nothing was changed.", zh="补电最多 {most}。什么都没有改。"
        ),
        "make_up_above_hoarding_limit": Text(
            en="The meter may not hold that much. Nothing was changed.", zh="超过电表囤积限额。什么都没有改。"
        ),
        "act_not_asked": Text(
            en="This make-up has been answered already. Nothing was changed.", zh="该补电申请已处理。什么都没有改。"
        ),
        "second_person_needed": Text(
            en="Another person must agree. Nothing was changed.", zh="必须由另一人复核。什么都没有改。"
        ),
        "return_above_balance": Text(
            en="The meter does not hold that much credit. Nothing was sent.", zh="电表余额不足，不能退这么多。未下发。"
        ),
        "delivery_by_token": Text(
            en="This credit comes as a token: no meter is asked. Nothing was changed.",
            zh="本笔为令牌售电，不向电表查询。什么都没有改。",
        ),
        "clear_credit_needed": Text(
            en="Tokens that were handed out cannot be taken back. Clear the meter's credit first: two persons, what "
            "the register showed, and the clear-credit token entered. Nothing was changed.",
            zh="给出的令牌不能收回。请先用清零令牌清除表内电量：两人办理、记录表内读数，并确认清零令牌已输入。什么都没有改。",
        ),
        "return_above_books": Text(
            en="The books do not hold that much deferred income. Nothing was sent.",
            zh="账上预收余额不足，不能退这么多。未下发。",
        ),
        "refund_not_due": Text(
            en="No money is due for this, or it has been paid already. Nothing was paid.",
            zh="没有应退款，或已经退过。未付款。",
        ),
        "drawer_short": Text(
            en="There is not that much cash in the drawer. Nothing was paid. Take another till or tender.",
            zh="钱箱现金不足。未付款。请换窗口或改用其他方式。",
        ),
        "shift_unknown": Text(en="No such shift.", zh="没有这个班次。"),
        "shift_closed": Text(en="This shift has been handed over already.", zh="该班次已交班。"),
        "shift_open_already": Text(
            en="A shift is open at this till already. Nothing was changed. Hand it over first.",
            zh="该窗口已有班次未交。什么都没有改。请先交班。",
        ),
        "till_needs_no_shift": Text(en="This till needs no shift.", zh="该窗口无需开班。"),
        "drawer_differs": Text(
            en="The drawer does not agree: {counted} counted, {expected} expected (minor units). The shift stays open. "
            "Count again, or let a manager accept the difference with a reason.",
            zh="钱箱不符：实点 {counted}，应有 {expected}（最小货币单位）。未交班。请重新点钞，或由管理人员注明原因后接受差额。",
        ),
    }
)
