"""The words of `explain`: kinds of tokens, fields, meter answers and reasons, in both languages."""

from typing import Final

from prewatt.core.refusals import Text
from prewatt.core.sts.meter import Answer
from prewatt.core.sts.tokens import CreditKind, ManagementKind, TokenClass

CREDIT_NAMES: Final = {
    CreditKind.ELECTRICITY: Text("electricity credit", "购电（电量）"),
    CreditKind.WATER: Text("water credit", "购水（水量）"),
    CreditKind.GAS: Text("gas credit", "购气（气量）"),
    CreditKind.TIME: Text("connection time credit", "购时（接入时间）"),
    CreditKind.ELECTRICITY_CURRENCY: Text("electricity credit in money", "购电（金额）"),
    CreditKind.WATER_CURRENCY: Text("water credit in money", "购水（金额）"),
    CreditKind.GAS_CURRENCY: Text("gas credit in money", "购气（金额）"),
    CreditKind.TIME_CURRENCY: Text("connection time credit in money", "购时（金额）"),
}

UNITS: Final = {
    CreditKind.ELECTRICITY: Text("kWh", "kWh"),
    CreditKind.WATER: Text("m³", "m³"),
    CreditKind.GAS: Text("m³", "m³"),
    CreditKind.TIME: Text("min", "分钟"),
}

MANAGEMENT_NAMES: Final = {
    ManagementKind.POWER_LIMIT: Text("set maximum power limit", "设置最大功率限值"),
    ManagementKind.CLEAR_CREDIT: Text("clear credit", "清除余额"),
    ManagementKind.TARIFF_RATE: Text("set tariff rate", "设置费率"),
    ManagementKind.CLEAR_TAMPER: Text("clear tamper condition", "清除窃电状态"),
    ManagementKind.PHASE_UNBALANCE: Text("set maximum phase power unbalance", "设置相间功率不平衡限值"),
    ManagementKind.WATER_FACTOR: Text("set water meter factor", "设置水表系数"),
}

TEST_NAMES: Final = (
    Text("meter test or display (2-digit maker code)", "电表测试或显示（2 位厂家代码）"),
    Text("meter test or display (4-digit maker code)", "电表测试或显示（4 位厂家代码）"),
    Text("extended read", "扩展读取"),
)
TEST_PROPRIETARY: Final = Text("maker's own test", "厂家自定义测试")
EXTENDED_NAME: Final = Text("extended setting", "扩展设置")
KEY_NAMES: Final = {
    1: Text("key change, first token", "密钥更换，第 1 个令牌"),
    2: Text("key change, second token", "密钥更换，第 2 个令牌"),
    3: Text("key change, third token", "密钥更换，第 3 个令牌"),
    4: Text("key change, fourth token", "密钥更换，第 4 个令牌"),
}

# the class is in clear: of a token that does not open at least that much is known
UNREAD_NAMES: Final = {
    None: Text("no token", "不是令牌"),
    TokenClass.CREDIT: Text("a credit token that could not be opened", "无法解密的购电类令牌"),
    TokenClass.TEST: Text("a meter test or display token that cannot be read", "无法解读的测试或显示令牌"),
    TokenClass.MANAGEMENT: Text("a management token that could not be opened", "无法解密的管理令牌"),
    TokenClass.RESERVED: Text("a token of a reserved class", "保留类别的令牌"),
}

# sts.md 2.2: bits 0-10 stated by two sources; 11-17 from memory, consistent with the vectors
CONTROL_NAMES: Final = (
    Text("load switch", "负荷开关"),
    Text("information display", "显示屏"),
    Text("cumulative kWh register", "累计电量"),
    Text("key revision number", "密钥版本号"),
    Text("tariff index", "费率索引"),
    Text("token reader (reserved later)", "令牌读取器（后保留）"),
    Text("maximum power limit", "最大功率限值"),
    Text("tamper status", "窃电状态"),
    Text("power consumption", "当前功率"),
    Text("version", "版本"),
    Text("phase unbalance limit", "相间不平衡限值"),
    Text("water factor (unverified)", "水表系数（未验证）"),
    Text("tariff rate (unverified)", "费率（未验证）"),
    Text("encryption algorithm (unverified)", "加密算法（未验证）"),
    Text("number of key-change tokens (unverified)", "换密令牌数（未验证）"),
    Text("supply group code (unverified)", "供电组代码（未验证）"),
    Text("key expiry number (unverified)", "密钥失效号（未验证）"),
    Text("decoder reference number (unverified)", "解码器编号（未验证）"),
)
ALL_TESTS: Final = Text("every test the meter can do", "电表支持的全部测试")

