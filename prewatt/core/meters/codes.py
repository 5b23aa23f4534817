"""Codes an outcome can carry, each with its text."""

from prewatt.core.meters.jobs import Order, OrderKind
from prewatt.core.meters.quantities import StatusBit
from prewatt.core.refusals import Text, register

BLOCKS_CLOSING = (
    StatusBit.OVERLOAD_TRIP,
    StatusBit.MALICIOUS_LOAD_TRIP,
    StatusBit.TAMPER,
    StatusBit.HAND_OPENED,
)

register(
    {
        "no_reply": Text("The meter did not answer.", "电表无应答。"),
        "meter_number_differs": Text(
            "Another meter answers at this address.", "该地址应答的是另一块电表（表号不符）。"
        ),
        "meter_count_taken": Text(
            "The meter has this purchase count from another order.", "电表的该购电次数已被另一笔购电占用。"
        ),
        "meter_count_differs": Text("The meter's purchase count does not fit our books.", "电表购电次数与账上不符。"),
        "meter_count_wrong": Text("The meter refused the purchase count.", "电表拒绝：购电次数错误。"),
        "meter_hoarding_limit": Text("The meter refused: above its hoarding limit.", "电表拒绝：超过囤积限额。"),
        "meter_credit_too_low": Text("The meter refused: it holds less than that.", "电表拒绝：剩余电量不足。"),
        "meter_order_malformed": Text("The meter refused the order as malformed.", "电表拒绝：购电指令格式错误。"),
        "meter_refused": Text("The meter refused the order without a known reason.", "电表拒绝，原因未知。"),
        "write_unanswered": Text(
            "The command left and was not answered; the meter will be asked.", "指令已发出但无应答，将读表核实。"
        ),
        "write_not_applied": Text(
            "The meter confirmed the command but does not show it.", "电表已应答，但读回未生效。"
        ),
        "reads_differ": Text(
            "Two reads in a row did not agree; the meter will be asked again.", "连续两次读数不一致，将重新读表。"
        ),
        "purse_unreadable": Text("The purse could not be read whole.", "电表钱包数据不完整。"),
        "custody_not_supported": Text(
            "This model cannot hold credit for remote sales.", "该型号不支持表内计费远程售电。"
        ),
        "circuit_not_in_profile": Text("The model has no such circuit.", "该型号没有这个回路。"),
        "order_missing": Text("The job names no order.", "任务缺少购电指令。"),
        "wish_not_supported": Text("The model cannot be told this.", "该型号不支持此控制方式。"),
        "setting_not_supported": Text("The model has no such setting.", "该型号没有此参数。"),
        "settings_moved_another": Text(
            "Something else in the meter changed with the settings. Look at the meter before it is written to again.",
            "改写参数时电表中其他内容也发生了变化。再次改写前请先核对电表。",
        ),
        "settings_partly_written": Text("Only part of the settings changed in the meter.", "电表参数只有部分被改写。"),
        "clock_near_midnight": Text(
            "No clock is set within five minutes of midnight.", "零点前后五分钟内不校时。"
        ),
        "clock_not_taken": Text(
            "The meter did not take the time: it takes one broadcast a day.", "电表未接受校时：每天只接受一次广播校时。"
        ),
        "relay_not_moved": Text(
            "The meter took the command but its relay has not moved.", "电表已接受指令，但继电器未动作。"
        ),
        "await_hand_reclose": Text(
            "The trip is taken back; the breaker must be closed by hand.", "已撤销脱扣，请在现场手动合闸。"
        ),
        "await_key": Text(
            "Closing is permitted; the key at the meter must be pressed.", "已允许合闸，请在电表上按键。"
        ),
        "closing_blocked_overload_trip": Text("Not closed: the meter tripped on overload.", "未合闸：电表因过载跳闸。"),
        "closing_blocked_malicious_load_trip": Text(
            "Not closed: the meter tripped on a forbidden load.", "未合闸：电表因恶性负载跳闸。"
        ),
        "closing_blocked_tamper": Text("Not closed: the meter reports tampering.", "未合闸：电表报告开盖。"),
        "closing_blocked_hand_opened": Text("Not closed: opened by hand at the meter.", "未合闸：现场手动分闸。"),
    }
)
register(
    {
        f"modbus_exception_{code:02x}": Text(
            f"The meter answered with Modbus exception {code:02X}: {en}.", f"电表返回 Modbus 异常 {code:02X}：{zh}。"
        )
        for code, en, zh in (
            (1, "function not known", "功能码不支持"),
            (2, "address not known", "地址不存在"),
            (3, "value not allowed", "数值不允许"),
            (4, "failure in the meter", "设备故障"),
            (5, "accepted, not done yet", "已受理，未完成"),
            (6, "busy", "设备忙"),
            (8, "memory error", "存储错误"),
            (10, "gateway has no path", "网关路径不可用"),
            (11, "gateway got no reply", "网关未收到应答"),
        )
    }
)
register(
    {
        # commissioning: address and speed of a meter
        "address_not_changeable": Text(
            "The profile does not say where this model keeps its address: set it at the meter.",
            "表型档案没有该型号的地址寄存器，请在电表上设置地址。",
        ),
        "address_taken": Text(
            "Somebody answers at the new address already. Nothing was written.", "新地址已有设备应答。没有写入。"
        ),
        "address_key_needed": Text(
            "The meter did not take the address: press its programming key and try again.",
            "电表没有接受新地址：请按编程键后重试。",
        ),
        "address_nobody_alone": Text(
            "No meter answered alone: none is connected, or several answer at once. Leave one of them connected.",
            "没有单独应答的电表：可能没有接表，或多块表同时应答。请只接一块表。",
        ),
        "baud_not_changeable": Text(
            "The speed of this model cannot be changed over the wire.", "该型号不能远程更改速率。"
        ),
        # what the head-end says for itself (prewatt/field/headend): here, because office and web show it
        "line_down": Text("The line to the meter is down.", "通讯线路中断。"),
        "line_closed": Text(
            "The head-end closed the line; the job goes on elsewhere.", "前置机已关闭线路，任务将另行执行。"
        ),
        "waited_too_long": Text("The job waited too long for its line.", "任务在线路上等待过久。"),
        "not_in_plan": Text("The head-end does not know this circuit yet.", "前置机尚未载入该回路。"),
        "driver_failed": Text(
            "The conversation with the meter failed within the program.", "与电表的会话在程序内部出错。"
        ),
        "conversation_endless": Text("The conversation with the meter did not end.", "与电表的会话未能结束。"),
        "connect_refused": Text("The gateway refuses the connection.", "网关拒绝连接。"),
        "connect_timeout": Text("The gateway does not answer.", "网关无应答。"),
        "connect_failed": Text("The gateway cannot be reached.", "网关不可达。"),
        "closed": Text("The gateway closed the connection.", "网关断开了连接。"),
        "silent": Text("No meter on this line answers.", "该线路上没有电表应答。"),
    }
)
register({"modbus_exception": Text("The meter answered with an unknown exception.", "电表返回未知异常码。")})

KNOWN_EXCEPTIONS = frozenset({1, 2, 3, 4, 5, 6, 8, 10, 11})
# "accepted", "busy" and what a gateway says for itself: the meter has not judged the request
UNDECIDED_EXCEPTIONS = frozenset({5, 6, 10, 11})


def exception_code(code: int) -> str:
    """The stable code of a Modbus exception."""
    return f"modbus_exception_{code:02x}" if code in KNOWN_EXCEPTIONS else "modbus_exception"


def signed_amount(order: Order) -> int:
    """What an order adds to the purse: negative for a return; a clear takes whatever is there (0 here)."""
    return -order.amount if order.kind is OrderKind.RETURN else order.amount
