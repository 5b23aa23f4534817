"""Refusals of payments: codes and texts."""

from prewatt.core.refusals import Text, register

register(
    {
        "tender_unknown": Text(en="No such tender: {tender}. Nothing was sold.", zh="没有收款方式 {tender}。未售电。"),
        "reference_needed": Text(
            en="A payment that is not cash needs its reference (1-64 characters). Nothing was sold.",
            zh="非现金收款必须填写流水号（1-64 位）。未售电。",
        ),
        "reference_malformed": Text(
            en="The reference may have 64 characters at most, and none of control. Nothing was sold.",
            zh="流水号最多 64 位，且不能有控制字符。未售电。",
        ),
    }
)
