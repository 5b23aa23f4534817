"""Vaults: what opens them, what they keep to themselves, and that each gives the same digits."""

import logging
import os
import pickle
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from django.db import connection

from prewatt.core.refusals import Refused
from prewatt.core.sts import BaseDate, CreditKind, Dkga, Ea, KeyType, UnitsCredit, decode
from prewatt.office.tokens import keys, rack, sealed
from prewatt.office.tokens.models import StoredKey, VaultSeal
from prewatt.office.tokens.pkcs11_vault import Pkcs11Vault, padded
from prewatt.office.tokens.sealed import SealedVault, Secret, is_test_key, new_seal, passphrase
from prewatt.office.tokens.vault import Holder, KeyChangeOrder, KeyName, KeyVault, TokenOrder
from tests.office.tokens.scene import (
    DES_VALUE,
    NEW_VALUE,
    NOON,
    OLD_VALUE,
    SECRET,
    Scene,
    credit,
    pan,
    scene,
    vault,
    vending_key,
)
from tests.system import need, need_file

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "1234"
HOLDER = Holder(meter_pan=pan(1), ti="01", ea=Ea.STA)
NAME = KeyName(
    sgc="600123", krn=1, kt=KeyType.DUTK, ken=255, dkga=Dkga.HMAC, base_date=BaseDate.Y2014, provider="sealed"
)


def put_in(opened: SealedVault, value: bytes = OLD_VALUE, name: KeyName = NAME) -> KeyName:
    return replace(name, sealed=opened.seal(name, value))


def order(key: KeyName, tid: int = 6_000_000) -> TokenOrder:
    token = UnitsCredit(kind=CreditKind.ELECTRICITY, tid=tid, rnd=5, amount_tenths=100)
    return TokenOrder(message_id="m1", key=key, holder=HOLDER, token=token)


def change(key: KeyName, new_key: KeyName, serial: int = 1) -> KeyChangeOrder:
    return KeyChangeOrder(
        message_id=f"c{serial}", key=key, holder=replace(HOLDER, meter_pan=pan(serial)), new_key=new_key, new_ti="02",
        rollover=False, three_tokens=False,
    )  # fmt: skip


def test_the_same_secret_opens_and_another_does_not() -> None:
    for secret in (SECRET, passphrase("correct horse battery")):
        seal = new_seal(secret)
        first, second = (SealedVault(seal, secret, production=False) for _ in range(2))
        assert first.issue(order(put_in(second))) == second.issue(order(put_in(first)))
        for wrong in (Secret(kind=secret.kind, value=b"x" * 32), Secret(kind="other", value=secret.value)):
            with pytest.raises(Refused, match="vault_secret_wrong"):
                SealedVault(seal, wrong, production=False)


def test_a_key_moved_under_other_names_does_not_open() -> None:
    opened = vault()
    kept = put_in(opened)
    touched = kept.sealed[:-1] + bytes([kept.sealed[-1] ^ 1])
    for other in (replace(kept, krn=2), replace(kept, ken=85), replace(kept, sealed=touched)):
        with pytest.raises(Refused, match="vault_key_damaged"):
            opened.issue(order(other))


def test_a_software_vault_opens_in_production_by_an_explicit_setting_alone() -> None:
    with pytest.raises(Refused, match="vault_software_in_production"):
        SealedVault(new_seal(SECRET), SECRET, production=True)
    SealedVault(new_seal(SECRET), SECRET, production=True, allowed_in_production=True)


@pytest.mark.parametrize(
    "value",
    [
        "ab" * 20, "ab" * 10 + "94" * 6 + "01234567", "00" * 20, bytes(range(20)).hex(),
        "0123456789abcdef0123456789abcdef01234567",
        "abababababababab", "0101010101010101", "f0e0d0c0b0a09080", "abcdabcdabcdabcd",
    ],
)  # fmt: skip
def test_public_test_keys_are_refused_in_production(value: str) -> None:
    key = bytes.fromhex(value)
    name = NAME if len(key) == 20 else replace(NAME, dkga=Dkga.DES)
    assert is_test_key(key)
    kept = put_in(vault(), key, name)
    with pytest.raises(Refused, match="vault_test_key"):
        put_in(vault(production=True), key, name)
    same_seal = new_seal(SECRET)
    kept = put_in(SealedVault(same_seal, SECRET, production=False), key, name)
    with pytest.raises(Refused, match="vault_test_key"):  # sealed in a demo, opened in production
        SealedVault(same_seal, SECRET, production=True, allowed_in_production=True).issue(order(kept))


