"""A certificate for a simulated box that has none of its own: it signed itself, and is its own authority.

It is made once and kept with the meters' memory, so that whoever trusts it goes on doing so.
"""

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

LASTS: Final = timedelta(days=3_650)


def own_certificate(directory: Path, line_id: str, host: str, *, now_ms: int) -> Path:
    """PEM with its key for `host`, for its owner's eyes. Raises OSError."""
    path = directory / f"line-{line_id}.pem"
    if path.exists():
        return path
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"simulated line {line_id}")])
    now = datetime.fromtimestamp(now_ms // 1_000, UTC)
    named: list[x509.GeneralName] = [x509.DNSName("localhost")]
    try:
        named.append(x509.IPAddress(ipaddress.ip_address(host)))
    except ValueError:
        named.append(x509.DNSName(host))
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LASTS)
        .add_extension(x509.SubjectAlternativeName(named), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret + made.public_bytes(serialization.Encoding.PEM))
    return path
