"""The closed, ordered list of what this engine refuses, with a text in both languages.

The order is the order of the checks: line, key (its PAN before all), kind of token, time, value, expiry.
Where two refusals apply, the one that stands higher wins; the four FIELD codes are about the form of one
field and come in the place of what that field is part of. The codes are stable; other systems match on
them. Only `prewatt.core.refusals` (standard library alone) is needed besides this package.
"""

from enum import StrEnum
from typing import Final

from prewatt.core.refusals import Refused, Text, register


class StsCode(StrEnum):
    """Refusal codes of the STS engine, in the order of the checks."""

    LINE_MALFORMED = "sts_line_malformed"
    LINE_TOO_LONG = "sts_line_too_long"
    OPERATION_UNKNOWN = "sts_operation_unknown"
    FIELD_MISSING = "sts_field_missing"
    FIELD_MALFORMED = "sts_field_malformed"
    FIELD_OUT_OF_RANGE = "sts_field_out_of_range"
    FIELDS_CONFLICT = "sts_fields_conflict"
    TOKEN_MALFORMED = "sts_token_malformed"
    PAN_MALFORMED = "meter_pan_malformed"
    PAN_CHECK_DIGIT = "meter_pan_check_digit"
    PAN_IIN_UNKNOWN = "meter_pan_iin_unknown"
    DRN_MALFORMED = "drn_malformed"
    DRN_CHECK_DIGIT = "drn_check_digit"
    DKGA_UNVERIFIED = "dkga_unverified"
    DKGA_UNKNOWN = "dkga_unknown"
    EA_WITHDRAWN = "ea_withdrawn"
    EA_UNKNOWN = "ea_unknown"
    KEY_LENGTH = "key_length"
    BASE_DATE_UNKNOWN = "base_date_unknown"
    COMMON_KEY_UNDEFINED = "common_key_undefined"
    DKGA_EA_MISMATCH = "dkga_ea_mismatch"
    DECODER_KEY_MISMATCH = "decoder_key_mismatch"
    KEY_CHANGE_OTHER_METER = "key_change_other_meter"
    KEY_CHANGE_EA = "key_change_ea"
    KEY_CHANGE_KEY_TYPE = "key_change_key_type"
    KEY_CHANGE_THREE_TOKENS = "key_change_three_tokens"
    CLASS_RESERVED = "token_class_reserved"
    SUBCLASS_UNKNOWN = "token_subclass_unknown"
    TIME_NOT_UTC = "issue_time_not_utc"
    TIME_BEFORE_BASE_DATE = "issue_time_before_base_date"
    TIME_AFTER_RANGE = "issue_time_after_range"
    REGISTER_UNKNOWN = "token_register_unknown"
    AMOUNT_NEGATIVE = "token_amount_negative"
    AMOUNT_TOO_LARGE = "token_amount_too_large"
    KEY_EXPIRED = "key_expired"
    TOKEN_CRC = "token_crc_wrong"
    TOKEN_FIELD = "token_field_invalid"
    INTERNAL = "sts_internal_error"


