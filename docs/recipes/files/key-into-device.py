"""A DKGA04 vending key into a PKCS#11 device, where it can be used and never read: LABEL FILE.

FILE holds the forty hex digits and is readable by its owner alone. Library, token and PIN file come from the settings that
Prewatt reads: PREWATT_PKCS11_LIBRARY, PREWATT_PKCS11_TOKEN, PREWATT_PKCS11_PIN_FILE. Remove FILE afterwards (shred -u).
"""

import os
import sys
from pathlib import Path

import pkcs11
from pkcs11 import Attribute

label, source = sys.argv[1], Path(sys.argv[2])
if source.stat().st_mode & 0o077:
    sys.exit(f"others can read {source}: chmod 600")
digits = "".join(source.read_text(encoding="ascii").split())
if len(digits) != 40:
    sys.exit("forty hex digits are needed")
value = bytes.fromhex(digits).ljust(32, b"\0")  # devices refuse shorter HMAC keys; zeros at the end change nothing
pin = Path(os.environ["PREWATT_PKCS11_PIN_FILE"]).read_text(encoding="utf-8").splitlines()[0].strip()
token = pkcs11.lib(os.environ["PREWATT_PKCS11_LIBRARY"]).get_token(token_label=os.environ["PREWATT_PKCS11_TOKEN"])
with token.open(rw=True, user_pin=pin) as session:
    if list(session.get_objects({Attribute.LABEL: label})):
        sys.exit(f"the device holds a key {label} already")
    session.create_object(
        {
            Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: pkcs11.KeyType.GENERIC_SECRET,
            Attribute.TOKEN: True, Attribute.LABEL: label, Attribute.VALUE: value, Attribute.SIGN: True,
            Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False,
        }
    )  # fmt: skip
sys.stdout.write(f"{label}: in the device\n")
