"""Refusals of metering: codes and texts."""

from prewatt.core.refusals import Text, register

register(
    {
        "caller_gone": Text(
            en="“{identity}” waits no longer: somebody decided meanwhile. Nothing was changed.",
            zh="“{identity}”已不在等待：可能已有人处理。什么都没有改。",
        ),
        "circuit_unknown": Text(en="No such circuit.", zh="没有这个回路。"),
        "wish_needs_until": Text(
            en="Keeping supply on needs an end. Nothing was changed. Give the time until which it holds.",
            zh="保电必须有截止时间。什么都没有改。请填写到什么时候为止。",
        ),
        "wish_until_past": Text(en="The end lies in the past. Nothing was changed.", zh="截止时间已经过去。什么都没有改。"),
        "wish_until_not_allowed": Text(
            en="Only keeping supply on has an end. Nothing was changed.",
            zh="只有保电才有截止时间。什么都没有改。",
        ),
        "wish_needs_reason": Text(en="A reason is needed. Nothing was changed.", zh="必须填写原因。什么都没有改。"),
        "never_cut": Text(
            en="This circuit must never be cut (fire pump, lift, emergency light). Nothing was changed.",
            zh="这个回路不允许拉闸（消防、电梯、应急照明）。什么都没有改。",
        ),
        "close_blocked_maintenance_tag": Text(
            en="Cannot close: {name} is at work here until {until}. Nothing was changed.",
            zh="不能合闸：{name} 检修挂牌至 {until}。什么都没有改。",
        ),
        "close_blocked_overload": Text(
            en="Cannot close: the meter tripped on overload. Remove the load and reset it at the meter first.",
            zh="不能合闸：电表因过载跳闸。请先排除负载，再到表前处理。",
        ),
        "close_blocked_malicious_load": Text(
            en="Cannot close: the meter tripped on a forbidden load.",
            zh="不能合闸：电表因恶性负载跳闸。",
        ),
        "close_blocked_tamper": Text(en="Cannot close: the meter reports tamper.", zh="不能合闸：电表报开盖。"),
        "close_blocked_hand_opened": Text(
            en="Cannot close: it was opened by hand at the meter.",
            zh="不能合闸：是人在表前手动断开的。",
        ),
        "meter_not_alone": Text(
            en="Other meters are entered on this line: all of them would take it. Nothing was sent. Connect this meter "
            "alone, on a line of its own.",
            zh="这条线路上还录入了其他电表，它们也会接受这条指令。什么都没有下发。请将这块表单独接在一条线路上。",
        ),
        "meter_busy": Text(
            en="A command for this meter is on its way. It was not moved. Try again when the command has ended.",
            zh="这块电表还有命令没有完成。没有改动。请等命令结束后再试。",
        ),
        "meter_without_line": Text(
            en="This meter has no line: it is never online, and only a person at the meter can do this. "
            "Nothing was sent.",
            zh="此表没有通信线路，从不在线，只能由人到表前操作。什么都没有下发。",
        ),
        "clock_not_settable": Text(
            en="This model's clock cannot be set over the wire. Nothing was sent.",
            zh="该型号不能远程校时。什么都没有下发。",
        ),
        "clock_running": Text(
            en="This meter is being told the time already. Wait until that has ended.",
            zh="正在给这块电表校时，请等待完成。",
        ),
        "meter_taken_down": Text(en="The meter was taken down.", zh="电表已拆除。"),
        "acceptance_empty": Text(
            en="No meter with a line is installed here. Nothing was recorded.",
            zh="这里没有安装联网的电表。什么都没有记录。",
        ),
        "acceptance_too_many": Text(
            en="At most {most} circuits are accepted in one record. Nothing was recorded. Choose a line.",
            zh="一份验收记录最多 {most} 个回路。什么都没有记录。请选择一条线路。",
        ),
        "acceptance_needs_name": Text(
            en="Who accepts? Give a name. Nothing was recorded.", zh="请填写验收人姓名。什么都没有记录。"
        ),
        "scan_running": Text(
            en="This line is being scanned already. Stop that scan first, or wait for it.",
            zh="这条线路正在扫描。请等待完成，或先停止。",
        ),
        "scan_over": Text(en="This scan has ended already.", zh="这次扫描已经结束。"),
        "scan_nothing_chosen": Text(
            en="Choose at least one protocol to ask in. Nothing was begun.", zh="请至少选择一种协议。没有开始扫描。"
        ),
        "scan_range": Text(
            en="Addresses go from 1 to 247, the first one first. Nothing was begun.",
            zh="地址范围为 1 至 247，起始地址在前。没有开始扫描。",
        ),
        "scan_speed_fixed": Text(
            en="The speed of this line is set in its serial server: it cannot be tried from here. Nothing was begun.",
            zh="这条线路的速率在串口服务器中设定，不能从这里尝试其他速率。没有开始扫描。",
        ),
        "scan_transparent": Text(
            en="This line speaks Modbus TCP only: meters of DL/T 645 cannot be asked through it. Nothing was begun.",
            zh="该线路仅支持 Modbus TCP，无法查询 DL/T 645 电表。没有开始扫描。",
        ),
        "scan_mqtt": Text(
            en="Over MQTT there is no bus to scan: each meter says itself who it is. Nothing was begun.",
            zh="MQTT 没有可扫描的总线：每块电表自行上报身份。没有开始扫描。",
        ),
        "scan_concentrator": Text(
            en="Behind a concentrator each question takes seconds and goes through every meter: it has a list of its "
            "meters, read that. Nothing was begun.",
            zh="集中器之后每次查询需要数秒并经各表转发：请查看集中器自带的表计档案。没有开始扫描。",
        ),
        "scan_interrupted": Text(
            en="The head-end that scanned was replaced or restarted. Start the scan again.",
            zh="执行扫描的前置机已重启或被替换。请重新开始扫描。",
        ),
        "scan_not_begun": Text(
            en="No head-end began it: is the head-end running, and the gateway connected?",
            zh="没有前置机开始扫描：请确认前置机在运行、网关已连接。",
        ),
        "handed_to_no_relay": Text(
            en="Circuit {index} is cut by hand, and the new model switches nothing. Nothing was changed. Take the wish "
            "back first, or put up a model with a relay.",
            zh="回路 {index} 已手动拉闸，新表型号不能拉合闸。什么都没有改。请先撤销拉闸，或换用带继电器的表。",
        ),
        "settings_not_open": Text(
            en="Nobody buys from this meter's own purse now: there is nothing agreed to write. Nothing was changed.",
            zh="现在没有用户使用这块表的表内计费：没有约定的参数可下发。什么都没有改。",
        ),
        "settings_unchanged": Text(
            en="All of this is agreed already. Nothing was written.", zh="参数与约定一致。什么都没有下发。"
        ),
        "settings_alarm_order": Text(
            en="Alarm level 1 warns first: it cannot be below level 2. Nothing was written.",
            zh="一级报警先报：不能低于二级报警。什么都没有下发。",
        ),
        "settings_running": Text(
            en="Settings are on their way to this meter already. Wait until they have ended.",
            zh="这块表已有参数正在下发。请等待完成。",
        ),
        "tag_exists": Text(en="A maintenance tag hangs here already.", zh="这里已经挂了检修牌。"),
        "tag_unknown": Text(en="No maintenance tag hangs here.", zh="这里没有检修牌。"),
    }
)
