"""`prewatt doctor`: checks everything, changes nothing, and says how to mend what is wrong, in two languages.

Each finding has a stable id. Exit 0: nothing wrong (warnings allowed); 1: something must be mended.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

from prewatt.core.refusals import CHINESE
from prewatt.wiring import diagnosis, links
from prewatt.wiring.config import Config
from prewatt.wiring.refusals import Exit, StartRefused, language


class State(StrEnum):
    """How a finding stands."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One checked thing: what was seen, and how to mend it (empty when well)."""

    id: str
    state: State
    seen: str
    mend: str = ""


@dataclass(frozen=True, kw_only=True)
class _Check:
    """`look` gives what was seen, or raises `diagnosis.Wrong` / `StartRefused`."""

    title: tuple[str, str]  # English, Chinese
    mend: tuple[str, str]
    look: Callable[[Config], str]
    needed: bool = True  # False: its absence is a warning


CHECKS: dict[str, _Check] = {
    "python": _Check(
        title=("Python", "Python 版本"),
        mend=(
            "install Python 3.11 or newer and run make setup again",
            "请安装 Python 3.11 或更新版本后重新 make setup",
        ),
        look=diagnosis.python_version,
    ),
    "glibc": _Check(
        title=("system library", "系统库"),
        mend=(
            "the PostgreSQL of the packages needs glibc 2.28; install PostgreSQL >= 15 and set PREWATT_PG_BIN",
            "自带的 PostgreSQL 需要 glibc 2.28；请安装 PostgreSQL >= 15 并设置 PREWATT_PG_BIN",
        ),
        look=diagnosis.glibc_version,
        needed=False,
    ),
    "packages": _Check(
        title=("packages", "软件包"),
        mend=("run make setup", "请运行 make setup"),
        look=diagnosis.packages,
    ),
    "settings": _Check(
        title=("settings", "设置"),
        mend=("correct or remove the variables named", "请更正或删除所列环境变量"),
        look=diagnosis.settings,
        needed=False,
    ),
    "home": _Check(
        title=("directory", "数据目录"),
        mend=("give this user the right to write it, or set PREWATT_HOME", "请授予当前用户写权限，或另设 PREWATT_HOME"),
        look=diagnosis.home,
    ),
    "disk": _Check(
        title=("disk space", "磁盘空间"),
        mend=("make room; readings of 1,000 meters take about 350 MB a year", "请腾出空间；1000 块表一年约需 350 MB"),
        look=diagnosis.disk,
    ),
    "postgres_programs": _Check(
        title=("PostgreSQL programs", "PostgreSQL 程序"),
        mend=(
            "run make setup, install PostgreSQL >= 15, or set PREWATT_PG_BIN or PREWATT_DATABASE_URL",
            "请运行 make setup、安装 PostgreSQL >= 15，或设置 PREWATT_PG_BIN 或 PREWATT_DATABASE_URL",
        ),
        look=diagnosis.postgres_programs,
    ),
    "postgres_data": _Check(
        title=("database files", "数据库文件"),
        mend=("see the text; never delete the data directory", "请按提示处理；切勿删除数据目录"),
        look=diagnosis.postgres_data,
    ),
    "database": _Check(
        title=("database", "数据库"),
        mend=(
            "start it with prewatt up, or correct PREWATT_DATABASE_URL",
            "请用 prewatt up 启动，或更正 PREWATT_DATABASE_URL",
        ),
        look=diagnosis.database,
    ),
    "migrations": _Check(
        title=("database structure", "数据库结构"),
        mend=("run prewatt migrate (prewatt up does it by itself)", "请运行 prewatt migrate（prewatt up 会自动执行）"),
        look=diagnosis.migrations,
        needed=False,
    ),
    "books": _Check(
        title=("books", "账目"),
        mend=(
            "keep everything as it is, make a copy of PREWATT_HOME, and have what is named looked at by a person",
            "请保持现状，备份 PREWATT_HOME，并由专人核对所列各项",
        ),
        look=diagnosis.books,
    ),
    "backups": _Check(
        title=("scheduled backups", "定时备份"),
        mend=(
            "set PREWATT_BACKUP_KEY and PREWATT_BACKUP_DIR, best on another disk (docs/recipes/backup.md)",
            "请设置 PREWATT_BACKUP_KEY 与 PREWATT_BACKUP_DIR，最好放在另一块磁盘（见 docs/recipes/backup.md）",
        ),
        look=diagnosis.backups,
        needed=False,
    ),
    "backup_last": _Check(
        title=("last backup", "最近一次备份"),
        mend=(
            "see the text and log/backup.log; prewatt backup FILE makes one now",
            "请按提示及 log/backup.log 处理；prewatt backup FILE 可立即备份",
        ),
        look=diagnosis.backup_last,
    ),
    "key_vault": _Check(
        title=("key vault of STS tokens", "STS 密钥库"),
        mend=(
            "bring back the key file, passphrase or device that is named (docs/recipes/key-vault.md); tokens wait",
            "请恢复所列的密钥文件、口令或设备（见 docs/recipes/key-vault.md）；在此之前令牌不会生成",
        ),
        look=diagnosis.key_vault,
    ),
    "own_models": _Check(
        title=("meter models of the sites", "自建表型"),
        mend=(
            "meters of a model named are not read: on Settings, Meter models copy it, correct what is said, save it as"
            " the next version and give it to its meters (docs/recipes/meter-model.md)",
            "所列表型的电表不会被抄读：请在“设置 · 表型”中复制该表型，按提示更正后存为新版本，再分配给这些电表（见"
            " docs/recipes/meter-model.md）",
        ),
        look=diagnosis.own_models,
    ),
    "log_in": _Check(
        title=("log-in of who moves money", "经手资金人员的登录"),
        mend=(
            "let them enrol a second factor, then require it: Settings, Companies and sites (docs/decisions/log-in.md)",
            "请让他们启用两步验证，然后在“设置 · 公司和项目”中要求使用（见 docs/decisions/log-in.md）",
        ),
        look=diagnosis.log_in,
        needed=False,
    ),
    "restored": _Check(
        title=("meters after a restore", "恢复后的电表核对"),
        mend=(
            "look at each meter named, then settle it (docs/algorithms/backup.md)",
            "请逐一核对所列电表并处理（见 docs/algorithms/backup.md）",
        ),
        look=diagnosis.restored,
        needed=False,
    ),
    "links": _Check(
        title=("links to gateways", "到网关的链路"),
        mend=(
            "plug the adapter in, let the head-end's user open it (group dialout), or mend the setting that is named",
            "请接好串口适配器，并允许前置机用户打开它（dialout 组），或修正所列的设置",
        ),
        look=links.look,
        needed=False,
    ),
    "mqtt": _Check(
        title=("MQTT broker of meters", "电表的 MQTT 服务器"),
        mend=(
            "start the broker, or mend PREWATT_MQTT_URL, its user, password file or certificate (docs/recipes/mqtt.md)",
            "请启动 MQTT 服务器，或修正 PREWATT_MQTT_URL、用户、密码文件或证书（见 docs/recipes/mqtt.md）",
        ),
        look=links.look_at_broker,
        needed=False,
    ),
    "ports": _Check(
        title=("ports", "端口"),
        mend=(
            "stop what uses them, or set PREWATT_PORT, PREWATT_STREAM_PORT, PREWATT_SIM_PORT",
            "请关闭占用者，或设置 PREWATT_PORT、PREWATT_STREAM_PORT、PREWATT_SIM_PORT",
        ),
        look=diagnosis.ports,
    ),
    "clock": _Check(
        title=("clock", "时钟"),
        mend=("set the clock and keep it by NTP", "请校准系统时钟并启用 NTP"),
        look=diagnosis.clock,
    ),
    "translations": _Check(
        title=("translations", "翻译"),
        mend=("run make setup: it compiles the catalogues", "请运行 make setup 以编译翻译"),
        look=diagnosis.translations,
        needed=False,
    ),
    "django_checks": _Check(
        title=("system checks", "系统检查"),
        mend=("see the hints; prewatt.E... are ours", "请按提示处理；prewatt.E... 为本系统检查"),
        look=diagnosis.django_checks,
    ),
    "test_browser": _Check(
        title=("browser for the tests", "测试用浏览器"),
        mend=("only for make test: apt-get install chromium", "仅 make test 需要：apt-get install chromium"),
        look=diagnosis.test_browser,
        needed=False,
    ),
    "test_fonts": _Check(
        title=("Chinese fonts for the tests", "测试用中文字体"),
        mend=(
            "only for make test: apt-get install fonts-noto-cjk",
            "仅 make test 需要：apt-get install fonts-noto-cjk",
        ),
        look=diagnosis.test_fonts,
        needed=False,
    ),
}


