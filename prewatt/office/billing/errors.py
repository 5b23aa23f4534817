"""Refusals of billing: codes and texts."""

from prewatt.core.refusals import Text, register

register(
    {
        "server_custody_unsupported": Text(
            en="Meters of the profile {profile} cannot be server-held. Nothing was opened.",
            zh="表型档案 {profile} 不支持后台计费。没有开户。",
        ),
        "circuit_has_contract": Text(
            en="This circuit is supplied under contract {number} in that time already. Nothing was opened.",
            zh="该回路在此期间已由户 {number} 使用。没有开户。",
        ),
        "circuit_not_for_tenants": Text(
            en="This is a common-area circuit; it has no contract. Nothing was opened.",
            zh="这是公共用电回路，不开户。没有开户。",
        ),
        "circuit_other_site": Text(
            en="This circuit is at another site than the contract. Nothing was opened.",
            zh="该回路与户不在同一项目。没有开户。",
        ),
        "contract_ended": Text(
            en="This contract is closed or is being closed. Nothing was opened.",
            zh="该户已销户或正在销户。没有开户。",
        ),
        "reading_not_held": Text(
            en="This reading is not held any more: look at the contract again. Nothing was changed.",
            zh="该读数已不再待处理，请重新查看该户。什么都没有改。",
        ),
        "doubt_over": Text(
            en="Nothing is in doubt here any more: the counter came back, or somebody decided. Nothing was changed.",
            zh="此处已无疑问读数：计数已恢复，或已由他人处理。什么都没有改。",
        ),
        "doubt_fell": Text(
            en="The counter stands lower than before, which cannot have been used: bill on from it instead. "
            "Nothing was changed.",
            zh="计数比之前低，不可能是用电：请改为从此读数继续计费。什么都没有改。",
        ),
        "doubt_impossible": Text(
            en="No supply point can use {wh} Wh in that time: bill on from it instead. Nothing was changed.",
            zh="任何供电点都不可能在该时间内用 {wh} Wh：请改为从此读数继续计费。什么都没有改。",
        ),
        "thresholds_order": Text(
            en="Alarm 1 must not lie below alarm 2, and overdraft must not be negative. Nothing was opened.",
            zh="一级报警不能低于二级报警，透支不能为负。没有开户。",
        ),
    }
)
