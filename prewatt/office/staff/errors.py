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
        "password_unchanged": Text(
            en="This is the password you have already. Nothing was changed. Choose another.",
            zh="这就是您现在的密码。什么都没有改。请另选一个。",
        ),
        "login_refused": Text(
            en="The user name or the password is not right. Nothing was changed; please try again.",
            zh="登录名或密码不对。什么都没有改；请再试一次。",
        ),
        "login_blocked": Text(
            en="Too many wrong tries. The next one is possible in {seconds} s; what is typed before is not looked at.",
            zh="错误次数过多。{seconds} 秒后可以再试；在此之前输入的内容不会被验证。",
        ),
        "code_wrong": Text(
            en="This code is not right, or it was used already. Nothing was changed. Type the one shown now.",
            zh="验证码不对，或已经用过。什么都没有改。请输入现在显示的验证码。",
        ),
        "second_factor_on": Text(
            en="The second factor is on already. Nothing was changed. Take it off first.",
            zh="两步验证已经启用。什么都没有改。请先停用。",
        ),
        "second_factor_off": Text(
            en="No second factor is on. Nothing was changed.", zh="没有启用两步验证。什么都没有改。"
        ),
        "second_factor_needed": Text(
            en="The company asks for a second factor in your role: it can be renewed, not taken off. "
            "Nothing was changed.",
            zh="公司要求您的角色使用两步验证：可以更换，不能停用。什么都没有改。",
        ),
        "session_unknown": Text(en="No such session, or it has ended already.", zh="没有这个会话，或已经结束。"),
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
