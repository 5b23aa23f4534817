"""A serial server with Acrel meters behind it that hold nothing of ours: pymodbus, the public map, a load that moves.

Source of the map: DDSY1352/DTSY1352 operation manual T1.0 (2021-06-25), page 15.
"""

import asyncio
import threading
import time
from dataclasses import dataclass, field

from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

REGISTERS = 0x62  # 0000h to 0061h: no register above is known of a DDSY1352's supply
ENERGY, POWER, NUMBER, FORCE, STATE = 0x0000, 0x000D, 0x0043, 0x0057, 0x0058
WRITES = (6, 16)
START_S = 10.0


@dataclass(kw_only=True)
class ForeignMeter:
    """One meter: energy in 0.01 kWh from watts and time, as long as its own relay lets current through."""

    unit: int
    number: str = "0"
    load_w: int = 0
    energy_wh: float = 0.0
    force: int = 0
    state: int = 0
    writes: list[tuple[int, list[int]]] = field(default_factory=list)
    turns: list[tuple[float, bool, float]] = field(default_factory=list)  # of the relay: when, closed, at which energy
    _at: float = field(default_factory=time.monotonic)

    @property
    def closed(self) -> bool:
        """Its own purse is empty, so that without force control it has no supply."""
        return self.force == 1 and self.state == 0

    def turn(self) -> None:
        """The disc turns up to now."""
        now = time.monotonic()
        if self.closed:
            self.energy_wh += self.load_w * (now - self._at) / 3600
        self._at = now

    def words(self) -> list[int]:
        self.turn()
        found = [0] * REGISTERS
        counted = int(self.energy_wh / 10)
        found[ENERGY : ENERGY + 2] = [counted >> 16 & 0xFFFF, counted & 0xFFFF]
        found[0x000A] = self.unit << 8 | 3
        found[0x000B], found[POWER] = 2203, min(self.load_w, 32_767) if self.closed else 0
        digits = self.number.zfill(12)[-12:]
        found[NUMBER : NUMBER + 3] = [int(digits[at : at + 4], 16) for at in (0, 4, 8)]
        found[FORCE], found[STATE] = self.force, self.state
        return found

    async def answer(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> None:
        """pymodbus asks before it answers: fill in what stands now, take over what was written."""
        if function in WRITES and values is not None:
            self.turn()
            self.writes.append((address, [int(each) for each in values]))
            for place, value in enumerate(values):
                if address + place == FORCE:
                    self.force = int(value)
                if address + place == STATE:
                    self.state = int(value)
            self.turns.append((time.monotonic(), self.closed, self.energy_wh))
        now = self.words()
        for place in range(len(registers)):
            if start + place < len(now):
                registers[place] = now[start + place]


class ForeignLine:
    """The serial server: one port, RTU over TCP or Modbus TCP; may be unplugged and plugged in again."""

    def __init__(self, *meters: ForeignMeter, port: int, framer: FramerType = FramerType.RTU) -> None:
        self.meters = meters
        self.port = port
        self.framer = framer
        self._loop = asyncio.new_event_loop()
        self._server: ModbusTcpServer | None = None
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def plug(self) -> "ForeignLine":
        """Listen. An unknown unit is answered by nobody, as on a real bus."""

        async def start() -> None:
            devices = [
                SimDevice(
                    id=meter.unit, simdata=[SimData(0, values=[0] * REGISTERS, datatype=DataType.REGISTERS)],
                    action=meter.answer,
                )
                for meter in self.meters
            ]  # fmt: skip
            self._server = ModbusTcpServer(
                devices, framer=self.framer, address=("127.0.0.1", self.port), ignore_missing_devices=True
            )
            await self._server.serve_forever(background=True)

        asyncio.run_coroutine_threadsafe(start(), self._loop).result(START_S)
        return self

    def unplug(self) -> None:
        """Cut the line: every connection is closed and no new one is taken."""

        async def stop() -> None:
            if self._server is not None:
                await self._server.shutdown()  # type: ignore[no-untyped-call]
                self._server = None

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(START_S)

    def end(self) -> None:
        self.unplug()
        self._loop.call_soon_threadsafe(self._loop.stop)
