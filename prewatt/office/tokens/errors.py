"""Refusals of tokens: codes and texts. What the engine itself refuses has its codes in `core.sts.refusals`."""

from prewatt.core.refusals import Text, register

register(
    {
        "sts_meter_unknown": Text(
            en="This meter has no STS attributes. Nothing was made.", zh="这块电表没有登记 STS 参数。什么都没有生成。"
        ),
        "sts_meter_exists": Text(
            en="This meter, or this meter PAN, is registered already. Nothing was saved.",
            zh="这块电表或这个表主账号已经登记过。什么都没有保存。",
        ),
        "sts_meter_changed": Text(
            en="The meter's STS attributes were changed meanwhile. Nothing was made. Ask again.",
            zh="电表的 STS 参数刚被修改过。什么都没有生成。请重新操作。",
        ),
        "sts_meter_in_use": Text(
            en="Tokens were made for this meter PAN: it stays as it is. Nothing was saved. "
            "Register a replaced meter anew.",
            zh="这个表主账号已经签发过令牌，不能更改。什么都没有保存。换了表请重新登记。",
        ),
        "tct_unknown": Text(
            en="The token carrier (TCT) must be 01, 02 or 07. Nothing was saved.",
            zh="令牌载体类型（TCT）只能是 01、02 或 07。什么都没有保存。",
        ),
        "common_key_needs_card": Text(
            en="A common key (KT 3) is for magnetic-card meters (TCT 01) alone. Nothing was saved.",
            zh="公共密钥（KT 3）仅用于磁卡表（TCT 01）。什么都没有保存。",
        ),
        "vending_key_unknown": Text(
            en="No vending key for supply group {sgc}, revision {krn}, type {kt}, expiry {ken} is in the vault. "
            "Nothing was made.",
            zh="密钥库中没有供电组 {sgc}、版本 {krn}、类型 {kt}、失效号 {ken} 的售电密钥。什么都没有生成。",
        ),
        "vending_key_exists": Text(
            en="This vending key is in the vault already. Nothing was saved.", zh="这个售电密钥已在密钥库中。什么都没有保存。"
        ),
        "vending_key_ended": Text(en="This vending key has been ended. Nothing was made.", zh="这个售电密钥已停用。什么都没有生成。"),
        "vending_key_in_use": Text(
            en="Meters hold keys made from this vending key, or tokens of it wait. Nothing was changed.",
            zh="仍有电表使用由它生成的密钥，或有待生成的令牌。什么都没有改。",
        ),
        "vending_key_default": Text(
            en="A meter with a default key (KT 1) takes no credit. Nothing was made. Change its key first.",
            zh="使用默认密钥（KT 1）的电表不接受充值。什么都没有生成。请先更换密钥。",
        ),
        "vending_limit": Text(
            en="The daily limit of this vending key is reached ({limit}). Nothing was made. "
            "Raise it, or wait for the next day (UTC).",
            zh="这个售电密钥已达到每日限额（{limit}）。什么都没有生成。请提高限额，或等到下一天（UTC）。",
        ),
        "vending_limit_malformed": Text(
            en="A daily limit is empty or a whole number above zero. Nothing was changed.",
            zh="每日限额为空或大于零的整数。什么都没有改。",
        ),
        "vault_closed": Text(
            en="The key vault is not open on this server. No token was made; the request is kept and tried again.",
            zh="本服务器的密钥库没有打开。没有生成令牌；请求已保留，稍后再试。",
        ),
        "vault_unavailable": Text(
            en="The key vault does not answer. No token was shown; the request is kept and tried again.",
            zh="密钥库没有应答。没有显示令牌；请求已保留，稍后再试。",
        ),
        "vault_secret_wrong": Text(
            en="The passphrase or key file does not open the key vault.", zh="口令或密钥文件打不开密钥库。"
        ),
        "vault_secret_weak": Text(
            en="A passphrase needs {least} characters or more; a key file holds exactly 32 bytes; "
            "its owner alone may read it.",
            zh="口令至少 {least} 个字符；密钥文件必须正好 32 字节，且仅所有者可读。",
        ),
        "vault_secret_missing": Text(en="The key vault's secret cannot be read.", zh="读不到密钥库的口令或密钥文件。"),
        "vault_software_in_production": Text(
            en="A software vault is no certified security module. In production it opens only with "
            "PREWATT_VAULT_SOFTWARE=1.",
            zh="软件密钥库不是经认证的密码机。生产环境须设置 PREWATT_VAULT_SOFTWARE=1 才能打开。",
        ),
        "vault_test_key": Text(
            en="This is a public test key: anybody can make tokens with it. It is refused in production.",
            zh="这是公开的测试密钥，任何人都能用它生成令牌。生产环境拒绝使用。",
        ),
        "vault_key_damaged": Text(
            en="The sealed vending key does not open: it was damaged, or its names were changed.",
            zh="封存的售电密钥无法打开：数据损坏，或其标识被改动。",
        ),
        "vault_key_elsewhere": Text(
            en="This key, or the new one, lies in another vault. No token was made.",
            zh="这个密钥或新密钥在另一个密钥库中。没有生成令牌。",
        ),
        "vault_cannot": Text(
            en="This vault cannot make keys by DKGA{dkga}. Nothing was made.", zh="这个密钥库不支持 DKGA{dkga}。什么都没有生成。"
        ),
        "device_key_missing": Text(
            en="The device holds no key with this label, or will not sign with it.", zh="设备中没有此标签的密钥，或不允许用它计算。"
        ),
        "token_amount_zero": Text(
            en="A credit token needs an amount above zero. Nothing was made.",
            zh="充值令牌的数额必须大于零。什么都没有生成。",
        ),
        "token_credit_kind": Text(
            en="This meter takes credit of another kind. Nothing was made.", zh="这块电表接受的充值种类不同。什么都没有生成。"
        ),
        "token_message_reused": Text(
            en="This message was used for another token already. Nothing was made.",
            zh="此消息号已用于另一个令牌。什么都没有生成。",
        ),
        "token_message_malformed": Text(
            en="A message id has 1 to 96 characters. Nothing was made.", zh="消息号为 1 到 96 个字符。什么都没有生成。"
        ),
        "token_tids_ahead": Text(
            en="The meter's token times are used up for the next {minutes} minutes. Nothing was made. Try again later.",
            zh="这块电表未来 {minutes} 分钟的令牌时间都已用完。什么都没有生成。请稍后再试。",
        ),
        "token_after_restore": Text(
            en="The books were restored from a backup a short while ago: until a day has passed, a meter gets one "
            "token for each minute since. Nothing was made. Try again in a minute.",
            zh="系统刚从备份恢复：恢复后的一天内，每块电表每过一分钟才能多签发一个令牌。什么都没有生成。请一分钟后再试。",
        ),
        "token_reserved_used": Text(
            en="The reserved minute of this day is used already for this meter, or may have been before a restore. "
            "Nothing was made.",
            zh="这块电表当天的保留分钟已经用过，或在恢复之前可能用过。什么都没有生成。",
        ),
        "token_reserved_kind": Text(
            en="Only management tokens take the reserved minute. Nothing was made.", zh="只有管理令牌可以使用保留分钟。什么都没有生成。"
        ),
        "token_request_unknown": Text(en="No such token request.", zh="没有这个令牌请求。"),
        "token_not_made": Text(
            en="There are no digits yet. Nothing was changed.", zh="还没有令牌数字。什么都没有改。"
        ),
        "token_made": Text(
            en="The digits exist: a token once shown cannot be taken back. Nothing was changed.",
            zh="令牌数字已经生成：给出的令牌不能收回。什么都没有改。",
        ),
        "token_withdrawn": Text(en="This token was withdrawn before it was made.", zh="此令牌在生成前已撤回。"),
        "token_refused": Text(
            en="The key vault refused this token ({why}). There are no digits.",
            zh="密钥库拒绝生成此令牌（{why}）。没有令牌数字。",
        ),
        "token_digits_differ": Text(
            en="The key vault gave other digits than before for the same request. The first ones stand; call support.",
            zh="密钥库对同一请求给出了不同的数字。以先前的为准；请联系技术支持。",
        ),
        "token_second_person": Text(
            en="This token takes two persons: somebody else has to agree. Nothing was made.",
            zh="此令牌需要两人办理：必须由另一位操作员同意。什么都没有生成。",
        ),
        "token_takes_one": Text(
            en="This token needs no second person. Nothing was saved. Issue it directly.", zh="此令牌不需要第二人。什么都没有保存。请直接签发。"
        ),
        "token_evidence_needed": Text(
            en="Clearing credit needs a reason and what the meter's register showed. Nothing was saved.",
            zh="清零令牌需要原因和电表剩余量读数。什么都没有保存。",
        ),
        "token_reason_needed": Text(en="A reason is needed. Nothing was saved.", zh="必须填写原因。什么都没有保存。"),
        "proposal_unknown": Text(en="No such proposal.", zh="没有这个申请。"),
        "proposal_decided": Text(en="This was decided already. Nothing was changed.", zh="此申请已经处理过。什么都没有改。"),
        "key_change_needless": Text(
            en="The meter holds this key already. Nothing was made.", zh="电表已经使用这个密钥。什么都没有生成。"
        ),
        "campaign_unknown": Text(en="No such key-change campaign.", zh="没有这个换密活动。"),
        "campaign_state": Text(
            en="The campaign is {state}: this cannot be done now. Nothing was changed.",
            zh="换密活动当前状态为 {state}，不能这样做。什么都没有改。",
        ),
        "campaign_meter_state": Text(
            en="This meter of the campaign is {state}: this cannot be done now. Nothing was changed.",
            zh="活动中这块电表的状态为 {state}，不能这样做。什么都没有改。",
        ),
        "campaign_malformed": Text(
            en="A campaign needs a name of 1-64 characters and at least one meter. Nothing was saved.",
            zh="换密活动需要 1-64 字的名称和至少一块电表。什么都没有保存。",
        ),
    }
)
