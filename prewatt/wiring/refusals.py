"""Refusals of the assembly: why a start was refused, in both languages, with the exit code that goes with it.

The last line on stderr of a refused command is `error CODE: text`; programs read CODE and the exit code, people the
text. Codes never change; texts may.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from prewatt.core.refusals import CHINESE, ENGLISH, Refused, Text, register


class Exit(IntEnum):
    """Exit codes of `prewatt`."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    ALREADY_RUNNING = 3
    DATABASE = 4
    PORT_TAKEN = 5


def language(environ: Mapping[str, str] | None = None) -> str:
    """The language of this terminal: PREWATT_LANG decides, else LC_ALL, LC_MESSAGES, LANG; nothing said is English."""
    env = os.environ if environ is None else environ
    for name in ("PREWATT_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = env.get(name, "")
        if value:
            return CHINESE if value.lower().startswith("zh") else ENGLISH
    return ENGLISH


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    exit: Exit
    zh: str
    en: str


_REFUSALS: Mapping[str, _Refusal] = {
    "usage": _Refusal(exit=Exit.USAGE, zh="命令用法有误：{detail}", en="wrong usage: {detail}"),
    "setting_invalid": _Refusal(
        exit=Exit.USAGE,
        zh="环境变量 {name} 的值无效：{detail}",
        en="the environment variable {name} has a value that cannot be used: {detail}",
    ),
    "mqtt_package_missing": _Refusal(
        exit=Exit.USAGE,
        zh="PREWATT_MQTT_URL 需要附加软件包：pip install --require-hashes -r requirements-mqtt.lock",
        en="PREWATT_MQTT_URL needs an extra: pip install --require-hashes -r requirements-mqtt.lock",
    ),
    "ports_overlap": _Refusal(
        exit=Exit.USAGE,
        zh="网页、数据流和模拟站点的端口必须互不相同：{detail}",
        en="the ports of web, stream and simulated site must differ: {detail}",
    ),
    "home_unusable": _Refusal(
        exit=Exit.USAGE,
        zh="无法使用目录 PREWATT_HOME={path}：{detail}",
        en="the directory PREWATT_HOME={path} cannot be used: {detail}",
    ),
    "already_running": _Refusal(
        exit=Exit.ALREADY_RUNNING,
        zh="{path} 已有一个 Prewatt 实例在运行；请先停止它，或另设 PREWATT_HOME",
        en="another Prewatt already runs in {path}; stop it first, or give this one its own PREWATT_HOME",
    ),
    "port_taken": _Refusal(
        exit=Exit.PORT_TAKEN,
        zh="端口 {address} 已被占用（{part}）；请关闭占用者，或设置 {setting}",
        en="{address} is taken (wanted for {part}); stop what uses it, or set {setting}",
    ),
    "bind_unusable": _Refusal(
        exit=Exit.USAGE,
        zh="无法监听 PREWATT_BIND={address}：{detail}",
        en="cannot listen on PREWATT_BIND={address}: {detail}",
    ),
    "postgres_missing": _Refusal(
        exit=Exit.DATABASE,
        zh="找不到 PostgreSQL 15 或更新版本的程序（{detail}）；请运行 make setup，或设置 PREWATT_PG_BIN 或 "
        "PREWATT_DATABASE_URL",
        en="no PostgreSQL programs of version 15 or later found ({detail}); run make setup, or set PREWATT_PG_BIN or "
        "PREWATT_DATABASE_URL",
    ),
    "wrong_major_version": _Refusal(
        exit=Exit.DATABASE,
        zh="数据目录 {path} 由 PostgreSQL {found} 建立，而现有程序是 {wanted}；"
        "请用 PREWATT_PG_BIN 指定 {found} 版程序，或导出后重新导入",
        en="the data directory {path} was made by PostgreSQL {found}, the programs here are {wanted}; point "
        "PREWATT_PG_BIN at the programs of version {found}, or dump with them and load anew",
    ),
    "database_disk_full": _Refusal(
        exit=Exit.DATABASE,
        zh="磁盘空间不足：{path} 仅剩 {free_mib} MiB，至少需要 {need_mib} MiB；请先腾出空间",
        en="the disk is full: {path} has {free_mib} MiB left, at least {need_mib} MiB are needed; make room first",
    ),
    "home_unreachable": _Refusal(
        exit=Exit.DATABASE,
        zh="数据库用户 {user} 无法进入 {path}；请把 PREWATT_HOME 放到该用户可进入的目录",
        en="the database user {user} cannot enter {path}; put PREWATT_HOME where that user may go",
    ),
    "no_service_user": _Refusal(
        exit=Exit.DATABASE,
        zh="以 root 运行时需要用户 postgres 或 nobody，两者都不存在",
        en="as root a user postgres or nobody is needed to run the database, and neither exists",
    ),
    "unknown_os_user": _Refusal(
        exit=Exit.DATABASE,
        zh="当前用户号 {uid} 没有用户名，PostgreSQL 不能启动；请以有名字的用户运行",
        en="user id {uid} has no name, and PostgreSQL will not start for it; run as a user with a name",
    ),
    "socket_dir_foreign": _Refusal(
        exit=Exit.DATABASE,
        zh="套接字目录 {path} 属于他人或权限不符，拒绝使用；请删除它或换一个 PREWATT_HOME",
        en="the socket directory {path} belongs to somebody else or is open to others; remove it or use another "
        "PREWATT_HOME",
    ),
    "database_init_failed": _Refusal(
        exit=Exit.DATABASE, zh="无法建立数据库：{detail}", en="the database could not be made: {detail}"
    ),
    "database_start_failed": _Refusal(
        exit=Exit.DATABASE,
        zh="数据库未能启动：{detail}（详见 {path}）",
        en="the database did not start: {detail} (see {path})",
    ),
    "database_start_stalled": _Refusal(
        exit=Exit.DATABASE,
        zh="数据库启动停滞 {seconds} 秒没有进展（详见 {path}）",
        en="the database start made no progress for {seconds} s (see {path})",
    ),
    "database_busy": _Refusal(
        exit=Exit.DATABASE,
        zh="仍有旧的数据库进程占用 {path}：{detail}",
        en="old database processes still use {path}: {detail}",
    ),
    "database_unreachable": _Refusal(
        exit=Exit.DATABASE,
        zh="无法连接数据库（{detail}）；请检查 PREWATT_DATABASE_URL",
        en="the database cannot be reached ({detail}); check PREWATT_DATABASE_URL",
    ),
    "database_too_old": _Refusal(
        exit=Exit.DATABASE,
        zh="数据库版本 {found} 过旧，需要 PostgreSQL 15 或更新版本",
        en="the database is version {found}; PostgreSQL 15 or later is needed",
    ),
    "database_encoding": _Refusal(
        exit=Exit.DATABASE,
        zh="数据库编码是 {found}，必须是 UTF8",
        en="the database encoding is {found}, it must be UTF8",
    ),
    "database_not_running": _Refusal(
        exit=Exit.DATABASE,
        zh="{path} 的内置数据库没有运行；请用 prewatt up 启动，或设置 PREWATT_DATABASE_URL",
        en="the embedded database of {path} is not running; start it with prewatt up, or set PREWATT_DATABASE_URL",
    ),
    "migration_failed": _Refusal(
        exit=Exit.DATABASE, zh="数据库结构更新失败：{detail}", en="the database could not be migrated: {detail}"
    ),
    "demo_failed": _Refusal(
        exit=Exit.UNEXPECTED, zh="演示数据装载失败：{detail}", en="the demo site could not be loaded: {detail}"
    ),
    "child_failed": _Refusal(
        exit=Exit.UNEXPECTED,
        zh="进程 {part} 未能启动（详见 {path}）",
        en="the process {part} did not come up (see {path})",
    ),
    "not_main_thread": _Refusal(
        exit=Exit.UNEXPECTED,
        zh="数据库必须从主线程启动",
        en="the database must be started from the main thread (the death signal follows the thread)",
    ),
    "unexpected_failure": _Refusal(exit=Exit.UNEXPECTED, zh="意外错误：{detail}", en="unexpected error: {detail}"),
    "database_url_invalid": _Refusal(
        exit=Exit.USAGE,
        zh="PREWATT_DATABASE_URL 不是有效的 PostgreSQL 地址：{detail}",
        en="PREWATT_DATABASE_URL is not a PostgreSQL address: {detail}",
    ),
    "founding_invalid": _Refusal(
        exit=Exit.USAGE,
        zh="{name} 的值无法使用：{detail}。什么都没有建立。",
        en="{name} cannot be used: {detail}. Nothing was made.",
    ),
    "company_exists": _Refusal(
        exit=Exit.USAGE,
        zh="此数据库中已有公司“{company}”，prewatt init 只能运行一次；新的公司请另设 PREWATT_HOME",
        en="the company “{company}” is in this database already, and prewatt init runs once; another company needs a "
        "PREWATT_HOME of its own",
    ),
    "no_company": _Refusal(
        exit=Exit.USAGE,
        zh="此数据库中还没有公司；请先运行 prewatt init（参见 README），演示请设 PREWATT_DEMO=1",
        en="there is no company in this database yet; run prewatt init first (see the README), or set PREWATT_DEMO=1 "
        "for the demo",
    ),
    "login_unknown": _Refusal(
        exit=Exit.USAGE,
        zh="没有在用的操作员 {login}；什么都没有改",
        en="there is no operator {login}, or he has been deactivated; nothing was changed",
    ),
    "site_needed": _Refusal(
        exit=Exit.USAGE,
        zh="请用 --site 指明项目代码，其中之一：{sites}",
        en="say with --site which site is meant, one of: {sites}",
    ),
    "database_not_migrated": _Refusal(
        exit=Exit.DATABASE,
        zh="数据库结构不是本版本的；请先运行 prewatt migrate",
        en="the database is not that of this version; run prewatt migrate first",
    ),
    "template_not_written": _Refusal(
        exit=Exit.USAGE, zh="无法写入 {path}：{detail}", en="{path} could not be written: {detail}"
    ),
    "demo_in_production": _Refusal(
        exit=Exit.USAGE,
        zh="PREWATT_DEMO=0，但此数据库中有演示站点的密钥或登录（{detail}）；正式站点请另设 PREWATT_HOME 并运行 prewatt init",
        en="PREWATT_DEMO=0, but keys or logins of the demo are in this database ({detail}); give the real site a "
        "PREWATT_HOME of its own and run prewatt init",
    ),
    "not_a_demo": _Refusal(
        exit=Exit.USAGE,
        zh="{path} 中是正式站点，不是演示站点；请设 PREWATT_DEMO=0",
        en="{path} holds a real site, not the demo; set PREWATT_DEMO=0",
    ),
    "secret_insecure": _Refusal(
        exit=Exit.USAGE,
        zh="PREWATT_SECRET_KEY 是源代码中的示例或短于 {least} 个字符；请删除该变量，Prewatt 会自行生成",
        en="PREWATT_SECRET_KEY is the one of the source code or shorter than {least} characters; unset it, and Prewatt "
        "makes one",
    ),
    "vault_not_allowed": _Refusal(
        exit=Exit.USAGE,
        zh="软件密钥库不是经认证的密码机；正式站点要使用它，请明确设 PREWATT_VAULT_SOFTWARE=1",
        en="the software key vault is no certified security module; a real site that uses it says so with "
        "PREWATT_VAULT_SOFTWARE=1",
    ),
    "security_simulated": _Refusal(
        exit=Exit.USAGE,
        zh="模拟安全模块不含任何电表的真实密钥，正式站点禁止使用；请设 PREWATT_SECURITY=none",
        en="the simulated security provider holds no key of any meter; a real site sets PREWATT_SECURITY=none",
    ),
    "cookies_insecure": _Refusal(
        exit=Exit.USAGE,
        zh="PREWATT_BIND={bind} 会把登录会话以明文送过网络；请用 HTTPS 反向代理并设 PREWATT_PUBLIC_URL=https://…，"
        "或在可信的内网中明确设 PREWATT_PLAIN_HTTP=1",
        en="PREWATT_BIND={bind} would send log-in sessions over the network in the clear; put a TLS proxy in front and "
        "set PREWATT_PUBLIC_URL=https://..., or say PREWATT_PLAIN_HTTP=1 on a network you trust",
    ),
    "site_unusable": _Refusal(
        exit=Exit.UNEXPECTED,
        zh="模拟站点文件 {path} 无法使用：{detail}",
        en="the simulated site {path} cannot be played: {detail}",
    ),
    "record_unusable": _Refusal(
        exit=Exit.USAGE,
        zh="不能写入记录文件 {path}：{detail}",
        en="the recording {path} cannot be written: {detail}",
    ),
    "demo_switched_off": _Refusal(
        exit=Exit.USAGE,
        zh="模拟站点只在演示中运行；请设 PREWATT_DEMO=1",
        en="the simulated site runs in the demo only; set PREWATT_DEMO=1",
    ),
    "backup_key_missing": _Refusal(
        exit=Exit.USAGE,
        zh="请设置 PREWATT_BACKUP_KEY：备份与恢复所用的口令",
        en="set PREWATT_BACKUP_KEY: the passphrase of backups, needed to write and to read them",
    ),
    "backup_nothing": _Refusal(
        exit=Exit.USAGE,
        zh="{path} 中没有可备份的数据",
        en="there is nothing to back up in {path}",
    ),
    "backup_file_unusable": _Refusal(
        exit=Exit.USAGE, zh="无法使用备份文件 {path}：{detail}", en="the backup file {path} cannot be used: {detail}"
    ),
    "backup_disk_full": _Refusal(
        exit=Exit.UNEXPECTED,
        zh="磁盘空间不足以写入 {path}：剩余 {free_mib} MiB，需要 {need_mib} MiB；未写入任何备份",
        en="no room for {path}: {free_mib} MiB are free, {need_mib} MiB are needed; no backup was written",
    ),
    "backup_tools_missing": _Refusal(
        exit=Exit.DATABASE,
        zh="没有可用于 PostgreSQL {major} 的 {program}；请安装 PostgreSQL {major} 的客户端程序，或用 PREWATT_PG_BIN 指定",
        en="there is no {program} fit for PostgreSQL {major}; install the client programs of PostgreSQL {major}, or "
        "point PREWATT_PG_BIN at them",
    ),
    "backup_failed": _Refusal(
        exit=Exit.UNEXPECTED,
        zh="备份失败，未留下文件：{detail}",
        en="the backup failed and left no file: {detail}",
    ),
    "backup_not_ours": _Refusal(
        exit=Exit.USAGE, zh="{path} 不是 Prewatt 备份文件", en="{path} is not a backup of Prewatt"
    ),
    "backup_other_version": _Refusal(
        exit=Exit.USAGE,
        zh="备份 {path} 来自更新版本的 Prewatt 或 PostgreSQL；请用不低于它的版本恢复",
        en="the backup {path} was made by a later Prewatt or PostgreSQL; restore it with one that is not older",
    ),
    "backup_wrong_key": _Refusal(
        exit=Exit.USAGE,
        zh="口令 PREWATT_BACKUP_KEY 与备份 {path} 不符",
        en="PREWATT_BACKUP_KEY is not the passphrase of {path}",
    ),
    "backup_damaged": _Refusal(
        exit=Exit.UNEXPECTED,
        zh="备份 {path} 已损坏或不完整（{detail}）；未恢复任何内容",
        en="the backup {path} is damaged or not whole ({detail}); nothing was restored",
    ),
    "restore_home_not_empty": _Refusal(
        exit=Exit.USAGE,
        zh="{path} 中已有内容；请把备份恢复到空的 PREWATT_HOME（或空的数据库）",
        en="{path} is not empty; restore into an empty PREWATT_HOME (or an empty database)",
    ),
    "restore_failed": _Refusal(
        exit=Exit.UNEXPECTED,
        zh="恢复失败，已清除恢复的内容：{detail}",
        en="the restore failed, and what it had made was removed: {detail}",
    ),
    "restore_books_differ": _Refusal(
        exit=Exit.UNEXPECTED,
        zh="恢复后的账目与备份不一致，已清除恢复的内容：{detail}",
        en="the books restored are not those of the backup, and what was made was removed: {detail}",
    ),
    "restored_with_findings": _Refusal(
        exit=Exit.UNEXPECTED,
        zh="已恢复，账目与备份一致，但稽核发现问题，请由专人核对：{detail}",
        en="restored, and the books are those of the backup, but the audit found what a person must look at: {detail}",
    ),
    "home_unfinished": _Refusal(
        exit=Exit.USAGE,
        zh="{path} 中有一次未完成的操作（{what}）；请再次运行 prewatt {what}",
        en="{path} holds an unfinished {what}; run prewatt {what} again",
    ),
    "upgrade_external": _Refusal(
        exit=Exit.USAGE,
        zh="外部数据库由其管理员升级；prewatt upgrade-database 只升级内置数据库",
        en="an external database is upgraded by those who run it; prewatt upgrade-database is for the embedded one",
    ),
    "upgrade_not_confirmed": _Refusal(
        exit=Exit.USAGE,
        zh="没有可确认的升级：{path} 中没有旧数据目录",
        en="there is no upgrade to confirm: {path} holds no old data directory",
    ),
    "upgrade_failed": _Refusal(
        exit=Exit.DATABASE,
        zh="数据库升级失败，旧数据保持原样：{detail}",
        en="the database was not upgraded, the old data are as they were: {detail}",
    ),
    "vault_not_set": _Refusal(
        exit=Exit.USAGE,
        zh="没有设置密钥库；请设置 {settings}（见 docs/recipes/key-vault.md）。什么都没有保存",
        en="no key vault is set up; set {settings} (docs/recipes/key-vault.md). Nothing was saved",
    ),
    "key_value_malformed": _Refusal(
        exit=Exit.USAGE,
        zh="密钥须为 16 位（DKGA02）或 40 位（DKGA04）十六进制数字。什么都没有保存",
        en="a key's value is 16 hex digits (DKGA02) or 40 (DKGA04). Nothing was saved",
    ),
    "key_value_exposed": _Refusal(
        exit=Exit.USAGE,
        zh="其他用户可以读取 {path}；请先 chmod 600。什么都没有保存",
        en="others can read {path}; chmod 600 it first. Nothing was saved",
    ),
    "key_value_unreadable": _Refusal(
        exit=Exit.USAGE,
        zh="无法读取 --value-file 所指的文件：{detail}。什么都没有保存",
        en="the file of --value-file cannot be read: {detail}. Nothing was saved",
    ),
    "key_unknown": _Refusal(
        exit=Exit.USAGE,
        zh="没有编号为 {id} 的售电密钥；见 prewatt vault status",
        en="there is no vending key {id}; see prewatt vault status",
    ),
    "company_unknown": _Refusal(
        exit=Exit.USAGE, zh="没有名为 {company} 的公司。什么都没有保存", en="there is no company {company}. Nothing was saved"
    ),
    "line_key_unusable": _Refusal(
        exit=Exit.USAGE,
        zh="无法使用密钥文件 {path}：{detail}",
        en="the key file {path} cannot be used: {detail}",
    ),
    "forward_unusable": _Refusal(
        exit=Exit.PORT_TAKEN, zh="无法监听 {address}：{detail}", en="cannot listen on {address}: {detail}"
    ),
    "interrupted": _Refusal(exit=Exit.UNEXPECTED, zh="已被信号中断", en="interrupted by a signal"),
}

register({code: Text(en=refusal.en, zh=refusal.zh) for code, refusal in _REFUSALS.items()})


class StartRefused(Refused):
    """A start that was refused. `code` is stable; `exit` is the exit code; `message(lang)` says how to mend it."""

    def __init__(self, code: str, **params: object) -> None:
        assert code in _REFUSALS, code
        super().__init__(code)
        # one line: what libraries and systems say may have several
        self.params = {name: " ".join(str(value).split()) for name, value in params.items()}

    @property
    def exit(self) -> Exit:
        """The exit code of the command."""
        return _REFUSALS[self.code].exit
