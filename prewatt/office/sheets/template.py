"""A workbook with every sheet, examples or what is installed in each, and a sheet that explains the columns."""

import io
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any, Final

import xlsxwriter

from prewatt.core.refusals import CHINESE
from prewatt.office.estate.models import Site
from prewatt.office.sheets.installed import installed
from prewatt.office.sheets.shape import SHEETS

NOTES: Final = "_notes"  # begins with "_": a take-over does not read it
_WIDTH: Final = 18
ANY_KEY: Final = "*" * 16  # each workbook says another one: an example that is taken over is no open door
EXAMPLES: Final[Mapping[str, Sequence[Sequence[str | int]]]] = {
    "buildings": (("A", "东楼"),),
    "rooms": (("A", 1, "101", "星野烘焙"), ("A", 1, "102", ""), ("A", 1, "103", "")),
    "stations": (("S1", "东楼弱电间", "东楼 B1", "机柜、交换机、蓄电池"),),
    "gateways": (("G1", "配电间", "rtu-over-tcp", "192.168.1.50", 4001, 9600, "S1", "", "", "1"),
                 ("G1", "配电间", "rtu-over-tcp", "192.168.1.50", 4002, 2400, "S1", "", "", "2"),
                 ("G2", "安科瑞网关", "acrel-gateway", "ANET-0002", 1, 9600, "S1", "plc", ANY_KEY, "1")),
    "meters": (("000000000101", "acrel-ddsy1352", "G1", 1, 1, "1"),
               ("000000000102", "acrel-dtsy1352", "G1", 2, 20, "1"),
               ("000000000104", "ningju-ddzy1218", "G1", 1, 1, "2"), ("000000000103", "sts-keypad", "", "", 1, "")),
    "sts": (("000000000103", "01000000107", "600123", 1, 2, "01", 255, 2014, "07", "04", "02", 0, 0),),
    "circuits": (("000000000101", 1, "A/101", 0), ("000000000102", 1, "A/102", 0),
                 ("000000000103", 1, "A/103", 0)),
    "plans": (("shop", "商铺电价", "0.9200", "2026-01-01"),),
    "customers": (("K-101", "李星野", "商铺", "13900000000"), ("K-102", "王晓梅", "", "")),
    "contracts": (("20260101", "K-101", "2026-01-01"), ("20260102", "K-102", "2026-01-01"),
                  ("20260103", "K-102", "2026-01-01")),
    "supply_points": (
        ("20260101", "000000000101", 1, "shop", "server", 0, 5000, 1000, "2026-01-01", "network"),
        ("20260102", "000000000102", 1, "shop", "server", 0, 20000, 5000, "2026-01-01", "network"),
        ("20260103", "000000000103", 1, "shop", "meter", 0, 0, 0, "2026-01-01", "token"),
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
    ("gateways.transport: rtu-over-tcp, rtu-over-udp, rtu-over-tls (transparent serial server), modbus-tcp, modbus-tls",
     "gateways.transport：rtu-over-tcp、rtu-over-udp、rtu-over-tls（串口服务器，透明传输）、modbus-tcp、modbus-tls"),
    ("or serial-8n1, serial-8e1, serial-8o1: then host is a port of the head-end's machine (/dev/ttyUSB0), and port 0",
     "或 serial-8n1、serial-8e1、serial-8o1（串口）：host 填前置机的串口（/dev/ttyUSB0），port 填 0"),
    ("gateways.baud: speed of the bus; empty is 9600 (a serial server has its own setting: say the same here)",
     "gateways.baud：总线速率，留空为 9600（串口服务器另有设置，这里填相同的值）"),
    ("or dial-in: then host is its registration text or the serial of a meter with a modem, and port is 0",
     "或 dial-in（拨入）：host 填注册包或自带通信模块电表的序列号，port 填 0"),
    ("or acrel-gateway (an Acrel gateway that dials in): host is its id, port the number of its serial port (1 to 99)",
     "或 acrel-gateway（拨入的安科瑞网关）：host 填网关编号，port 填其串口号（1 到 99）"),
    ("gateways.key: the 16 characters of an Acrel gateway's key, otherwise empty; it is never shown again",
     "gateways.key：安科瑞网关的 16 位密钥，其他网关留空；导入后不再显示"),
    ("gateways.line: a serial server with several ports has a row for each, with its own line (1, 2, …) and port; "
     "empty is the only one",
     "gateways.line：有多个串口的串口服务器每个串口填一行，line（1、2……）和 port 各不相同；只有一条总线时留空"),
    ("rows of one gateway say the same name, host, station and key; what a further row leaves empty is as in the first",
     "同一网关各行的 name、host、station、key 必须相同；后面的行留空时与第一行相同（host 除外）"),
    ("meters.line: which line of the gateway; empty where it has only one",
     "meters.line：电表所在的总线；网关只有一条总线时可留空"),
    ("gateways.medium: plc (power line) or radio between gateway and meters; empty is a wire",
     "gateways.medium：网关与电表之间为 plc（载波）或 radio（无线）；留空为有线"),
    ("circuits.room: a room's code, or building/room; never_cut: 1 for fire pumps, lifts, emergency light",
     "circuits.room：房间代码，或 楼栋/房间；never_cut：消防泵、电梯、应急照明填 1"),
    ("plans.price: money per kWh, such as 0.9200", "plans.price：每千瓦时电价，如 0.9200"),
    ("supply_points.custody: server (the books hold the credit) or meter (the meter does)",
     "supply_points.custody：server（后台计费）或 meter（表内计费）"),
    ("overdraft_minor, alarm_1_minor, alarm_2_minor: money in the smallest unit (fen); alarm 1 is the higher one",
     "overdraft_minor、alarm_1_minor、alarm_2_minor：金额，最小货币单位（分）；一级报警不低于二级"),
    ("supply_points.from: the first good reading on or after this day is the opening reading; nothing before is billed",
     "supply_points.from：该日零时起第一个有效读数为起始读数；此前的用电不计费"),
    ("stations: where gateways stand together; when all of a station are silent it is one alarm; gateways.station: its "
     "code, or empty",
     "stations：网关集中安装处（子站）；子站内网关全部失联时只报一条报警；gateways.station：子站编号，可留空"),
    ("meters.gateway: empty, and unit empty too, for a meter that is never online; it needs a row in sts",
     "meters.gateway：从不联网的电表留空，unit 也留空；这样的表必须在 sts 表中有一行"),
    ("sts: meters that take tokens of 20 digits; pan: 18 digits, or the 11 or 13 digits of the meter's own number",
     "sts：用 20 位令牌充值的电表；pan：18 位表主账号，或电表自身的 11 或 13 位编号"),
    ("sts.sgc, krn, kt, ti, ken, base_date, ea: as on the meter's label; ken 255 never expires; ea 07 (STA) or 11",
     "sts.sgc、krn、kt、ti、ken、base_date、ea：见表上标签；ken 255 表示永不失效；ea 为 07（STA）或 11"),
    ("sts.dkga: 04 or 02; tct: 02 keypad, 01 magnetic card, 07 virtual; credit_kind: 0 energy, 4 money",
     "sts.dkga：04 或 02；tct：02 键盘，01 磁卡，07 虚拟；credit_kind：0 电量，4 金额"),
    ("sts.three_tokens: 1 where an EA 07 meter learns its supply group by a third key-change token",
     "sts.three_tokens：EA 07 电表用第三个换密令牌学习供电组时填 1"),
    ("supply_points.carrier: network (orders over the line), or token (digits that somebody types in; custody meter, "
     "alarm levels and overdraft 0)",
     "supply_points.carrier：network（经线路下发）或 token（人工输入数字；custody 填 meter，报警和透支填 0）"),
)  # fmt: skip


def template_xlsx(lang: str = CHINESE) -> bytes:
    """The workbook with examples."""
    return _workbook(EXAMPLES, lang)


def installed_xlsx(site: Site, lang: str = CHINESE) -> bytes:
    """What is installed in a site, as a take-over would take it: taken over again it changes nothing. Without prices,
    customers, contracts and supply points, which change by the day; keys of gateways are not said."""
    return _workbook(installed(site), lang)


def _workbook(tables: Mapping[str, Sequence[Sequence[str | int]]], lang: str) -> bytes:
    """Every cell is text, so that no spreadsheet turns a number or a date into something else."""
    out = io.BytesIO()
    book: Any = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    text, head = book.add_format({"num_format": "@"}), book.add_format({"num_format": "@", "bold": True})
    for name, columns in SHEETS.items():
        sheet = book.add_worksheet(name)
        sheet.set_column(0, len(columns) - 1, _WIDTH, text)
        sheet.freeze_panes(1, 0)
        for place, column in enumerate(columns):
            sheet.write_string(0, place, column, head)
        for number, row in enumerate(tables.get(name, ()), 1):
            for place, value in enumerate(row):
                sheet.write_string(number, place, token_hex(8) if value == ANY_KEY else str(value), text)
    notes = book.add_worksheet(NOTES)
    for number, (en, zh) in enumerate(_SAID):
        notes.write_string(number, 0, zh if lang.lower().startswith("zh") else en, text)
    book.close()
    return out.getvalue()