def test_random_keys_are_no_test_keys() -> None:
    assert not [value for value in (OLD_VALUE, NEW_VALUE, DES_VALUE) if is_test_key(value)]
    assert sum(is_test_key(os.urandom(20)) for _ in range(2000)) <= 1


@pytest.mark.django_db
def test_a_key_shows_nowhere_but_sealed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    play = scene()
    play.made(credit())
    name = keys.name_of(play.old)
    shown = [repr(play.vault), repr(name), repr(vars(play.old)), repr(SECRET), caplog.text, name.bound().decode()]
    with pytest.raises(Refused) as refused:
        play.vault.issue(order(replace(name, krn=5)))
    shown += [repr(refused.value), str(refused.value), repr(refused.value.params)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for [table] in cursor.fetchall():
            cursor.execute(f'SELECT string_agg(t::text, chr(10)) FROM "{table}" t')
            shown.append(str(cursor.fetchone()))
    text = "\n".join(shown)
    for value in (OLD_VALUE, NEW_VALUE, SECRET.value):
        assert value.hex() not in text.lower() and repr(value)[2:-1] not in text
    with pytest.raises(TypeError):
        pickle.dumps(play.vault)


def test_check_values_tell_keys_apart_by_three_bytes() -> None:
    opened, des = vault(), replace(NAME, dkga=Dkga.DES)
    values = {opened.check_value(put_in(opened, *each)) for each in ((OLD_VALUE,), (NEW_VALUE,), (DES_VALUE, des))}
    assert len(values) == 3 and all(len(bytes.fromhex(each)) == 3 for each in values)


def test_a_refused_meter_does_not_stop_the_others_of_a_batch() -> None:
    opened = vault()
    old, new = put_in(opened), put_in(opened, NEW_VALUE, replace(NAME, krn=2))
    wrong = replace(change(old, new, 2), holder=replace(HOLDER, meter_pan="600727000000000008"))
    orders = [change(old, new), wrong, change(old, new, 3), change(new, old, 4)]
    first, second, third, fourth = opened.issue_sets(orders)

    assert isinstance(second, Refused) and second.code == "meter_pan_check_digit"
    assert (first, third, fourth) == tuple(opened.issue(orders[at]) for at in (0, 2, 3))


def test_files_of_secrets_are_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    for content, mode, code in (
        (bytes(32), 0o644, "vault_secret_weak"), (bytes(31), 0o600, "vault_secret_weak"),
        (None, 0, "vault_secret_missing"),
    ):  # fmt: skip
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
            path.chmod(mode)
        with pytest.raises(Refused, match=code):
            sealed.key_file(path)
    path.write_text("too short\n")
    path.chmod(0o600)
    with pytest.raises(Refused, match="vault_secret_weak"):
        sealed.passphrase_file(path)
    path.write_text("a passphrase of some length\nand a comment\n")
    assert sealed.passphrase_file(path).value == b"a passphrase of some length"


@pytest.mark.django_db
def test_the_vault_of_the_settings_is_sealed_once_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    path.write_bytes(os.urandom(32))
    path.chmod(0o600)
    with pytest.raises(Refused, match="vault_software_in_production"):
        rack.open_software(rack.VaultSettings(key_file=path), at=NOON)
    assert not VaultSeal.objects.exists() and rack.open_software(rack.CLOSED, at=NOON) is None
    settings = rack.VaultSettings(key_file=path, production=False)
    first, second = (rack.open_software(settings, at=NOON) for _ in range(2))
    assert first is not None and second is not None
    assert second.issue(order(put_in(first))) and VaultSeal.objects.count() == 1
    path.write_bytes(os.urandom(32))
    with pytest.raises(Refused, match="vault_secret_wrong"):
        rack.open_software(settings, at=NOON)


@pytest.mark.django_db
def test_a_key_is_taken_in_once_and_by_administrators_alone() -> None:
    play = scene()
    with pytest.raises(Refused, match="vending_key_exists"):
        keys.seal_in(play.vault, vending_key(), company_id=None, actor=play.eva, at=NOON)
    with pytest.raises(Refused, match="not_permitted"):
        keys.seal_in(play.vault, vending_key(krn=3), company_id=None, actor=play.bob, at=NOON)
    foreign = keys.seal_in(
        play.vault, vending_key(DES_VALUE), company_id=play.cast.company.pk, actor=play.eva, at=NOON
    )
    assert (StoredKey.objects.count(), len(foreign.check_value)) == (3, 6)


def let_go() -> None:
    """The library reads its directory when it is loaded: who brings another one must unload it first."""
    import_module("pkcs11").unload(str(SOFTHSM))


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pkcs11Vault]:
    """SoftHSM2 with one token that holds two DKGA04 keys which cannot be taken out."""
    program, place = need("softhsm2-util"), tmp_path_factory.mktemp("softhsm")
    need_file(SOFTHSM, install="softhsm2")
    (place / "tokens").mkdir()
    (place / "softhsm2.conf").write_text(f"directories.tokendir = {place / 'tokens'}\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(place / "softhsm2.conf")
    try:
        subprocess.run(
            [str(program), "--init-token", "--free", "--label", "prewatt", "--pin", PIN, "--so-pin", "5678"],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        p11 = import_module("pkcs11")
        let_go()
        with p11.lib(str(SOFTHSM)).get_token(token_label="prewatt").open(rw=True, user_pin=PIN) as session:
            for label, value in (("vk-1", OLD_VALUE), ("vk-2", NEW_VALUE)):
                session.create_object(
                    {
                        p11.Attribute.CLASS: p11.ObjectClass.SECRET_KEY,
                        p11.Attribute.KEY_TYPE: p11.KeyType.GENERIC_SECRET,
                        p11.Attribute.TOKEN: True, p11.Attribute.LABEL: label, p11.Attribute.VALUE: padded(value),
                        p11.Attribute.SIGN: True, p11.Attribute.SENSITIVE: True, p11.Attribute.EXTRACTABLE: False,
                    }
                )  # fmt: skip
        yield Pkcs11Vault(library=SOFTHSM, token_label="prewatt", pin=PIN)
    finally:
        let_go()
        del os.environ["SOFTHSM2_CONF"]


def test_a_device_gives_the_digits_of_the_software_vault(device: Pkcs11Vault) -> None:
    opened: KeyVault = vault()
    assert isinstance(opened, SealedVault)
    old, new = put_in(opened), put_in(opened, NEW_VALUE, replace(NAME, krn=2))
    there, newer = (replace(name, provider="pkcs11", label=f"vk-{name.krn}", sealed=b"") for name in (old, new))

    for ea in Ea:
        holder = replace(HOLDER, ea=ea)
        assert device.issue(replace(order(there), holder=holder)) == opened.issue(replace(order(old), holder=holder))
        assert device.issue(replace(change(there, newer), holder=holder)) == opened.issue(
            replace(change(old, new), holder=holder)
        )
    assert list(device.issue_sets([change(there, newer), change(there, newer, 2)])) == list(
        opened.issue_sets([change(old, new), change(old, new, 2)])
    )
    assert device.check_value(there) == opened.check_value(old)


def test_what_a_device_cannot_do_is_said(device: Pkcs11Vault) -> None:
    there = replace(NAME, provider="pkcs11", label="vk-9")
    des = replace(there, dkga=Dkga.DES)
    for key, code in ((there, "device_key_missing"), (des, "vault_cannot"), (NAME, "vault_key_elsewhere")):
        with pytest.raises(Refused, match=code):
            device.issue(order(key))


def test_a_device_that_is_not_there_can_be_asked_again_later(tmp_path: Path) -> None:
    gone = Pkcs11Vault(library=tmp_path / "none.so", token_label="prewatt", pin=PIN)
    with pytest.raises(Refused, match="vault_unavailable") as refused:
        gone.issue(order(replace(NAME, provider="pkcs11", label="vk-1")))
    assert refused.value.retry and PIN not in repr(gone)


@pytest.mark.django_db
def test_a_key_of_a_device_vends_like_any_other(device: Pkcs11Vault) -> None:
    play: Scene = scene()
    StoredKey.objects.filter(pk=play.old.pk).update(ended_at=NOON)
    keys.point_at(
        device, replace(NAME, provider="pkcs11", label="vk-1"), company_id=None, actor=play.eva, at=NOON
    )
    together = replace(play, rack=rack.Rack(vaults={"sealed": play.vault, "pkcs11": device}))
    [digits] = together.made(credit())
    opened = play.vault.decoder_key(keys.name_of(play.old), HOLDER)
    assert decode(digits, opened).subclass == 0