TEXTS: Final[dict[StsCode, Text]] = {
    StsCode.LINE_MALFORMED: Text("The line is not one JSON object.", "该行不是一个 JSON 对象。"),
    StsCode.LINE_TOO_LONG: Text("The line is longer than {limit} bytes.", "该行超过 {limit} 字节。"),
    StsCode.OPERATION_UNKNOWN: Text("There is no operation “{op}”.", "没有名为“{op}”的操作。"),
    StsCode.FIELD_MISSING: Text("The field “{field}” is missing.", "缺少字段“{field}”。"),
    StsCode.FIELD_MALFORMED: Text(
        "The field “{field}” must be {expected}.", "字段“{field}”格式不正确（应为 {expected}）。"
    ),
    StsCode.FIELD_OUT_OF_RANGE: Text(
        "The field “{field}” must be between {low} and {high}.", "字段“{field}”必须在 {low} 至 {high} 之间。"
    ),
    StsCode.FIELDS_CONFLICT: Text("The fields “{field}” and “{other}” contradict.", "字段“{field}”与“{other}”矛盾。"),
    StsCode.TOKEN_MALFORMED: Text(
        "A token is 20 decimal digits, at most 73786976294838206463.",
        "令牌应为 20 位十进制数字，且不大于 73786976294838206463。",
    ),
    StsCode.PAN_MALFORMED: Text("A meter PAN is 18 digits.", "表主账号应为 18 位数字。"),
    StsCode.PAN_CHECK_DIGIT: Text("The check digit of the meter PAN is wrong.", "表主账号校验位错误。"),
    StsCode.PAN_IIN_UNKNOWN: Text("A meter PAN starts with 600727 or 0000.", "表主账号应以 600727 或 0000 开头。"),
    StsCode.DRN_MALFORMED: Text(
        "A decoder number (DRN) is 11 or 13 digits.", "解码器编号（DRN）应为 11 或 13 位数字。"
    ),
    StsCode.DRN_CHECK_DIGIT: Text(
        "The check digit of the decoder number (DRN) is wrong.", "解码器编号（DRN）校验位错误。"
    ),
    StsCode.DKGA_UNVERIFIED: Text(
        "DKGA{dkga} is obsolete and no test data for it are public: it is left out.",
        "DKGA{dkga} 已过时且无公开验证数据：不予支持。",
    ),
    StsCode.DKGA_UNKNOWN: Text("The key algorithm (DKGA) must be 02 or 04.", "密钥生成算法（DKGA）只能是 02 或 04。"),
    StsCode.EA_WITHDRAWN: Text(
        "EA09 was withdrawn from the standard and no test token exists: no tokens are made with it.",
        "EA09 已从标准中撤销且无验证样本：不用它生成或解码令牌。",
    ),
    StsCode.EA_UNKNOWN: Text("The cipher (EA) must be 07 or 11.", "加密算法（EA）只能是 07 或 11。"),
    StsCode.KEY_LENGTH: Text("The key “{field}” must be {length} bytes.", "密钥“{field}”长度应为 {length} 字节。"),
    StsCode.BASE_DATE_UNKNOWN: Text("The base date must be 1993, 2014 or 2035.", "基准日期只能是 1993、2014 或 2035。"),
    StsCode.COMMON_KEY_UNDEFINED: Text(
        "How DKGA04 makes a common key (KT 3) is not public: none is made.",
        "DKGA04 的公共密钥（KT 3）生成方法未公开：不予生成。",
    ),
    StsCode.DKGA_EA_MISMATCH: Text("DKGA02 makes keys for EA07 alone.", "DKGA02 只能为 EA07 生成密钥。"),
    StsCode.DECODER_KEY_MISMATCH: Text(
        "The decoder key given is not the one the vending key makes for this meter.",
        "所给解码密钥与售电密钥推导的结果不一致。",
    ),
    StsCode.KEY_CHANGE_OTHER_METER: Text("Old and new key belong to different meters.", "新旧密钥不属于同一电表。"),
    StsCode.KEY_CHANGE_EA: Text(
        "A key change cannot change the cipher (EA) of a meter.", "更换密钥不能改变电表的加密算法（EA）。"
    ),
    StsCode.KEY_CHANGE_KEY_TYPE: Text(
        "A key of type {old} may not be replaced by one of type {new}.", "密钥类型 {old} 不允许更换为类型 {new}。"
    ),
    StsCode.KEY_CHANGE_THREE_TOKENS: Text("Three key-change tokens exist for EA07 alone.", "三令牌换密仅适用于 EA07。"),
    StsCode.CLASS_RESERVED: Text("Token class 3 is reserved.", "令牌类别 3 为保留类别。"),
    StsCode.SUBCLASS_UNKNOWN: Text(
        "Token class {token_class} subclass {subclass} is reserved or proprietary.",
        "令牌类别 {token_class} 子类 {subclass} 为保留或厂家专用。",
    ),
    StsCode.TIME_NOT_UTC: Text("The issue time must be given in UTC, ending in Z.", "签发时间必须为 UTC，以 Z 结尾。"),
    StsCode.TIME_BEFORE_BASE_DATE: Text(
        "The issue time lies before the base date {base_date}.", "签发时间早于基准日期 {base_date}。"
    ),
    StsCode.TIME_AFTER_RANGE: Text(
        "The issue time lies after the last minute of base date {base_date}.",
        "签发时间晚于基准日期 {base_date} 的最后一分钟。",
    ),
    StsCode.REGISTER_UNKNOWN: Text(
        "The register must be 0 to 7, or 65535 for all of them.", "寄存器只能是 0 至 7，或 65535（全部）。"
    ),
    StsCode.AMOUNT_NEGATIVE: Text("The amount must not be negative.", "数额不能为负。"),
    StsCode.AMOUNT_TOO_LARGE: Text("The amount is above {limit}.", "数额超过上限 {limit}。"),
    StsCode.KEY_EXPIRED: Text(
        "The key has expired: the token's time lies in block {block}, the key ends with {ken}. "
        "No token was made; the meter needs a key change.",
        "密钥已失效：令牌时间属于第 {block} 段，密钥到第 {ken} 段为止。未生成令牌；请为电表更换密钥。",
    ),
    StsCode.TOKEN_CRC: Text(
        "The token does not fit this key: wrong digits or a wrong key.", "令牌与密钥不符：数字有误或密钥不对。"
    ),
    StsCode.TOKEN_FIELD: Text(
        "The token decrypts, but its field “{field}” has a value the standard does not allow.",
        "令牌可解密，但字段“{field}”的取值不合标准。",
    ),
    StsCode.INTERNAL: Text(
        "The engine failed on this request; nothing was made.", "处理该请求时内部出错，未生成任何结果。"
    ),
}

assert list(TEXTS) == list(StsCode), "every code has its texts, in the order of the list"

register({code.value: text for code, text in TEXTS.items()})


def refuse(code: StsCode, **params: object) -> Refused:
    """The refusal to raise. None of them can succeed later unchanged, so `retry` is False."""
    return Refused(code.value, retry=False, **params)


def in_range(field: str, value: int, low: int, high: int) -> int:
    """`value` when low <= value <= high; refuses with FIELD_OUT_OF_RANGE."""
    if not low <= value <= high:
        raise refuse(StsCode.FIELD_OUT_OF_RANGE, field=field, low=low, high=high)
    return value
