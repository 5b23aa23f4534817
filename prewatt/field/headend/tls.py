"""TLS to gateways that can: a serial server's TLS port, or Modbus/TCP Security. We are the client.

The gateway's certificate is checked against our own authority's file, or the system's, and against its host; a gateway
that cannot show one is refused, and the line says why.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prewatt.core.meters.mailbox import LinePlan
from prewatt.field.headend.limits import CONNECT_TIMEOUT_S
from prewatt.field.headend.serial_port import PARITIES, SERIAL_MS, open_serial
from prewatt.field.headend.transports import TRANSPORTS, Link, LinkError, Listener, Opener, TcpLink, Transport
from prewatt.field.headend.udp import open_udp

_OTHER_NAME: Final = frozenset({62, 63, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, EMAIL, IP_ADDRESS
_OUT_OF_DATE: Final = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, HAS_EXPIRED


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Whom we believe. `ca_file`: PEM of our own authority, "" the system's; `own_file`: PEM with our certificate and
    its key, for gateways that ask for one; `verify` False: ciphered, but with whom nobody knows."""

    ca_file: str = ""
    own_file: str = ""
    verify: bool = True


def context_of(trust: Trust) -> ssl.SSLContext:
    """Raises OSError (ssl.SSLError is one) where a file cannot be read or is no PEM."""
    context = ssl.create_default_context(cafile=trust.ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if trust.own_file:
        context.load_cert_chain(trust.own_file)
    if not trust.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def tls_opener(context: ssl.SSLContext) -> Opener:
    async def open_tls(plan: LinePlan, listener: Listener) -> Link:
        """Connect and agree on a key within `CONNECT_TIMEOUT_S`; raises `LinkError`."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, link = await loop.create_connection(
                    lambda: TcpLink(listener), plan.host, plan.port, ssl=context, server_hostname=plan.host
                )
        except OSError as fault:
            raise LinkError(why_not(fault)) from None
        return link

    return open_tls


def why_not(fault: OSError) -> str:
    """The stable code of a connection with TLS that did not come about."""
    match fault:
        case TimeoutError():
            return "connect_timeout"
        case ConnectionRefusedError():
            return "connect_refused"
        case ssl.SSLCertVerificationError() if fault.verify_code in _OTHER_NAME:
            return "tls_other_name"
        case ssl.SSLCertVerificationError():
            return "tls_out_of_date" if fault.verify_code in _OUT_OF_DATE else "tls_not_trusted"
        case ssl.SSLError() | ConnectionResetError():
            return "tls_failed"
    return "connect_failed"


def transports_of(trust: Trust) -> Mapping[str, Transport]:
    """All transports that we open ourselves. Raises OSError as `context_of`."""
    opener = tls_opener(context_of(trust))
    serial = Transport(opener=open_serial, framing="rtu", link_ms=SERIAL_MS)
    return {
        **TRANSPORTS,
        "rtu-over-udp": Transport(opener=open_udp, framing="rtu"),
        **dict.fromkeys(PARITIES, serial),
        "rtu-over-tls": Transport(opener=opener, framing="rtu"),
        "modbus-tls": Transport(opener=opener, framing="tcp"),
    }
