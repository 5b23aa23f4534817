"""Where those are answered who call us: meters and serial servers that dial in (拨入).

The first bytes say who calls: a frame of an Acrel 4G meter, of a DL/T 645 meter or of an Acrel gateway, or the
registration text of a serial server. The office is asked, many at once, and says which gateway that is. A stranger is
written down there and hears nothing from us until a person has decided. A known caller waits for the line that its
gateway's lease opens; a new connection of the same caller replaces the old one, which is half open more often than not.

Meters and serial servers are not believed beyond their names: their protocols have no secret. What such a caller could
do is answer for a meter, as whoever sits on the bus can; money is believed only by its witness. A gateway proves that
it knows its secret, and until it has done so it replaces nobody, holds no lease and counts as one who gave no name.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from prewatt.core.meters.mailbox import Call, Known, LinePlan
from prewatt.field.headend.caller import Caller
from prewatt.field.headend.limits import (
    ASK_ROWS,
    ASK_STRANGER_AGAIN_S,
    CALL_BACKLOG,
    IDLE_HEARTBEATS,
    IDLE_LEAST_S,
    KNOWN_AGAIN_S,
    LISTEN_AGAIN_S,
    MAX_CALLS,
    MAX_CALLS_PER_ADDRESS,
    MAX_STRANGERS,
    MAX_STRANGERS_PER_ADDRESS,
    MAX_UNNAMED,
    MAX_UNNAMED_PER_ADDRESS,
    NAME_WITHIN_S,
    SAY_STRANGERS_S,
    STRANGER_STAYS_S,
    SWEEP_S,
)
from prewatt.field.headend.tls_call import TlsCall, TlsPort
from prewatt.field.headend.transports import Link, LinkError, Listener, Transport

log = logging.getLogger("prewatt.headend")

DIAL_IN = "dial-in"
GATEWAY_PORT = "acrel-gateway"  # a port of a gateway that dials in
LINK_MS = 4000  # what a mobile network adds to a reply; within `DRAIN_MAX_S`, so a late one is still drained


class Switchboard:
    """Listens on `host:port` (0: any free one; None: not without TLS) for a head-end, and on the port of `tls`.
    `clock` is wall time, for meters that ask for it."""

    def __init__(
        self, host: str, port: int | None, *, clock: Callable[[], datetime], status_s: float = 60.0,
        tls: TlsPort | None = None,
    ) -> None:  # fmt: skip
        self.host, self.port, self.tls_port = host, port or 0, 0 if tls is None else tls.port
        self._plain, self._tls = port is not None, tls
        self.wall = clock
        self.turned_away = 0  # connections that came on top of a limit
        self._idle_s = max(IDLE_LEAST_S, IDLE_HEARTBEATS * status_s)
        self._wake: Callable[[], None] = lambda: None
        self._gained: Callable[[], None] = lambda: None
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None
        self._all: set[Caller] = set()
        self._unnamed: dict[Caller, None] = {}  # in the order of their calls
        self._named: dict[str, Caller] = {}  # by identity
        self._to_ask: dict[str, list[Caller]] = {}  # several may say one name, where it must be proved
        self._not_proved: dict[str, Call] = {}  # the last of each name, until the office has heard of it
        self._strangers: set[Caller] = set()
        self._say_strangers_at = self._say_no_tls_at = 0.0
        self._addresses: Counter[str] = Counter()
        self._unnamed_of: Counter[str] = Counter()
        self._strangers_of: Counter[str] = Counter()

    @property
    def transports(self) -> Mapping[str, Transport]:
        """The entries for the registry of transports."""
        called = Transport(opener=self.open_line, framing="rtu", link_ms=LINK_MS, sole=True)
        return {DIAL_IN: called, GATEWAY_PORT: called}

    # --- what the head-end calls -------------------------------------------------------------------------------------

    async def open(self, wake: Callable[[], None], gained: Callable[[], None] = lambda: None) -> None:
        """Listen; `wake` is called when there is somebody to ask about, `gained` when a gateway's connection is here
        without being asked about any more. Raises OSError."""
        self._wake, self._gained = wake, gained
        try:
            if self._plain:
                self.port = await self._listen(self.port, lambda: Caller(self))
            if self._tls is not None:
                context = self._tls.context
                self.tls_port = await self._listen(self.tls_port, lambda: TlsCall(Caller(self), context, self))
        except OSError:
            self._close_servers()
            raise
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    async def _listen(self, port: int, made: Callable[[], asyncio.Protocol]) -> int:
        server = await asyncio.get_running_loop().create_server(
            made, self.host, port, backlog=CALL_BACKLOG, reuse_address=True
        )
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def stay_open(self, wake: Callable[[], None], gained: Callable[[], None]) -> None:
        """As `open`, again and again while the port is another's: the other lines do not wait for it."""
        said = False
        while True:
            try:
                return await self.open(wake, gained)
            except OSError as fault:
                if not said:
                    log.error(
                        "dial_in_not_listening port=%d tls_port=%d error=%s", self.port, self.tls_port,
                        fault.strerror or fault,
                    )  # fmt: skip
                said = True
                await asyncio.sleep(LISTEN_AGAIN_S)

    def close(self) -> None:
        """No caller and no socket is left."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._close_servers()
        for caller in list(self._all):
            caller.hang_up()

    @property
    def held(self) -> list[int]:
        """The gateways whose connection is here."""
        return [each.gateway_id for each in self._named.values() if each.gateway_id is not None]

    @property
    def broker_fault(self) -> str:
        return ""

    @property
    def waiting(self) -> bool:
        """Is there somebody to ask the office about?"""
        return bool(self._to_ask or self._not_proved)

    def to_ask(self) -> list[Call]:
        """Whom to ask about now; `answered` must follow."""
        told = {identity: callers[-1].call() for identity, callers in self._to_ask.items()}
        return list({**told, **self._not_proved}.values())[:ASK_ROWS]

    def answered(self, known: Sequence[Known]) -> bool:
        """What the office said; True when a gateway's connection is here that was not."""
        gained = False
        now = asyncio.get_running_loop().time()
        for each in known:
            self._not_proved.pop(each.identity, None)
            for caller in self._to_ask.pop(each.identity, []):
                caller.fresh = False
                if each.refused:
                    caller.hang_up()
                elif each.gateway_id is None:
                    self._keep_stranger(caller, now)
                else:
                    gained |= self._known(caller, each, now)
        return gained

    def _known(self, caller: Caller, who: Known, now: float) -> bool:
        before = caller.gateway_id
        self._no_stranger(caller)
        caller.ask_at = now + KNOWN_AGAIN_S
        if caller.must_prove:
            caller.until = now + NAME_WITHIN_S
        caller.accept(who)
        return caller.gateway_id is not None and caller.gateway_id != before

    def _keep_stranger(self, caller: Caller, now: float) -> None:
        caller.disown()
        self._was_unnamed(caller)
        caller.ask_at = now + ASK_STRANGER_AGAIN_S
        if caller in self._strangers:
            return
        of_peer = self._strangers_of[caller.peer]
        if len(self._strangers) >= MAX_STRANGERS or of_peer >= MAX_STRANGERS_PER_ADDRESS:
            self.turned_away += 1
            caller.hang_up()
            return
        caller.until = now + STRANGER_STAYS_S
        self._strangers.add(caller)
        self._strangers_of[caller.peer] += 1
        if now >= self._say_strangers_at:
            self._say_strangers_at = now + SAY_STRANGERS_S
            log.warning("caller_unknown kind=%s peer=%s waiting=%d", caller.kind, caller.peer, len(self._strangers))

    async def open_line(self, plan: LinePlan, listener: Listener) -> Link:
        """The opener of the transport: the connection that is here, or LinkError `not_called`."""
        caller = self._named.get(plan.identity)
        if caller is None or caller.gateway_id is None:
            raise LinkError("not_called")
        return caller.serve(plan, listener)

    # --- what callers call -------------------------------------------------------------------------------------------

    def rang(self, caller: Caller) -> bool:
        """Somebody connected; False: one too many, and he is gone again."""
        peer = caller.peer
        if (
            len(self._all) >= MAX_CALLS
            or self._addresses[peer] >= MAX_CALLS_PER_ADDRESS
            or self._unnamed_of[peer] >= MAX_UNNAMED_PER_ADDRESS
        ):
            self.turned_away += 1
            return False
        if len(self._unnamed) >= MAX_UNNAMED:
            # who means it says his name at once: those who hold a place in silence make room
            self.turned_away += 1
            next(iter(self._unnamed)).hang_up()
        caller.until = asyncio.get_running_loop().time() + NAME_WITHIN_S
        self._all.add(caller)
        self._unnamed[caller] = None
        self._addresses[peer] += 1
        self._unnamed_of[peer] += 1
        return True

    def named(self, caller: Caller) -> None:
        """He said who he is."""
        if not caller.must_prove:
            self._in_place(caller)
        self._ask_about(caller)
        self._wake()

    def proved(self, caller: Caller) -> None:
        """And he has shown it: the gateway is asked for at the next heartbeat, which is soon."""
        self._in_place(caller)
        self._gained()

    def not_proved(self, caller: Caller) -> None:
        """Somebody says a name whose secret he does not know: said in the log and to the office, however often he
        tries."""
        self._not_proved[caller.identity] = replace(caller.call(), proved=False)
        now = asyncio.get_running_loop().time()
        if now >= self._say_strangers_at:
            self._say_strangers_at = now + SAY_STRANGERS_S
            log.warning("caller_not_proved identity=%s peer=%s", caller.identity, caller.peer)

    def no_tls(self, peer: str, why: str) -> None:
        """Somebody could not agree with us on TLS."""
        now = asyncio.get_running_loop().time()
        if now >= self._say_no_tls_at:
            self._say_no_tls_at = now + SAY_STRANGERS_S
            log.warning("caller_tls_failed peer=%s error=%s", peer, why)

    def _in_place(self, caller: Caller) -> None:
        """The name is his from now on."""
        self._was_unnamed(caller)
        caller.until = None
        older = self._named.get(caller.identity)
        self._named[caller.identity] = caller
        if older is not None and older is not caller:
            log.info("caller_replaced gateway=%s peer=%s by=%s", older.gateway_id, older.peer, caller.peer)
            older.hang_up("replaced")

    def _ask_about(self, caller: Caller) -> None:
        waiting = self._to_ask.setdefault(caller.identity, [])
        if caller not in waiting:
            waiting.append(caller)

    def gone(self, caller: Caller) -> None:
        """His connection is no more."""
        if caller not in self._all:
            return
        self._all.discard(caller)
        self._count_down(self._addresses, caller.peer)
        self._was_unnamed(caller)
        self._no_stranger(caller)
        if self._named.get(caller.identity) is caller:
            del self._named[caller.identity]
        waiting = self._to_ask.get(caller.identity, [])
        if caller in waiting:
            waiting.remove(caller)
            if not waiting:
                del self._to_ask[caller.identity]

    def _was_unnamed(self, caller: Caller) -> None:
        if caller in self._unnamed:
            del self._unnamed[caller]
            self._count_down(self._unnamed_of, caller.peer)

    def _no_stranger(self, caller: Caller) -> None:
        if caller in self._strangers:
            self._strangers.discard(caller)
            self._count_down(self._strangers_of, caller.peer)

    @staticmethod
    def _count_down(counts: Counter[str], peer: str) -> None:
        counts[peer] -= 1
        if counts[peer] <= 0:
            del counts[peer]

    # --- time --------------------------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        """One look at everybody instead of a timer for each of ten thousand."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep(asyncio.get_running_loop().time())

    def sweep(self, now: float) -> None:
        """Drop who says nothing, and ask again about who was asked about long ago."""
        for caller in list(self._all):
            if (caller.until is not None and now >= caller.until) or now - caller.heard_at >= self._idle_s:
                caller.hang_up("idle")
            elif caller.identity and now >= caller.ask_at:
                self._ask_about(caller)
        if self._to_ask:
            self._wake()