def examine(config: Config, *, lang: str) -> Iterator[Finding]:
    """Every check in turn; one that fails does not keep the others from being made."""
    which = 1 if lang == CHINESE else 0
    for name, check in CHECKS.items():
        try:
            seen = check.look(config)
        except diagnosis.Wrong as wrong:
            state = State.WRONG if check.needed else State.WARNING
            yield Finding(id=name, state=state, seen=wrong.seen, mend=check.mend[which])
        except StartRefused as refused:
            state = State.WRONG if check.needed else State.WARNING
            yield Finding(id=name, state=state, seen=refused.message(lang), mend=check.mend[which])
        else:
            yield Finding(id=name, state=State.OK, seen=seen)


_MARKS = {State.OK: "ok  ", State.WARNING: "!   ", State.WRONG: "X   "}


def run(config: Config, *, out: TextIO, as_json: bool) -> int:
    """Write the findings; the exit code."""
    lang = language()
    which = 1 if lang == CHINESE else 0
    wrong = 0
    for finding in examine(config, lang=lang):
        wrong += finding.state is State.WRONG
        if as_json:
            said = {"id": finding.id, "state": finding.state, "seen": finding.seen, "mend": finding.mend}
            out.write(json.dumps(said, ensure_ascii=False) + "\n")
        else:
            out.write(f"{_MARKS[finding.state]}{finding.id:<18} {CHECKS[finding.id].title[which]}: {finding.seen}\n")
            if finding.mend:
                out.write(f"{'':<22} -> {finding.mend}\n")
        out.flush()
    return Exit.UNEXPECTED if wrong else Exit.OK