FIELD_NAMES: Final = {
    "rnd": Text("random number", "随机数"),
    "tid": Text("token identifier (TID), minutes", "令牌标识（TID），分钟"),
    "issued_at": Text("issued (UTC)", "签发时间（UTC）"),
    "amount_tenths": Text("amount, tenths", "数量（0.1 单位）"),
    "amount_currency": Text("amount, money", "金额"),
    "power_w": Text("power, W", "功率（W）"),
    "register": Text("register", "寄存器"),
    "rate": Text("rate code", "费率代码"),
    "factor": Text("factor code", "系数代码"),
    "index": Text("index", "索引"),
    "control_value": Text("control value", "控制值"),
    "flag_index": Text("flag index", "标志索引"),
    "flag_value": Text("flag value", "标志值"),
    "manufacturer_code_digits": Text("digits of the maker code", "厂家代码位数"),
    "manufacturer_code": Text("maker code (0: every make)", "厂家代码（0：所有厂家）"),
    "control": Text("control bits", "控制位"),
    "tests": Text("what is tested or shown", "测试或显示内容"),
    "ken_high": Text("key expiry number, high half", "密钥失效号高半部"),
    "ken_low": Text("key expiry number, low half", "密钥失效号低半部"),
    "krn": Text("key revision", "密钥版本"),
    "kt": Text("key type", "密钥类型"),
    "ti": Text("tariff index", "费率索引"),
    "rollover": Text("clears the TID store (base date change)", "清除令牌记录（基准日期更换）"),
    "three_tokens": Text("set of three tokens", "三令牌组"),
    "sgc": Text("supply group code", "供电组代码"),
    "sgc_low": Text("supply group code, low half", "供电组代码低半部"),
    "sgc_high": Text("supply group code, high half", "供电组代码高半部"),
    "key_part": Text("part of the new key (not shown)", "新密钥片段（不显示）"),
}

ANSWERS: Final = {
    Answer.ACCEPT: Text("The meter accepts the token.", "电表接受该令牌。"),
    Answer.KEY_PART_1: Text(
        "The meter takes the first part and waits for the rest.", "电表接受第 1 段，等待其余令牌。"
    ),
    Answer.KEY_PART_2: Text(
        "The meter takes the second part and waits for the rest.", "电表接受第 2 段，等待其余令牌。"
    ),
    Answer.KEY_PART_3: Text(
        "The meter takes the third part and waits for the rest.", "电表接受第 3 段，等待其余令牌。"
    ),
    Answer.KEY_PART_4: Text(
        "The meter takes the fourth part and waits for the rest.", "电表接受第 4 段，等待其余令牌。"
    ),
    Answer.LOCKED_OUT: Text("The keypad is locked after wrong entries.", "多次输错，键盘已锁定。"),
    Answer.FORMAT: Text("The meter says: format error.", "电表提示：格式错误。"),
    Answer.CRC: Text("The meter says: CRC error.", "电表提示：校验错误。"),
    Answer.FUNCTION: Text("The meter does not have this function.", "电表不支持该功能。"),
    Answer.OLD: Text("The meter says: old.", "电表提示：令牌过旧。"),
    Answer.USED: Text("The meter says: used.", "电表提示：令牌已使用。"),
    Answer.KEY_EXPIRED: Text("The meter says: key expired.", "电表提示：密钥已失效。"),
    Answer.DDTK: Text("The meter says: default key (DDTK) error.", "电表提示：默认密钥（DDTK）错误。"),
    Answer.KEY_TYPE: Text("The meter says: key type error.", "电表提示：密钥类型错误。"),
    Answer.MAKER: Text("The meter says: maker code error.", "电表提示：厂家代码错误。"),
    Answer.RANGE: Text("The meter says: range error.", "电表提示：超出范围。"),
    Answer.OVERFLOW: Text("The meter says: overflow.", "电表提示：余额溢出。"),
}
assert list(ANSWERS) == list(Answer), "every answer has its texts"

