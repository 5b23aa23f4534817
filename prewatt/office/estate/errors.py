"""Refusals of the estate: codes and texts."""

from prewatt.core.refusals import Text, register

register(
    {
        "name_needed": Text(en="A name is needed. Nothing was saved.", zh="必须填写名称。什么都没有保存。"),
        "code_taken": Text(en="{taken} is taken already. Nothing was saved.", zh="{taken} 已经有了。什么都没有保存。"),
        "meter_number_malformed": Text(
            en="A meter number has 6 to 20 digits. Nothing was saved.", zh="表号是 6 到 20 位数字。什么都没有保存。"
        ),
        "meter_number_taken": Text(
            en="Meter {number} is installed already. Nothing was saved.", zh="表号 {number} 已经装在别处。什么都没有保存。"
        ),
        "unit_taken": Text(
            en="Address {unit} is taken on this line. Nothing was saved.", zh="这条总线上地址 {unit} 已被占用。什么都没有保存。"
        ),
        "unit_out_of_range": Text(
            en="A Modbus address lies between 1 and 247. Nothing was saved.", zh="Modbus 地址在 1 到 247 之间。什么都没有保存。"
        ),
        "unit_not_of_model": Text(
            en="A {profile} can have addresses {first} to {last}, not {unit}. Nothing was saved.",
            zh="{profile} 的地址范围是 {first} 到 {last}，不能是 {unit}。什么都没有保存。",
        ),
        "baud_not_of_model": Text(
            en="A {profile} cannot be read at {baud} baud, only at {known}. Nothing was saved.",
            zh="{profile} 不支持 {baud} 波特，只支持 {known}。什么都没有保存。",
        ),
        "ratio_out_of_range": Text(
            en="A CT ratio is a whole number between 1 and 10000. Nothing was saved.",
            zh="互感器倍率是 1 到 10000 的整数。什么都没有保存。",
        ),
        "meter_profile_unknown": Text(en="No such meter profile: {profile}.", zh="没有这个表型档案：{profile}。"),
        "profile_note_needed": Text(
            en="Say in at most {most} characters what is different and why. Nothing was saved.",
            zh="请用不超过 {most} 个字写明改了什么、为什么。什么都没有保存。",
        ),
        "profile_code_elsewhere": Text(
            en="The code {taken} belongs to another site or company. Nothing was saved. Give yours another code.",
            zh="代号 {taken} 已被其他项目或公司使用。什么都没有保存。请另取一个代号。",
        ),
        "profile_of_company": Text(
            en="Models for all sites are kept by those who see the whole company. Nothing was saved. Give yours "
            "another code.",
            zh="全公司可用的表型只能由能看到全公司的人保存。什么都没有保存。请另取一个代号。",
        ),
        "profile_unchanged": Text(
            en="Nothing differs from {profile}. Nothing was saved.", zh="与 {profile} 没有差别。什么都没有保存。"
        ),
        "profile_too_many": Text(
            en="There are too many own meter models or versions. Nothing was saved.",
            zh="自建表型或版本过多。什么都没有保存。",
        ),
        "meter_needs_transparent_line": Text(
            en="A {profile} speaks DL/T 645 and needs a transparent line (rtu-over-tcp). Nothing was saved.",
            zh="{profile} 使用 DL/T 645，需要透明传输线路（rtu-over-tcp）。什么都没有保存。",
        ),
        "meter_without_wire": Text(
            en="{profile}: this model is on no line. Nothing was saved. Enter it as a meter without a line.",
            zh="{profile}：该型号没有通讯线路。什么都没有保存。请登记为无线路电表。",
        ),
        "transport_unknown": Text(en="No such transport: {transport}.", zh="没有这种传输方式：{transport}。"),
        "serial_port_malformed": Text(
            en="“{text}” is no serial port of the head-end's machine, such as /dev/ttyUSB0. Nothing was saved.",
            zh="“{text}”不是前置机的串口（如 /dev/ttyUSB0）。什么都没有保存。",
        ),
        "host_is_a_port": Text(
            en="This gateway is a serial port: its one line is of a serial kind. Nothing was saved.",
            zh="这个网关是一个串口：它的线路必须选择串口类型。什么都没有保存。",
        ),
        "serial_has_one_line": Text(
            en="A serial port has one line. Nothing was saved.", zh="一个串口只有一条线路。什么都没有保存。"
        ),
        "port_out_of_range": Text(en="A port lies between 1 and 65535.", zh="端口在 1 到 65535 之间。"),
        "identity_malformed": Text(
            en="“{text}” is no registration text: 1 to 40 ASCII characters, or hex: and the digits. Nothing was saved.",
            zh="“{text}”不是注册包：1 到 40 个 ASCII 字符，或 hex: 加十六进制数。什么都没有保存。",
        ),
        "heartbeat_malformed": Text(
            en="“{text}” is no heartbeat text: 1 to 40 ASCII characters, or hex: and the digits. Nothing was saved.",
            zh="“{text}”不是心跳包：1 到 40 个 ASCII 字符，或 hex: 加十六进制数。什么都没有保存。",
        ),
        "identity_taken": Text(
            en="Another gateway dials in as “{text}” already. Nothing was saved.",
            zh="已有别的网关以“{text}”拨入。什么都没有保存。",
        ),
        "dial_in_has_no_host": Text(
            en="A gateway dials in or has an address that we connect to, and so does its line. Nothing was saved.",
            zh="网关要么拨入，要么由系统按地址连接；它的总线必须相同。什么都没有保存。",
        ),
        "dial_in_has_one_line": Text(
            en="Each connection that dials in is one bus: enter a gateway for each. Nothing was saved.",
            zh="每个拨入连接是一条总线：请为每个连接各登记一个网关。什么都没有保存。",
        ),
        "gateway_secret_malformed": Text(
            en="The key of an Acrel gateway has 16 ASCII characters without a space, and only one that dials in has a"
            " key. Nothing was saved.",
            zh="安科瑞网关的密钥为 16 个 ASCII 字符，不含空格；只有拨入的网关才有密钥。什么都没有保存。",
        ),
        "gateway_port_out_of_range": Text(
            en="The serial ports of an Acrel gateway are numbered 1 to 99. Nothing was saved.",
            zh="安科瑞网关的串口号为 1 到 99。什么都没有保存。",
        ),
        "line_port_taken": Text(
            en="Port {port} of gateway {gateway} is its line {line} already.",
            zh="网关 {gateway} 的端口 {port} 已是总线 {line}。",
        ),
        "gateway_port_taken": Text(
            en="Serial port {port} of this gateway is a line already. Nothing was saved.",
            zh="该网关的 {port} 号串口已登记为一条总线。什么都没有保存。",
        ),
        "mqtt_needs_server_held": Text(
            en="Over MQTT an Acrel meter of one circuit whose credit the server holds can be read, not {profile}: no "
            "credit can be put into a meter this way. Nothing was saved.",
            zh="MQTT 只支持单回路、由系统计费的安科瑞电表，不支持 {profile}：这种方式不能向电表写入购电。什么都没有保存。",
        ),
        "mqtt_one_meter": Text(
            en="Over MQTT a line is one meter, and one without a CT ratio: nobody says on which side its values are. "
            "Nothing was saved.",
            zh="MQTT 线路只能有一块电表，且互感器倍率须为 1：协议未说明数值是一次侧还是二次侧。什么都没有保存。",
        ),
        "medium_unknown": Text(
            en="A line goes over a wire, the mains (plc) or the air (radio), not over “{medium}”. Nothing was saved.",
            zh="总线的介质为有线、载波（plc）或无线（radio），没有“{medium}”。什么都没有保存。",
        ),
        "line_other_site": Text(
            en="This line belongs to another site. Nothing was saved.", zh="这条总线属于别的项目。什么都没有保存。"
        ),
        "meter_has_fewer_circuits": Text(
            en="This model has {circuits} circuits, and {needed} are in use. Nothing was saved.",
            zh="该型号只有 {circuits} 个回路，现用 {needed} 个。什么都没有保存。",
        ),
        "plan_version_past": Text(
            en="A price cannot begin in the past: what was sold then stays sold at the old price. Nothing was saved.",
            zh="电价不能从过去开始：已经卖出的仍按原价。什么都没有保存。",
        ),
        "plan_without_price": Text(
            en="This plan has no price in force at that time.", zh="这个电价方案在那个时间没有生效的单价。"
        ),
        "plan_other_company": Text(
            en="This plan belongs to another company. Nothing was saved.", zh="这个电价方案属于别的公司。什么都没有保存。"
        ),
        "purse_other_currency": Text(
            en="The purse of this meter counts money with {decimals} decimals; {currency} is counted otherwise. Choose"
            " another profile. Nothing was saved.",
            zh="该电表的钱包按 {decimals} 位小数计金额，与 {currency} 不符。请改用其他表型。什么都没有保存。",
        ),
        "currency_fixed": Text(
            en="Money has moved or prices stand in {currency}: the currency stays. Nothing was saved.",
            zh="已有以 {currency} 计的资金往来或电价：币种不能再改。什么都没有保存。",
        ),
        "timezone_fixed": Text(
            en="Contracts count their days in {timezone}: the time zone stays. Nothing was saved.",
            zh="已有合同按 {timezone} 计日：时区不能再改。什么都没有保存。",
        ),
        "text_too_long": Text(
            en="At most {most} characters. Nothing was saved.", zh="最多 {most} 个字。什么都没有保存。"
        ),
        "timezone_unknown": Text(en="No such time zone: {timezone}.", zh="没有这个时区：{timezone}。"),
        "room_other_site": Text(
            en="This room belongs to another site. Nothing was changed.", zh="该房间属于别的项目。什么都没有改。"
        ),
        "circuit_supplies_tenant": Text(
            en="This circuit is supplied under a contract: it cannot be common area. Nothing was changed. Close the "
            "contract first.",
            zh="该回路正由用户使用，不能改为公共区域。什么都没有改。请先销户。",
        ),
        "station_other_site": Text(
            en="This station belongs to another site. Nothing was changed.", zh="该子站属于别的项目。什么都没有改。"
        ),
        "station_has_gateways": Text(
            en="Gateways stand at this station. Nothing was removed. Assign them elsewhere first.",
            zh="该子站下还有网关。什么都没有删除。请先把网关移到别处。",
        ),
    }
)
