"""Refusals of the take-over: codes and texts. Those of single values are the estate's and the units' own."""

from prewatt.core.refusals import Text, register

register(
    {
        "file_missing": Text(en="There is no file or folder {path}.", zh="没有文件或文件夹 {path}。"),
        "file_unreadable": Text(
            en="{path} is neither an Excel workbook (.xlsx) nor a folder of .csv files: {detail}.",
            zh="{path} 既不是 Excel 工作簿（.xlsx），也不是装有 .csv 文件的文件夹：{detail}。",
        ),
        "file_too_large": Text(en="The file is larger than {most} MiB.", zh="文件超过 {most} MiB。"),
        "file_empty": Text(
            en="None of the sheets is in it. They are called: {sheets}.", zh="没有任何可用的表。表名应为：{sheets}。"
        ),
        "sheet_unknown": Text(en="There is no sheet of this name: {name}.", zh="没有名为 {name} 的表。"),
        "sheet_not_utf8": Text(en="The file is not in UTF-8.", zh="文件不是 UTF-8 编码。"),
        "sheet_too_long": Text(en="More than {most} rows in one sheet.", zh="一张表超过 {most} 行。"),
        "column_missing": Text(en="The column {column} is missing.", zh="缺少列 {column}。"),
        "column_unknown": Text(en="There is no column of this name: {column}.", zh="没有名为 {column} 的列。"),
        "column_twice": Text(en="The column {column} is there twice.", zh="列 {column} 出现了两次。"),
        "row_too_long": Text(en="The row has more cells than the header.", zh="该行的单元格多于表头。"),
        "cell_needed": Text(en="{column} is needed.", zh="必须填写 {column}。"),
        "cell_too_long": Text(en="{column} may have {most} characters.", zh="{column} 最多 {most} 个字符。"),
        "cell_unreadable": Text(
            en="{column} holds an error, a time, or characters that cannot be shown.",
            zh="{column} 中是错误值、时间或不可显示的字符。",
        ),
        "cell_needs_text": Text(
            en="{column} has more digits than a number cell keeps; format the column as text and type it again.",
            zh="{column} 的位数超过数字单元格能保存的位数；请把该列设为文本格式后重新填写。",
        ),
        "whole_number_needed": Text(
            en="{column} is a whole number between {least} and {most}.", zh="{column} 是 {least} 到 {most} 的整数。"
        ),
        "yes_or_no_needed": Text(en="{column} is 0 or 1.", zh="{column} 是 0 或 1。"),
        "date_malformed": Text(en="{column} is a date like 2026-11-23.", zh="{column} 是日期，如 2026-11-23。"),
        "code_malformed": Text(
            en="{column} may hold letters, digits and . _ - only, no blanks and no slash.",
            zh="{column} 只能用文字、数字和 . _ -，不能有空格和斜杠。",
        ),
        "baud_unknown": Text(
            en="“{text}” is no speed of a bus: {known}, or empty.", zh="“{text}”不是可用的速率：{known}，或留空。"
        ),
        "host_malformed": Text(en="“{text}” is no host name or address.", zh="“{text}”不是主机名或地址。"),
        "custody_unknown": Text(en="custody is meter or server.", zh="custody 是 meter 或 server。"),
        "carrier_unknown": Text(en="carrier is network or token.", zh="carrier 是 network 或 token。"),
        "digits_needed": Text(en="{column} is {wide} digits.", zh="{column} 是 {wide} 位数字。"),
        "token_without_terms": Text(
            en="By token the meter holds the credit: custody is meter, and overdraft and alarm levels are 0.",
            zh="令牌方式由电表计费：custody 填 meter，透支和报警值填 0。",
        ),
        "token_from_ahead": Text(
            en="By token a supply begins at once: from is today or earlier.", zh="令牌方式立即生效：from 不能晚于今天。"
        ),
        "pan_taken": Text(
            en="The meter PAN {pan} belongs to another meter.", zh="表主账号 {pan} 属于另一块电表。"
        ),
        "row_twice": Text(en="Row {first} says the same thing already.", zh="第 {first} 行已经写过。"),
        "exists_with_other_values": Text(
            en="{what} stands already with another {columns}. A take-over changes nothing that stands; change it in "
            "the console.",
            zh="{what} 已经存在，但 {columns} 不同。导入不会更改已有内容；请在控制台修改。",
        ),
        "building_not_found": Text(en="There is no building {text}.", zh="没有楼栋 {text}。"),
        "room_not_found": Text(en="There is no room {text}.", zh="没有房间 {text}。"),
        "room_ambiguous": Text(
            en="Several buildings have a room {text}; write building/room.", zh="多个楼栋都有房间 {text}；请写成 楼栋/房间。"
        ),
        "station_not_found": Text(en="There is no station {text}.", zh="没有子站 {text}。"),
        "gateway_not_found": Text(en="There is no gateway {text}.", zh="没有网关 {text}。"),
        "gateway_with_lines": Text(
            en="Gateway {text} has several lines ({lines}); name one in the column line.",
            zh="网关 {text} 有多条总线（{lines}）；请在 line 列填写其中一条。",
        ),
        "line_not_found": Text(
            en="Gateway {gateway} has no line {line}: no row of gateways makes it.",
            zh="网关 {gateway} 没有总线 {line}：gateways 表中也没有建立它的行。",
        ),
        "gateway_rows_differ": Text(
            en="Row {first} says another {columns} of this gateway; rows of one gateway differ in their lines only.",
            zh="第 {first} 行对同一网关填写的 {columns} 不同；同一网关的各行只能在总线上不同。",
        ),
        "meter_not_found": Text(en="There is no meter {text}.", zh="没有电表 {text}。"),
        "meter_removed": Text(en="Meter {text} was removed.", zh="电表 {text} 已拆除。"),
        "circuit_not_found": Text(
            en="Meter {meter} has no circuit {index}.", zh="电表 {meter} 没有第 {index} 回路。"
        ),
        "plan_not_found": Text(en="There is no plan {text}.", zh="没有电价方案 {text}。"),
        "customer_not_found": Text(en="There is no customer {text}.", zh="没有用户 {text}。"),
        "contract_not_found": Text(en="There is no contract {text}.", zh="没有户 {text}。"),
        "contract_number_taken": Text(
            en="The contract number {number} belongs to another site.", zh="户号 {number} 属于别的项目。"
        ),
        "take_over_overtaken": Text(
            en="Somebody changed the estate at the same time. Nothing was taken over; try again.",
            zh="其他人同时修改了数据。什么都没有导入；请再试一次。",
        ),
    }
)
