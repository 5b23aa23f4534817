"""Refusals of exchanging a meter: codes and texts."""

from prewatt.core.refusals import Text, register

register(
    {
        "swap_same_meter": Text(
            en="This is the meter that stands there. Nothing was changed.", zh="新表号与现用电表相同。什么都没有改。"
        ),
        "swap_gone": Text(
            en="This meter was taken down already. Nothing was changed.", zh="这块电表已经拆除。什么都没有改。"
        ),
        "swap_by_token": Text(
            en="The credit of this meter comes by tokens: it cannot be read out or carried on. Nothing was changed. "
            "Close the contract and open the new meter.",
            zh="这块表用 TOKEN 充值，余额不能读出和转移。什么都没有改。请销户后在新表上开户。",
        ),
        "swap_credit_unit": Text(
            en="The new meter counts its credit in another unit. Nothing was changed.",
            zh="新表的计费单位不同。什么都没有改。",
        ),
        "swap_needs_evidence": Text(
            en="Say who read the old meter and where it can be seen (a photograph, a protocol). Nothing was changed.",
            zh="请写明谁抄的旧表读数及凭据（照片、工单）。什么都没有改。",
        ),
        "swap_reading_missing": Text(
            en="The final reading of circuit {index} is missing. Nothing was changed.",
            zh="缺少回路 {index} 的旧表止码。什么都没有改。",
        ),
        "swap_in_future": Text(
            en="The exchange lies in the future. Nothing was changed.", zh="换表时间在将来。什么都没有改。"
        ),
        "swap_before_reading": Text(
            en="The old meter was read well at {read_at}, after that. Nothing was changed. Give a later time.",
            zh="旧表在此之后（{read_at}）还有合格读数。什么都没有改。请填写更晚的时间。",
        ),
        "swap_reading_below": Text(
            en="The old meter was read at {wh} Wh already: it cannot stand lower. Nothing was changed.",
            zh="旧表已抄到 {wh} Wh，止码不能更小。什么都没有改。",
        ),
        "swap_credit_above_read": Text(
            en="The old meter held {credit} when it was last read, and a meter only counts down. Nothing was changed. "
            "What is missing is a make-up, which a second person agrees to.",
            zh="旧表最后一次读到的余额是 {credit}，余额只会减少。什么都没有改。差额请走补电，由第二人复核。",
        ),
        "swap_debt": Text(
            en="The old meter holds {credit}: it was used past zero. Nothing was changed. Sell at least that to the "
            "old meter first.",
            zh="旧表余额为 {credit}，已过零用电。什么都没有改。请先在旧表上补足。",
        ),
        "swap_purse_unread": Text(
            en="The old meter's purse was never read whole, so its money is not known. Nothing was changed. Read it "
            "now, then try again.",
            zh="旧表钱包没有完整读数，无法确定其金额。什么都没有改。请先立即抄表，再重试。",
        ),
        "swap_part_ended": Text(
            en="There is nothing to be done again here. Nothing was changed.", zh="这里没有需要重做的步骤。什么都没有改。"
        ),
        "swap_wanted_since": Text(
            en="Somebody has wanted something else of the new meter since.", zh="此后已有人对新表另作设定。"
        ),
    }
)