UNKNOWN_ANSWER: Final = Text("The answer cannot be foretold.", "无法预判电表的回应。")

REASONS: Final = {
    "no_key": Text("The token is encrypted and no key of the meter was given.", "令牌已加密，而未提供电表密钥。"),
    "digit_count": Text("{count} digits were given; a token has 20.", "共 {count} 位，令牌应为 20 位。"),
    "not_digits": Text("Something other than digits was given.", "含有非数字字符。"),
    "too_large": Text(
        "No token is as large as this number: a digit is wrong, often the first.",
        "该数字超过令牌最大值：有数字输错，常为首位。",
    ),
    "reserved": Text("The standard reserves this class or subclass.", "该类别或子类为标准保留。"),
    "field_invalid": Text("The token carries a value the standard does not allow.", "令牌携带标准不允许的取值。"),
    "other_key": Text(
        "The token was made under another known key: {name}. It was issued before or after a key change, "
        "or for another meter.",
        "该令牌由另一已知密钥生成：{name}。可能签发于换密之前或之后，或属于另一块表。",
    ),
    "typing_error": Text(
        "One digit is probably mistyped, or two neighbours swapped, at position {positions}.",
        "可能在第 {positions} 位输错一位数字，或相邻两位颠倒。",
    ),
    "wrong_meter_or_key": Text(
        "More than one digit is wrong, or the token is for another meter, or SGC, TI or key revision of the "
        "meter in the records are wrong.",
        "不止一位数字有误；或令牌属于另一块表；或系统中该表的供电组代码、费率索引、密钥版本记录有误。",
    ),
    "older_than_store": Text(
        "The meter remembers 50 tokens; this one is older than all of them. It can never be accepted: "
        "issue the credit again after checking that it was not entered.",
        "电表只记忆 50 个令牌，该令牌早于全部记录，无法再被接受：核实未曾输入后重新签发。",
    ),
    "already_entered": Text("The meter has taken this token before.", "该令牌此前已被电表接受。"),
    "key_needs_change": Text(
        "The token's time lies after the expiry of the meter's key: the meter needs a key change.",
        "令牌时间晚于电表密钥的失效期：请先更换密钥。",
    ),
    "default_key": Text(
        "The meter still holds a default or factory key, which takes no credit: a key change comes first.",
        "电表仍为默认或出厂密钥，不接受购电令牌：请先更换密钥。",
    ),
    "key_type_forbidden": Text(
        "The meter's present key type may not be replaced by the one in the token.",
        "电表当前密钥类型不允许更换为令牌所载类型。",
    ),
    "other_maker": Text("The token is meant for another make of meter.", "该令牌针对其他厂家的电表。"),
    "out_of_limits": Text("The value lies outside the meter's limits.", "取值超出电表允许范围。"),
    "register_full": Text(
        "The credit would overflow the register; the token stays good and can be entered later.",
        "余额将溢出；令牌仍有效，可稍后再输。",
    ),
    "function_missing": Text("This kind of meter cannot do what the token asks.", "该型电表不具备令牌所要求的功能。"),
}

REASON_OF: Final = {
    Answer.OLD: "older_than_store",
    Answer.USED: "already_entered",
    Answer.KEY_EXPIRED: "key_needs_change",
    Answer.DDTK: "default_key",
    Answer.KEY_TYPE: "key_type_forbidden",
    Answer.MAKER: "other_maker",
    Answer.RANGE: "out_of_limits",
    Answer.OVERFLOW: "register_full",
    Answer.FUNCTION: "function_missing",
}

NOTES: Final = {
    "tid_store_unknown": Text(
        "What the meter has taken so far is not known: it may also say old or used.",
        "电表已接受的令牌未知：也可能提示过旧或已使用。",
    ),
    "key_type_unknown": Text(
        "The meter's key type is not known: a default key would refuse credit.",
        "电表密钥类型未知：若为默认密钥则拒绝购电令牌。",
    ),
    "old_key_until_last": Text(
        "Enter every credit token made under the old key first, then the tokens of the set, all of them, in any order.",
        "请先输入旧密钥下的全部购电令牌，再输入整组换密令牌（顺序不限，不可缺少）。",
    ),
    "carries_no_tid": Text("It can be entered any number of times.", "可重复输入。"),
}
