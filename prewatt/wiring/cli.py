"""The command `prewatt`. Sub-commands import what they need when they run: `--help` costs nothing."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from prewatt import __version__
from prewatt.core.refusals import Refused
from prewatt.wiring import config as configuration
from prewatt.wiring.refusals import Exit, StartRefused, language

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

Command = Callable[[configuration.Config, argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    """Refuses wrong usage the way all our refusals look."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise StartRefused("usage", detail=message)


def _up(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.up import Up

    return Up(config, out=sys.stdout, err=sys.stderr).run()


def _web(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.parts.web import serve

    return serve(config)


def _stream(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.parts.stream import serve

    return serve(config)


def _headend(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.parts.headend import serve

    return serve(config, name=given.name, record=given.record)


def _worker(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.parts.worker import serve

    return serve(config)


def _simulate(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.parts.simulate import serve

    return serve(config, given)


def _init(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.parts.init import Founding, run

    founding = Founding(
        company=given.company, currency=given.currency, timezone=given.timezone, site=given.site, admin=given.admin
    )
    return run(config, founding, out=sys.stdout, err=sys.stderr)


def _import(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.parts.take_over import run, template

    if given.template:
        return template(given.path)
    return run(config, given.path, site=given.site, dry_run=given.dry_run, out=sys.stdout)


def _password(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.parts.password import run

    return run(config, given.login, no_second_factor=given.no_second_factor, out=sys.stdout)


def _migrate(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.parts.migrate import run

    return run(config, out=sys.stderr, backup=not given.no_backup)


def _backup(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.backup import run

    return run(config, file=given.file, out=sys.stdout)


def _restore(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.backup_restore import run

    return run(config, file=given.file, out=sys.stdout)


def _keep_backups(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.backup_keeper import serve

    return serve(config)


def _upgrade(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.backup_upgrade import run

    return run(config, confirm=given.confirm, out=sys.stdout)


def _demo(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.parts.demo import run

    return run(config, out=sys.stderr)


def _doctor(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.doctor import run

    return run(config, out=sys.stdout, as_json=given.json)


def _vault(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.parts import vault

    if given.act == "status":
        return vault.status(config, out=sys.stdout)
    if given.act == "end-key":
        return vault.end_key(config, given.id, by=given.by, reason=given.reason, out=sys.stdout)
    new = vault.NewKey(
        dkga=given.dkga, sgc=given.sgc, krn=given.krn, kt=given.kt, ken=given.ken, base_date=given.base_date,
        source=given.value_file, label=given.label, company=given.company, by=given.by,
    )  # fmt: skip
    return vault.load_key(config, new, given=sys.stdin, out=sys.stdout)


def _forward(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.parts.forward import serve

    return serve(given)


def _bench(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.parts.bench import run

    return run(config, names=given.names, out=sys.stdout)


def _sts(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring.sts import main as answer_lines

    return answer_lines(sys.stdin, sys.stdout)


def _wire(config: configuration.Config, given: argparse.Namespace) -> int:
    from prewatt.wiring import wire

    if given.protocol is None:
        return wire.main(sys.stdin, sys.stdout)
    said = wire.read_aloud(
        given.protocol, " ".join(given.hex), sys.stdout, direction=given.direction, language=language()
    )
    return Exit.OK if said else Exit.USAGE


COMMANDS: dict[str, tuple[Command, str, str]] = {
    "up": (_up, "start everything and keep it running", "启动并看护全部进程"),
    "init": (_init, "found a company and its first site, in an empty database", "在空数据库中建立公司和第一个项目"),
    "import": (_import, "take an estate over from a spreadsheet", "从电子表格导入楼栋、电表和户"),
    "password": (_password, "a new password for who has lost his own", "为忘记密码的操作员设新密码"),
    "web": (_web, "pages and API", "网页与接口"),
    "stream": (_stream, "live stream for the console", "实时数据流"),
    "headend": (_headend, "read and command the meters", "前置机：抄表与控制"),
    "worker": (_worker, "background jobs and sweeps", "后台任务"),
    "simulate": (_simulate, "a simulated site: the demo's, or any by its file", "模拟站点：演示站点或按文件"),
    "migrate": (_migrate, "bring the database up to date", "更新数据库结构"),
    "backup": (_backup, "the whole site into one sealed file", "把整个站点备份为一个加密文件"),
    "restore": (_restore, "a backup into an empty PREWATT_HOME", "把备份恢复到空的 PREWATT_HOME"),
    "keep-backups": (_keep_backups, "back up each day (PREWATT_BACKUP_DIR)", "每日自动备份（PREWATT_BACKUP_DIR）"),
    "upgrade-database": (_upgrade, "to a newer major PostgreSQL", "升级到新的 PostgreSQL 大版本"),
    "demo": (_demo, "load the demo site into an empty database", "向空数据库装载演示数据"),
    "doctor": (_doctor, "check everything and say how to mend it", "检查一切并说明如何修复"),
    "forward": (_forward, "one end of a sealed line to a gateway", "加密线路的一端（前置机与网关之间）"),
    "vault": (_vault, "the key vault of STS tokens: its state, and its vending keys", "STS 密钥库：状态与售电密钥"),
    "sts": (_sts, "the STS engine, JSON lines in and out", "STS 令牌引擎（JSON 行）"),
    "bench": (_bench, "measure, as JSON lines, on a throw-away database", "性能测量"),
    "wire": (_wire, "what captured bytes say, or JSON lines in and out", "解析粘贴或 JSON 行的报文"),
}


def parser() -> argparse.ArgumentParser:
    """The arguments of `prewatt`."""
    zh = language().startswith("zh")
    top = _Parser(prog="prewatt", description="预付费售电平台" if zh else "An open platform for prepaid electricity")
    top.add_argument("--version", action="version", version=f"prewatt {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    made: dict[str, argparse.ArgumentParser] = {}
    for name, (_, en, chinese) in COMMANDS.items():
        text = chinese if zh else en
        made[name] = commands.add_parser(name, help=text, description=text)
    made["headend"].add_argument(
        "--name", help="name unique among head-ends (default: host and process)", type=_headend_name
    )
    made["headend"].add_argument("--record", type=Path, metavar="PATH", help="write what the lines say to a new file")
    made["migrate"].add_argument("--no-backup", action="store_true", help="do not back up first")
    for name in ("backup", "restore"):
        made[name].add_argument("file", metavar="FILE", help="sealed with PREWATT_BACKUP_KEY")
    for name, example in (
        ("company", "NAME"), ("currency", "CNY"), ("timezone", "Asia/Shanghai"), ("site", "NAME"), ("admin", "LOGIN"),
    ):  # fmt: skip
        made["init"].add_argument(f"--{name}", required=True, metavar=example)
    made["password"].add_argument("login", metavar="LOGIN")
    made["password"].add_argument("--no-second-factor", action="store_true", help="take it off: the telephone is lost")
    made["import"].add_argument("path", type=Path, metavar="PATH", help="an .xlsx file, or a folder of .csv files")
    made["import"].add_argument("--dry-run", action="store_true", help="only say what would be done")
    made["import"].add_argument("--site", default="", metavar="CODE", help="which site, where there are several")
    made["import"].add_argument("--template", action="store_true", help="write an empty workbook with examples to PATH")
    made["upgrade-database"].add_argument("--confirm", action="store_true", help="delete the old data directory")
    made["doctor"].add_argument("--json", action="store_true", help="one JSON object per line")
    _vault_words(made["vault"])
    _forward_words(made["forward"])
    _wire_words(made["wire"], zh=zh)
    for name, text in (
        ("site", "play this site file, .json or .toml (see docs/recipes/simulate.md)"),
        ("replay", "answer as this recording says"), ("record", "write what is said on the lines to a new file"),
        ("memory", "directory of what the meters remember (default: beside the site file)"),
    ):  # fmt: skip
        made["simulate"].add_argument(f"--{name}", type=Path, metavar="PATH", help=text)
    made["simulate"].add_argument("--page-port", type=_port, metavar="PORT", help="of its page; 0: any free one")
    made["bench"].add_argument("names", nargs="*", metavar="NAME", help="which figures (default: all)")
    return top


def _vault_words(vault: argparse.ArgumentParser) -> None:
    acts = vault.add_subparsers(dest="act", required=True, metavar="ACT", parser_class=_Parser)
    acts.add_parser("status", help="vaults and keys with their check values")
    # no abbreviations: --value-file is not to be had as --value
    load = acts.add_parser("load-key", help="take a vending key in", allow_abbrev=False)
    end = acts.add_parser("end-key", help="make no more tokens with a key", allow_abbrev=False)
    for each in (load, end):
        each.add_argument("--by", required=True, metavar="LOGIN", help="the administrator who answers for it")
    end.add_argument("id", type=int, metavar="ID", help="as vault status shows it")
    end.add_argument("--reason", required=True, metavar="TEXT")
    load.add_argument("--dkga", choices=("02", "04"), default="04", help="how decoder keys are made of it")
    load.add_argument("--sgc", required=True, metavar="DIGITS", help="supply group code, six digits")
    for name, wanted, text in (
        ("krn", None, "key revision, 1 to 9"), ("kt", 2, "key type, 0 to 3"), ("ken", 255, "expiry, 255: never"),
        ("base-date", 2014, "1993, 2014 or 2035"),
    ):  # fmt: skip
        load.add_argument(f"--{name}", type=int, required=wanted is None, default=wanted, metavar="N", help=text)
    load.add_argument("--value-file", default="", metavar="PATH", help="hex digits, readable by you alone; - is stdin")
    load.add_argument("--label", default="", metavar="LABEL", help="instead: of the key in a PKCS#11 device")
    load.add_argument("--company", default="", metavar="NAME", help="who alone may sell with it")


def _forward_words(forward: argparse.ArgumentParser) -> None:
    for name, metavar in (("listen", "HOST:PORT"), ("to", "HOST:PORT")):
        forward.add_argument(f"--{name}", required=True, metavar=metavar)
    forward.add_argument("--seal", required=True, choices=("listen", "dial"), help="which side is ciphered")
    forward.add_argument("--key-file", required=True, type=Path, metavar="PATH", help="64 hex digits, yours alone")
    forward.add_argument("--suite", default="aes-256-gcm", choices=("aes-256-gcm", "3des-cbc"), help="same at both")


WIRE_EXAMPLES = """\
{paste}
  prewatt wire dlt645 68 12 00 00 00 10 20 68 91 08 33 35 C3 33 89 CB 34 33 C4 16
  prewatt wire modbus-rtu "0B 03 02 FF 06 E1 B7"
  prewatt wire modbus-rtu "01 01 03 0A 01 05 DD DF" --direction reply
{lines}
  {{"id":1,"protocol":"dlt645","hex":"68 12 00 00 00 10 20 68 D1 01 35 19 16"}}
docs/algorithms/wire-json-lines.md"""


def _wire_words(wire: argparse.ArgumentParser, *, zh: bool) -> None:
    wire.formatter_class = argparse.RawDescriptionHelpFormatter
    wire.epilog = WIRE_EXAMPLES.format(
        paste="粘贴抓取的报文（空格、逗号、0x 均可）：" if zh else "paste a capture (blanks, commas, 0x may stay):",
        lines="标准输入的 JSON 行，一行一条：" if zh else "JSON lines on standard input, one capture a line:",
    )
    wire.add_argument("protocol", nargs="?", metavar="PROTOCOL", help="dlt645, modbus-rtu, modbus-tcp, acrel-4g")
    wire.add_argument("hex", nargs="*", metavar="HEX")
    wire.add_argument("--direction", choices=("request", "reply"), help="where Modbus bytes alone cannot tell")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= 65535):
        raise argparse.ArgumentTypeError("0 to 65535")
    return int(text)


def _headend_name(text: str) -> str:
    if not 1 <= len(text) <= 60 or not text.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise argparse.ArgumentTypeError("1 to 60 letters, digits, dots, dashes")
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Run `prewatt`; the exit code. A refusal's last line on stderr is `error CODE: text`."""
    sys.excepthook = _say_unexpected
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=LOG_FORMAT)
    try:
        given = parser().parse_args(argv)
        config = configuration.read()
        logging.getLogger().setLevel(config.log_level)
        logging.getLogger("procrastinate").setLevel(logging.WARNING)  # it tells of every sweep
        code: int = COMMANDS[given.command][0](config, given)
    except StartRefused as refused:
        return _refuse(refused, refused.exit)
    except Refused as refused:  # of a verb of the office that a command called
        return _refuse(refused, Exit.UNEXPECTED if refused.retry else Exit.USAGE)
    except KeyboardInterrupt:
        return Exit.OK
    return int(code)


def _say_unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The last line of a failure nobody foresaw has the agreed form too; Python's exit code 1 is ours as well."""
    sys.__excepthook__(kind, error, trace)
    _refuse(StartRefused("unexpected_failure", detail=f"{kind.__name__}: {error}"), Exit.UNEXPECTED)


def _refuse(refused: Refused, code: Exit) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"error {refused.code}: {refused.message(language())}\n")
    sys.stderr.flush()
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
