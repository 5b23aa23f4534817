"""Refusals of the ledger: codes and texts."""

from prewatt.core.refusals import Text, register

register(
    {
        "day_closed": Text(
            en="The books of {day} are closed. Nothing was booked.", zh="{day} 已日结，不能再记账。什么都没有改。"
        ),
        "day_not_over": Text(
            en="{day} is not over yet. Nothing was changed.", zh="{day} 尚未结束，不能日结。什么都没有改。"
        ),
        "day_closed_already": Text(en="{day} is closed already.", zh="{day} 已经日结。"),
        "entry_key_used": Text(
            en="This entry has been booked already ({key}). Nothing was booked.",
            zh="该凭证已经记过账（{key}）。什么都没有改。",
        ),
        "entry_empty": Text(en="An entry needs a transfer. Nothing was booked.", zh="凭证没有分录。什么都没有改。"),
        "entry_unknown": Text(en="No such entry. Nothing was booked.", zh="没有这张凭证。什么都没有改。"),
        "entry_reversed_already": Text(
            en="This entry has been reversed already. Nothing was booked.", zh="该凭证已经冲销过。什么都没有改。"
        ),
        "account_kind_differs": Text(
            en="The account {key} is of another kind. Nothing was booked.", zh="账户 {key} 的类别不符。什么都没有改。"
        ),
    }
)
