"""What people call the things a meter can say and be told, in both languages."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from prewatt.core.meters.jobs import Intent, OrderKind, Verdict, Wish
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.refusals import Text

QUANTITIES: Final[Mapping[Quantity, Text]] = MappingProxyType(
    {
        Quantity.METER_NUMBER: Text("meter number", "表号"),
        Quantity.MODEL_CODE: Text("model", "型号代码"),
        Quantity.CLOCK: Text("clock", "时钟"),
        Quantity.ENERGY_IMPORT_TOTAL: Text("energy, total", "总用电量"),
        Quantity.ENERGY_IMPORT_SHARP: Text("energy, sharp", "尖电量"),
        Quantity.ENERGY_IMPORT_PEAK: Text("energy, peak", "峰电量"),
        Quantity.ENERGY_IMPORT_FLAT: Text("energy, flat", "平电量"),
        Quantity.ENERGY_IMPORT_VALLEY: Text("energy, valley", "谷电量"),
        Quantity.ENERGY_EXPORT_TOTAL: Text("energy fed back, total", "反向总电量"),
        Quantity.POWER_ACTIVE: Text("power", "有功功率"),
        Quantity.POWER_FACTOR: Text("power factor", "功率因数"),
        Quantity.VOLTAGE_A: Text("voltage A", "A 相电压"),
        Quantity.POWER_REACTIVE: Text("reactive power", "无功功率"),
        Quantity.POWER_APPARENT: Text("apparent power", "视在功率"),
        Quantity.POWER_A: Text("power A", "A 相有功功率"),
        Quantity.POWER_B: Text("power B", "B 相有功功率"),
        Quantity.POWER_C: Text("power C", "C 相有功功率"),
        Quantity.VOLTAGE_B: Text("voltage B", "B 相电压"),
        Quantity.VOLTAGE_C: Text("voltage C", "C 相电压"),
        Quantity.CURRENT_A: Text("current A", "A 相电流"),
        Quantity.CURRENT_B: Text("current B", "B 相电流"),
        Quantity.CURRENT_C: Text("current C", "C 相电流"),
        Quantity.FREQUENCY: Text("frequency", "频率"),
        Quantity.BALANCE: Text("balance", "余额"),
        Quantity.PURCHASE_COUNT: Text("purchase count", "购电次数"),
        Quantity.LAST_ORDER_KIND: Text("last order, kind", "上次购电指令类型"),
        Quantity.LAST_ORDER_AMOUNT: Text("last order, amount", "上次购电量"),
        Quantity.PURCHASED_TOTAL: Text("purchased, total", "累计购电量"),
        Quantity.USE_PAST_ZERO: Text("use past zero", "过零电量"),
        Quantity.ORDER_RESULT: Text("answer to the last order", "上次购电指令结果"),
        Quantity.ALARM_LEVEL_1: Text("alarm level 1", "一级报警电量"),
        Quantity.ALARM_LEVEL_2: Text("alarm level 2", "二级报警电量"),
        Quantity.OVERDRAFT_LIMIT: Text("overdraft limit", "透支限额"),
        Quantity.LOAD_LIMIT: Text("load limit", "负荷限额"),
        Quantity.HOARDING_LIMIT: Text("hoarding limit", "囤积限额"),
        Quantity.RELAY: Text("relay", "继电器"),
        Quantity.STATUS: Text("status word", "状态字"),
        Quantity.FORCE_CONTROL: Text("force control", "强控"),
        Quantity.FORCED_STATE: Text("forced state", "强控状态"),
        Quantity.CT_RATIO: Text("CT ratio", "电流互感器变比"),
        Quantity.PRICE_SHARP: Text("price, sharp", "尖电价"),
        Quantity.PRICE_PEAK: Text("price, peak", "峰电价"),
        Quantity.PRICE_FLAT: Text("price, flat", "平电价"),
        Quantity.PRICE_VALLEY: Text("price, valley", "谷电价"),
        Quantity.OVERDRAWN: Text("overdrawn", "已透支"),
        Quantity.TOKEN_RESULT: Text("answer to the last token", "上次令牌结果"),
        Quantity.TOKEN_CREDIT: Text("credit of the last token", "上次令牌充值量"),
        Quantity.DAYS_LEFT: Text("days left, as the meter reckons", "剩余天数（电表估算）"),
        Quantity.MALICIOUS_SWITCH: Text("watch for forbidden loads", "恶性负载识别"),
        Quantity.MALICIOUS_STEP: Text("forbidden step of the load", "恶性负载阶跃阈值"),
        Quantity.ALARM_TRIPS_1: Text("alarm level 1 does", "一级报警动作"),
        Quantity.PAY_MODE: Text("paid", "付费方式"),
        Quantity.ALARM_TRIPS_2: Text("alarm level 2 does", "二级报警动作"),
    }
)
IN_MONEY: Final[Mapping[Quantity, Text]] = MappingProxyType(
    {
        Quantity.LAST_ORDER_AMOUNT: Text("last order, amount", "上次购电金额"),
        Quantity.PURCHASED_TOTAL: Text("purchased, total", "累计购电金额"),
        Quantity.USE_PAST_ZERO: Text("use past zero", "过零金额"),
        Quantity.ALARM_LEVEL_1: Text("alarm amount 1", "一级报警金额"),
        Quantity.ALARM_LEVEL_2: Text("alarm amount 2", "二级报警金额"),
    }
)
STATUS_BITS: Final[Mapping[StatusBit, Text]] = MappingProxyType(
    {
        StatusBit.CREDIT_TRIP: Text("tripped: credit used up", "余额用尽拉闸"),
        StatusBit.WARNING_TRIP: Text("tripped as a warning", "预跳闸"),
        StatusBit.OVERLOAD_TRIP: Text("tripped: overload", "过载跳闸"),
        StatusBit.MALICIOUS_LOAD_TRIP: Text("tripped: forbidden load", "恶性负载跳闸"),
        StatusBit.HAND_OPENED: Text("opened by hand", "现场手动分闸"),
        StatusBit.COMMAND_TRIP: Text("tripped by command", "远程拉闸"),
        StatusBit.KEPT_ON: Text("kept on", "保电"),
        StatusBit.ALARM_1: Text("alarm 1", "一级报警"),
        StatusBit.ALARM_2: Text("alarm 2", "二级报警"),
        StatusBit.TAMPER: Text("cover open", "开盖"),
        StatusBit.AWAIT_KEY: Text("waiting for the key", "待按键合闸"),
        StatusBit.REVERSE_POWER: Text("energy comes back", "反向送电"),
        StatusBit.VOLTAGE_LIMITS: Text("voltage out of its limits", "电压越限"),
    }
)
VERDICTS: Final[Mapping[Verdict, Text]] = MappingProxyType(
    {
        Verdict.DONE: Text("done", "已完成"),
        Verdict.REFUSED: Text("refused", "被拒绝"),
        Verdict.SILENT: Text("no answer", "无应答"),
        Verdict.UNKNOWN: Text("unknown", "结果未知"),
        Verdict.DISPUTED: Text("disputed", "有争议"),
    }
)
INTENTS: Final[Mapping[Intent, Text]] = MappingProxyType(
    {
        Intent.READ_STATUS: Text("read status", "读状态"),
        Intent.READ_REGISTERS: Text("read registers", "抄读数"),
        Intent.READ_PURSE: Text("read purse and settings", "读钱包和参数"),
        Intent.CREDIT: Text("deliver credit", "下发购电"),
        Intent.RELAY: Text("relay", "继电器控制"),
        Intent.WRITE_SETTINGS: Text("write settings", "写参数"),
        Intent.SET_CLOCK: Text("set the clock", "对时"),
        Intent.READDRESS: Text("write its address", "写入地址"),
        Intent.CHANGE_BAUD: Text("write its speed", "写入速率"),
        Intent.TRY: Text("try it", "试读"),
        Intent.ENTER_TOKEN: Text("enter a token", "下发令牌"),
        Intent.READ_FREEZES: Text("read freezes", "抄读冻结"),
        Intent.READ_SCHEDULE: Text("read times of use", "抄读时段表"),
        Intent.WRITE_SCHEDULE: Text("write times of use", "写时段表"),
        Intent.READ_PRICES: Text("read prices", "抄读电价"),
        Intent.WRITE_PRICES: Text("write prices", "写电价"),
    }
)
ORDER_KINDS: Final[Mapping[OrderKind, Text]] = MappingProxyType(
    {
        OrderKind.PURCHASE: Text("purchase", "购电"),
        OrderKind.RETURN: Text("return", "退电"),
        OrderKind.CLEAR: Text("clear", "清零"),
    }
)
WISHES: Final[Mapping[Wish, Text]] = MappingProxyType(
    {
        Wish.AUTOMATIC: Text("automatic", "自动"),
        Wish.KEEP_ON: Text("kept on", "保电"),
        Wish.TRIP: Text("tripped", "拉闸"),
    }
)


def _text(value: Quantity | StatusBit | Verdict | Intent | OrderKind | Wish) -> Text:
    # a StrEnum is equal to its word in every other one, so the type decides and not a common table
    match value:
        case Quantity():
            return QUANTITIES[value]
        case StatusBit():
            return STATUS_BITS[value]
        case Verdict():
            return VERDICTS[value]
        case Intent():
            return INTENTS[value]
        case OrderKind():
            return ORDER_KINDS[value]
        case Wish():
            return WISHES[value]


def label(
    value: Quantity | StatusBit | Verdict | Intent | OrderKind | Wish, lang: str = "zh-hans", *, money: bool = False
) -> str:
    """The word for a value in `lang` ("zh…", or anything else for English). `money`: of a purse that holds money."""
    text = IN_MONEY.get(value, _text(value)) if money and isinstance(value, Quantity) else _text(value)
    return text.zh if lang.lower().startswith("zh") else text.en
