"""One who calls over TLS: between the connection and its `Caller`, which sees plain bytes and a usual transport.

Done here and not by the event loop, for three reasons: a connection counts from its first moment, so that whoever never
ends the handshake is one who gave no name; what was written is in the socket or nowhere, so that `Caller` judges
honestly what his end has taken; and ten thousand links need no read buffer each.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from prewatt.field.headend.caller import Caller
from prewatt.field.headend.limits import MAX_HANDSHAKE_BYTES, MAX_UNTAKEN_BYTES, TLS_READ_BYTES


@dataclass(frozen=True, kw_only=True)
class TlsPort:
    """Where callers with TLS are heard: the port (0: any free one), and who we are."""

    port: int
    context: ssl.SSLContext = field(repr=False)


def listening_context(own_file: str, client_ca_file: str = "") -> ssl.SSLContext:
    """Who we are to those that call: PEM with certificate and key; with `client_ca_file` (PEM) only who shows a
    certificate of that authority is let in. Raises OSError (ssl.SSLError is one)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(own_file, password="")  # a locked key is refused; nobody sits there to be asked
    if client_ca_file:
        context.load_verify_locations(cafile=client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class Desk(Protocol):
    """Who hears of handshakes that failed."""

    def no_tls(self, peer: str, why: str) -> None: ...


class TlsCall(asyncio.Protocol, asyncio.Transport):
    """A protocol to the socket, a transport to its caller."""

    def __init__(self, caller: Caller, context: ssl.SSLContext, desk: Desk) -> None:
        super().__init__()
        self._caller, self._desk = caller, desk
        self._context = context
        self._raw: asyncio.Transport | None = None
        self._coming, self._going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None  # once the first bytes are here
        self._agreed = False
        self._heard_bytes = 0  # of the handshake

    # --- from the socket ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast(asyncio.Transport, transport)
        self._caller.connection_made(self)

    def data_received(self, data: bytes) -> None:
        if self._raw is None:
            return
        if self._tls is None:
            self._tls = self._context.wrap_bio(self._coming, self._going, server_side=True)
        self._coming.write(data)
        try:
            if not self._agreed:
                self._agree(self._tls, len(data))
            self._read(self._tls)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLZeroReturnError:
            self._caller.hang_up()
        except ssl.SSLError as fault:
            self._refuse(fault)

    def connection_lost(self, exc: Exception | None) -> None:
        self._raw = None
        self._caller.connection_lost(exc)

    def _agree(self, tls: ssl.SSLObject, size: int) -> None:
        self._heard_bytes += size
        if self._heard_bytes > MAX_HANDSHAKE_BYTES:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "handshake too long")
        tls.do_handshake()
        self._agreed = True
        self._flush()

    def _read(self, tls: ssl.SSLObject) -> None:
        """Until nothing more is here, which the SSLWantReadError says."""
        while self._raw is not None:
            plain = tls.read(TLS_READ_BYTES)
            if not plain:
                raise ssl.SSLZeroReturnError
            self._caller.data_received(plain)

    def _refuse(self, fault: ssl.SSLError) -> None:
        """He hears why, as far as TLS says it."""
        if not self._agreed:
            self._desk.no_tls(self._caller.peer, fault.reason or str(fault.args[-1]))
        self._flush()
        raw, self._raw = self._raw, None
        self._caller.hang_up("tls_failed")
        if raw is not None:
            raw.close()

    def _flush(self) -> None:
        if self._raw is not None and self._going.pending:
            self._raw.write(self._going.read())
            if self._raw.get_write_buffer_size() > MAX_UNTAKEN_BYTES:
                self._caller.hang_up()

    # --- to the socket: what `Caller` needs of a transport -----------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sealed and given to the socket at once: no byte waits here."""
        if self._raw is None or self._tls is None or not self._agreed:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError:
            self._caller.hang_up("tls_failed")
            return
        self._flush()

    def get_write_buffer_size(self) -> int:
        return self._going.pending + (0 if self._raw is None else self._raw.get_write_buffer_size())

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default if self._raw is None else self._raw.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._raw is None or self._raw.is_closing()

    def close(self) -> None:
        """What was written goes out first, and the goodbye of TLS behind it."""
        raw = self._raw
        if raw is None:
            return
        if self._tls is not None and self._agreed:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass  # his goodbye is not waited for
            self._flush()
        self._raw = None
        raw.close()

    def abort(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.abort()
