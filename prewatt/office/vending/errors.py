"""Refusals of vending: codes and texts. Each says what happened, what was not done, what to do."""

from prewatt.core.refusals import Text, register

# for the faces that must choose a status; whatever is in neither was understood and refused
NOT_FOUND = frozenset(
    {"contract_unknown", "circuit_not_of_contract", "sale_unknown", "delivery_missing", "act_unknown", "shift_unknown"}
)
CONFLICT = frozenset(
    {
        "key_busy", "delivery_open", "quote_stale", "contract_not_open", "credit_in_meter", "credit_not_in_meter",
        "delivery_unknown", "sale_reversed", "sale_refunded", "sale_returned", "reversal_not_last",
        "reversal_other_shift", "shift_not_open", "shift_not_yours", "shift_open_already", "shift_closed",
        "delivery_not_refused", "delivery_not_disputed", "count_moved", "act_not_asked", "refund_not_due",
        "delivery_not_waiting", "supply_by_meter", "day_closed", "drawer_short", "drawer_differs", "credit_used",
        "act_in_meter", "act_not_done", "token_made", "token_not_made", "clear_credit_needed", "sts_meter_changed",
        "recount_disputed", "recount_not_disputed",
    }
)  # fmt: skip

register(
    {
        "key_required": Text(
            en="A request key of 1-64 printable ASCII characters is needed. Nothing was done.",
            zh="缺少请求键（1-64 位可见 ASCII 字符）。什么都没有做。",
        ),
        "key_reused": Text(
            en="This request key was used for another request. Nothing was done. Take a new key.",
            zh="该请求键已用于另一笔请求。什么都没有做。请换一个新的键。",
        ),
        "key_busy": Text(
            en="The first request with this key is still running. Nothing was done twice. Ask again in a moment.",
            zh="同一请求键的首次请求仍在处理。没有重复执行。请稍后再试。",
        ),
        "contract_unknown": Text(en="No such contract. Nothing was sold.", zh="没有这个户号。未售电。"),
        "circuit_not_of_contract": Text(
            en="This circuit is not supplied under this contract. Nothing was sold.",
            zh="该回路不属于此户。未售电。",
        ),
        "contract_not_open": Text(
            en="The contract is not open (its meter has not agreed yet, or it is closed). Nothing was sold.",
            zh="该户尚未开户完成或已销户。未售电。",
        ),
        "plan_missing": Text(
            en="No price is in force for this supply point. Nothing was sold. Assign a plan first.",
            zh="该供电点没有生效的电价。未售电。请先指定电价方案。",
        ),
        "plan_needs_money_purse": Text(
            en="The meter's purse is in another unit than the plan can price. Nothing was sold.",
            zh="电表的计量单位与电价方案不符。未售电。",
        ),
        "profile_unknown": Text(
            en="The meter's model ({profile}) has no profile. Nothing was sold.",
            zh="电表型号（{profile}）没有档案。未售电。",
        ),
        "delivery_open": Text(
            en="The last credit of this circuit has not been settled yet. Nothing was sold; the money of the last "
            "sale is safe. Wait for the meter, or see the delivery.",
            zh="该回路上一笔下发尚未完成。本次未售电；上一笔的钱是安全的。请等待电表应答，或查看该笔下发。",
        ),
        "recount_not_disputed": Text(
            en="Nothing is disputed on this circuit since the restore. Nothing was changed.",
            zh="该回路在恢复后没有争议。什么都没有改。",
        ),
        "recount_disputed": Text(
            en="The books were restored from a backup, and this meter has counted other purchases since. Nothing was "
            "sold. A manager must look at it first.",
            zh="账目已从备份恢复，而该电表此后的购电次数与账目不符。未售电。请先由管理员核对。",
        ),
        "quote_stale": Text(
            en="Price or credit changed while selling. Nothing was sold. Look at the new quote and try again.",
            zh="售电时电价或余额已变化。未售电。请查看新的报价后重试。",
        ),
        "amount_malformed_minor": Text(
            en="The amount must be a whole number above zero. Nothing was sold.",
            zh="金额必须是大于零的整数。未售电。",
        ),
        "amount_too_small": Text(
            en="The amount is below the smallest sale ({smallest_minor} minor units). Nothing was sold.",
            zh="金额低于最小售电额（{smallest_minor}，最小货币单位）。未售电。",
        ),
        "amount_above_limit": Text(
            en="The amount is above the largest sale ({largest_minor} minor units). Nothing was sold.",
            zh="金额超过最大售电额（{largest_minor}，最小货币单位）。未售电。",
        ),
        "limits_malformed": Text(
            en="The smallest sale must be above zero and not above the largest. Nothing was changed.",
            zh="最小售电额必须大于零且不大于最大售电额。什么都没有改。",
        ),
        "hoarding_limit": Text(
            en="The meter may hold {limit}; it holds {balance}, and this would add {credit}. Nothing was sold. "
            "Sell {most_minor} (minor units) at most, or raise the limit.",
            zh="超过囤积限额 {limit}：现有 {balance}，本次 {credit}。未售电。"
            "现在最多可售 {most_minor}（最小货币单位），或调整限额。",
        ),
        "balance_unknown": Text(
            en="The meter's balance was never read, so the hoarding limit cannot be kept. Nothing was sold. "
            "Read the meter.",
            zh="从未读到电表余额，无法核对囤积限额。未售电。请先抄表。",
        ),
        "tokens_not_entered": Text(
            en="This customer holds {held} tokens that are not known to be entered; the meter remembers {remembered}. "
            "Let him enter the oldest first, or one may be lost.",
            zh="该用户已有 {held} 个令牌尚未确认输入，电表只记得最近 {remembered} 个。请提醒用户先输入最早的令牌，否则可能作废。",
        ),
        "limit_not_judged": Text(
            en="Nobody has read this meter's register lately, so the hoarding limit is not judged.",
            zh="近期没有人抄过这块表的剩余量，囤积限额未核对。",
        ),
        "limit_estimated": Text(
            en="The hoarding limit is judged by the last reading and all tokens given out since.",
            zh="囤积限额按最近一次读数加上此后给出的全部令牌估算。",
        ),
        "purchase_count_full": Text(
            en="The meter's purchase count is used up. Nothing was sold. Swap or re-open the meter.",
            zh="电表购电次数已满。未售电。请换表或重新开户。",
        ),
        "till_unknown": Text(
            en="No such till at this site. Nothing was done.", zh="该项目没有这个窗口。什么都没有做。"
        ),
        "till_malformed": Text(
            en="A till needs a code (1-8 letters and digits) and a name (1-32). Nothing was changed.",
            zh="窗口需要代码（1-8 位字母数字）和名称（1-32 字）。什么都没有改。",
        ),
        "till_exists": Text(en="The site has a till {till} already.", zh="该项目已有窗口 {till}。"),
        "shift_not_open": Text(
            en="No shift is open at this till. Nothing was done. Open a shift first.",
            zh="该窗口没有开班。什么都没有做。请先开班。",
        ),
        "shift_not_yours": Text(
            en="Another operator's shift is open at this till. Nothing was done.",
            zh="该窗口当前是其他操作员的班次。什么都没有做。",
        ),
        "supply_by_meter": Text(
            en="The meter holds this credit and closes its own relay; see the delivery.",
            zh="该户为表内计费，由电表自行合闸；请查看下发。",
        ),
        "sale_unknown": Text(en="No such sale.", zh="没有这笔售电。"),
    }
)
