"""`prewatt vault`: what the key vaults are like, a vending key taken into one, a vending key ended.

A key's value comes from a file that its owner alone can read, or from standard input: an argument would stand in the
list of processes and in the history of the shell. It is never written anywhere but sealed.
"""

import getpass
import json
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from prewatt.wiring import database, migrations
from prewatt.wiring.config import Config
from prewatt.wiring.diagnosis import data_directory
from prewatt.wiring.parts.ground import set_up_django, some_database
from prewatt.wiring.refusals import Exit, StartRefused, language

if TYPE_CHECKING:
    from prewatt.office.staff.actors import Actor
    from prewatt.office.tokens.models import StoredKey

STDIN: Final = "-"
VALUE_MOST: Final = 4096  # characters: forty digits, a line end, and what an editor may add
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{16}|[0-9a-fA-F]{40})")


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """What names a vending key, and where its value comes from: `source` is a path, or "-" for standard input; or
    `label` is that of a key in a PKCS#11 device. One of the two is ""."""

    dkga: str
    sgc: str
    krn: int
    kt: int
    ken: int
    base_date: int
    source: str
    label: str
    company: str
    by: str


def status(config: Config, *, out: TextIO) -> int:
    """One line for each vault and each key; 0, or 1 where something must be mended."""
    with _site(config):
        from prewatt.wiring.vault_look import look

        seen = look()
        for vault in seen.vaults:
            said = vault.refused.message(language()) if vault.refused is not None else ""
            _tell(out, "PREWATT-VAULT", {"provider": vault.provider, "state": vault.state, "message": said})
        for key in seen.keys:
            _tell(out, "PREWATT-KEY", _shown(key.row) | {"state": key.state, "meters": key.meters})
    return Exit.UNEXPECTED if seen.wrong else Exit.OK


def load_key(config: Config, new: NewKey, *, given: TextIO, out: TextIO) -> int:
    """Take a vending key in and show its check value, which two persons compare before a token is sold.

    Raises StartRefused `key_value_malformed`, `key_value_unreadable`, `key_value_exposed`, `vault_not_set`,
    `login_unknown`, `company_unknown`, `usage`; the refusals of `office.tokens.keys` and of the engine; and those of
    the database.
    """
    if bool(new.source) == bool(new.label):
        raise StartRefused("usage", detail="either --value-file or --label")
    value = _value(new.source, given) if new.source else b""
    with _site(config):
        row = _loaded(new, value, at=datetime.now(UTC))
        _tell(out, "PREWATT-KEY", _shown(row))
    return Exit.OK


def end_key(config: Config, key_id: int, *, by: str, reason: str, out: TextIO) -> int:
    """Make no more tokens with a key. Raises StartRefused `login_unknown`, `key_unknown`, and the refusals of
    `keys.end`."""
    with _site(config):
        from prewatt.office.tokens import keys
        from prewatt.office.tokens.models import StoredKey

        row = StoredKey.objects.filter(pk=key_id).first()
        if row is None:
            raise StartRefused("key_unknown", id=key_id)
        keys.end(row, reason=reason, actor=_actor(by), at=datetime.now(UTC))
        row.refresh_from_db()
        _tell(out, "PREWATT-KEY", _shown(row))
    return Exit.OK


@contextmanager
def _site(config: Config) -> Iterator[None]:
    """The database of a founded site, with Django set up. No empty database is made to find that there is none."""
    if not config.database_url and not (data_directory(config) / "PG_VERSION").is_file():
        raise StartRefused("no_company")
    with some_database(config) as dsn:
        database.check(dsn)
        with database.connect(dsn) as connection:
            if migrations.missing(connection):
                raise StartRefused("database_not_migrated")
        set_up_django(config, dsn)
        yield


def _value(source: str, given: TextIO) -> bytes:
    """The value, from hex digits with any spaces between. What was read is in no text that leaves here."""
    if source != STDIN:
        text = _private(Path(source))
    elif given.isatty():
        text = getpass.getpass("hex: ", stream=None)
    else:
        text = given.read(VALUE_MOST + 1)
    digits = "".join(text.split())
    if len(text) > VALUE_MOST or not _HEX.fullmatch(digits):
        raise StartRefused("key_value_malformed")
    return bytes.fromhex(digits)


def _private(path: Path) -> str:
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise StartRefused("key_value_exposed", path=path)
        with path.open(encoding="ascii", errors="replace") as stream:
            return stream.read(VALUE_MOST + 1)
    except OSError as error:
        # without the path: somebody may have put the value itself in its place
        raise StartRefused("key_value_unreadable", detail=error.strerror or type(error).__name__) from None


def _loaded(new: NewKey, value: bytes, *, at: datetime) -> "StoredKey":
    from django.conf import settings

    from prewatt.core.sts import BaseDate, Dkga, VendingKey
    from prewatt.core.sts.ids import check_kt
    from prewatt.office.tokens import keys, opened, rack
    from prewatt.office.tokens.vault import KeyName

    actor, company_id = _actor(new.by), _company(new.company)
    kt, base_date, dkga = check_kt(new.kt), BaseDate.of(new.base_date), Dkga(new.dkga)
    if new.label:
        device = opened.rack(at=at).vaults.get("pkcs11")
        if device is None:
            raise StartRefused("vault_not_set", settings="PREWATT_PKCS11_LIBRARY")
        name = KeyName(
            sgc=new.sgc, krn=new.krn, kt=kt, ken=new.ken, dkga=dkga, base_date=base_date, provider=device.provider,
            label=new.label,
        )  # fmt: skip
        return keys.point_at(device, name, company_id=company_id, actor=actor, at=at)
    key = VendingKey(dkga=dkga, value=value, sgc=new.sgc, krn=new.krn, kt=kt, base_date=base_date, ken=new.ken)
    vault = rack.open_software(opened.software_settings(settings.PREWATT_VAULT), at=at)
    if vault is None:
        raise StartRefused("vault_not_set", settings="PREWATT_VAULT_KEY_FILE, PREWATT_VAULT_PASSPHRASE_FILE")
    return keys.seal_in(vault, key, company_id=company_id, actor=actor, at=at)


def _actor(login: str) -> "Actor":
    """Who answers for it: his role is judged, and the trail names him."""
    from prewatt.office.staff.actors import of_operator
    from prewatt.office.staff.models import Operator

    operator = Operator.objects.filter(username=login, is_active=True).first()
    if operator is None:
        raise StartRefused("login_unknown", login=login)
    return of_operator(operator)


def _company(name: str) -> int | None:
    """Whose key it is; "" is everybody's."""
    from prewatt.office.estate.models import Company

    if not name:
        return None
    company = Company.objects.filter(name=name).first()
    if company is None:
        raise StartRefused("company_unknown", company=name)
    return company.pk


def _shown(row: "StoredKey") -> dict[str, object]:
    """A key without its value."""
    return {
        "id": row.pk, "provider": str(row.provider), "label": row.label, "dkga": row.dkga, "sgc": row.sgc,
        "krn": row.krn, "kt": row.kt, "ken": row.ken, "base_date": row.base_date, "check_value": row.check_value,
        "ended": row.ended_at is not None,
    }  # fmt: skip


def _tell(out: TextIO, word: str, value: dict[str, object]) -> None:
    out.write(f"{word} {json.dumps(value, ensure_ascii=False)}\n")
    out.flush()
