"""Refusals of staff: codes and texts."""

from prewatt.core.refusals import Text, register

register(
    {
        "not_permitted": Text(
            en="Your role ({role}) may not do this. Nothing was changed. Ask a manager.",
            zh="您的角色（{role}）无权进行此操作。什么都没有改。请找管理人员。",
        ),
        "operator_inactive": Text(en="This operator has been deactivated.", zh="该操作员已停用。"),
        "operator_unknown": Text(en="No such operator.", zh="没有这个操作员。"),
        "operator_exists": Text(
            en="An operator with the name {username} exists already. Nothing was changed.",
            zh="操作员 {username} 已存在。什么都没有改。",
        ),
        "operator_malformed": Text(
            en="User name (1-64 of a-z 0-9 . _ -) and name (1-64 characters) are needed. Nothing was changed.",
            zh="请填写登录名（1-64 位 a-z 0-9 . _ -）和姓名（1-64 字）。什么都没有改。",
        ),
        "password_too_short": Text(
            en="The password needs {least} characters or more. Nothing was changed.",
            zh="密码至少 {least} 位。什么都没有改。",
        ),
        "password_too_long": Text(
            en="The password may have {most} characters at most. Nothing was changed.",
            zh="密码最多 {most} 位。什么都没有改。",
        ),
        "role_unknown": Text(en="No such role: {role}. Nothing was changed.", zh="没有角色 {role}。什么都没有改。"),
        "own_role": Text(
            en="Nobody changes his own role or ends himself. Nothing was changed. Ask another administrator.",
            zh="不能更改自己的角色或停用自己。什么都没有改。请找另一位管理员。",
        ),
        "scope_malformed": Text(
            en="A scope names exactly one company, site or building. Nothing was changed.",
            zh="管理范围必须且只能指定一个公司、项目或楼栋。什么都没有改。",
        ),
        "scope_exists": Text(en="The operator has this scope already.", zh="该操作员已有此管理范围。"),
        "scope_unknown": Text(en="The operator does not have this scope.", zh="该操作员没有此管理范围。"),
        "key_invalid": Text(en="The API key is missing or not valid.", zh="API 密钥缺失或无效。"),
        "key_name_malformed": Text(
            en="A key needs a name of 1-64 characters. Nothing was changed.",
            zh="密钥需要 1-64 字的名称。什么都没有改。",
        ),
    }
)
