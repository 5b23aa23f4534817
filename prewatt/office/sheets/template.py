"""An empty workbook with every sheet, one or two examples in each, and a sheet that explains the columns."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import xlsxwriter

from prewatt.core.refusals import CHINESE
from prewatt.office.sheets.shape import SHEETS

NOTES: Final = "_notes"  # begins with "_": a take-over does not read it
_WIDTH: Final = 18
EXAMPLES: Final[Mapping[str, Sequence[Sequence[str | int]]]] = {
    "buildings": (("A", "东楼"),),
    "rooms": (("A", 1, "101", "星野烘焙"), ("A", 1, "102", "")),
    "gateways": (("G1", "配电间", "rtu-over-tcp", "192.168.1.50", 4001),),
    "meters": (("000000000101", "acrel-ddsy1352", "G1", 1, 1), ("000000000102", "acrel-dtsy1352", "G1", 2, 20)),
    "circuits": (("000000000101", 1, "A/101", 0), ("000000000102", 1, "A/102", 0)),
    "plans": (("shop", "商铺电价", "0.9200", "2026-01-01"),),
    "customers": (("K-101", "李星野", "商铺", "13900000000"), ("K-102", "王晓梅", "", "")),
    "contracts": (("20260101", "K-101", "2026-01-01"), ("20260102", "K-102", "2026-01-01")),
    "supply_points": (
        ("20260101", "000000000101", 1, "shop", "server", 0, 5000, 1000, "2026-01-01"),
        ("20260102", "000000000102", 1, "shop", "server", 0, 20000, 5000, "2026-01-01"),
    ),
}
_SAID: Final = (
    ("replace the examples by your own rows; take away the sheets you do not need",
     "请用自己的数据替换示例；不需要的表可以删除"),
    ("a first import makes everything; the same file again changes nothing; what stands already is never changed",
     "首次导入会建立全部内容；再次导入同一文件不会改变任何内容；已有内容从不更改"),
    ("meters.number: 6 to 20 digits, as printed on the meter; the column is text, so that leading zeros stay",
     "meters.number：6 到 20 位数字，与表上印的一致；该列为文本格式，前导零会保留"),
    ("meters.profile: the code of the model, as the page Add a meter lists it", "meters.profile：表型代码，见“添加电表”页面"),
    ("meters.ratio: CT times PT, a whole number; 1 for a direct meter",
     "meters.ratio：电流与电压互感器倍率之积，整数；直通表填 1"),
    ("gateways.transport: rtu-over-tcp (serial server) or modbus-tcp",
     "gateways.transport：rtu-over-tcp（串口服务器）或 modbus-tcp"),
    ("or dial-in: then host is its registration text or the serial of a meter with a modem, and port is 0",
     "或 dial-in（拨入）：host 填注册包或自带通信模块电表的序列号，port 填 0"),
    ("circuits.room: a room's code, or building/room; never_cut: 1 for fire pumps, lifts, emergency light",
     "circuits.room：房间代码，或 楼栋/房间；never_cut：消防泵、电梯、应急照明填 1"),
    ("plans.price: money per kWh, such as 0.9200", "plans.price：每千瓦时电价，如 0.9200"),
    ("supply_points.custody: server (the books hold the credit) or meter (the meter does)",
     "supply_points.custody：server（后台计费）或 meter（表内计费）"),
    ("overdraft_minor, alarm_1_minor, alarm_2_minor: money in the smallest unit (fen); alarm 1 is the higher one",
     "overdraft_minor、alarm_1_minor、alarm_2_minor：金额，最小货币单位（分）；一级报警不低于二级"),
    ("supply_points.from: the first good reading on or after this day is the opening reading; nothing before is billed",
     "supply_points.from：该日零时起第一个有效读数为起始读数；此前的用电不计费"),
)  # fmt: skip


def template_xlsx(lang: str = CHINESE) -> bytes:
    """The workbook. Every cell is text, so that no spreadsheet turns a number or a date into something else."""
    out = io.BytesIO()
    book: Any = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    text, head = book.add_format({"num_format": "@"}), book.add_format({"num_format": "@", "bold": True})
    for name, columns in SHEETS.items():
        sheet = book.add_worksheet(name)
        sheet.set_column(0, len(columns) - 1, _WIDTH, text)
        sheet.freeze_panes(1, 0)
        for place, column in enumerate(columns):
            sheet.write_string(0, place, column, head)
        for number, row in enumerate(EXAMPLES[name], 1):
            for place, value in enumerate(row):
                sheet.write_string(number, place, str(value), text)
    notes = book.add_worksheet(NOTES)
    for number, (en, zh) in enumerate(_SAID):
        notes.write_string(number, 0, zh if lang.lower().startswith("zh") else en, text)
    book.close()
    return out.getvalue()
