"""Representative meters on a bus in memory, written apart from the simulator: registers as numbers, by hand.

The addresses are those of `pilot-spm9511.toml`, typed again here. A `Wire` puts bus time and faults between.
"""

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from prewatt.core.meters.mailbox import CircuitPlan, LinePlan, MeterPlan

PURCHASE, RETURN, CLEAR = 1, 2, 3


def crc(data: bytes) -> bytes:
    """CRC-16/MODBUS bit by bit, low byte first (Modbus over serial line V1.02, appendix B)."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


@dataclass
class TestMeter:
    """One SPM9511: a purse in 0.01 kWh that applies each order once."""

    __test__ = False

    number: int
    balance: int = 10_000
    count: int = 0
    kind: int = 0
    amount: int = 0
    total: int = 0
    result: int = 0
    relay: int = 1
    forced: tuple[int, int] = (0, 0)
    power_w: int = 500
    energy: int = 123_456
    dead: bool = False
    accepted: list[tuple[int, int, int]] = field(default_factory=list)
    reads: int = 0
    writes: int = 0

    def words(self) -> dict[int, int]:
        blocks: list[tuple[int, bytes]] = [
            (0x0000, bytes.fromhex(f"{self.number:012d}") + struct.pack(">HHHI", 9511, 1, 0, 1_800_000_000)),
            (
                0x0100,
                struct.pack(
                    ">HHHHiHHiiIiHH",
                    0,
                    self.relay,
                    *self.forced,
                    self.balance,
                    self.count,
                    self.kind,
                    self.amount,
                    self.total,
                    0,
                    self.power_w if self.relay else 0,
                    self.result,
                    0,
                ),
            ),
            (0x0200, struct.pack(">IIIIIH", 1000, 500, 0, 0, 0, 0)),
            (0x0300, struct.pack(">IIIIIHHIhH", self.energy, 0, 0, self.energy, 0, 2300, 0, 2174, 1000, 5000)),
            (0x0310, struct.pack(">iI", 0, 500)),
        ]
        return {
            base + index: word
            for base, data in blocks
            for index, word in enumerate(struct.unpack(f">{len(data) // 2}H", data))
        }

    def serve(self, pdu: bytes) -> bytes | None:
        """A reply PDU, None for a meter that says nothing."""
        if self.dead:
            return None
        function, address, count = struct.unpack(">BHH", pdu[:5])
        if function in (3, 4):
            self.reads += 1
            words = self.words()
            if not all(address + index in words for index in range(count)):
                return bytes((function | 0x80, 2))
            data = b"".join(struct.pack(">H", words[address + index]) for index in range(count))
            return bytes((function, len(data))) + data
        if function == 16:
            self.writes += 1
            self._write(address, pdu[6:])
            return pdu[:5]
        return bytes((function | 0x80, 1))

    def _write(self, address: int, data: bytes) -> None:
        if address == 0x0400:
            self._order(*struct.unpack(">HHi", data))
        elif address == 0x0102:
            self.forced = struct.unpack(">HH", data)
            self.relay = 0 if self.forced == (1, 1) else 1

    def _order(self, count: int, kind: int, amount: int) -> None:
        if count == self.count + 1:
            self.balance += {PURCHASE: amount, RETURN: -amount, CLEAR: -self.balance}[kind]
            self.count, self.kind, self.amount, self.total, self.result = count, kind, amount, self.total + amount, 0
            self.accepted.append((count, kind, amount))
        elif (count, kind, amount) == (self.count, self.kind, self.amount):
            self.result = 0
        else:
            self.result = 1


@dataclass
class Faults:
    """Probabilities per request, under a seed."""

    lose_request: float = 0.0
    lose_reply: float = 0.0
    late: float = 0.0
    late_s: float = 0.9
    duplicate: float = 0.0
    corrupt: float = 0.0


@dataclass
class Wire:
    """A serial bus behind a gateway: time by baud rate, one talker, faults."""

    units: dict[int, TestMeter]
    baud: int = 9600
    turnaround_s: float = 0.04
    faults: Faults = field(default_factory=Faults)
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    hook: Callable[[int, bytes], None] | None = None
    now: Callable[[], float] = lambda: 0.0
    requests: list[tuple[float, int, bytes]] = field(default_factory=list)
    collisions: int = 0  # requests sent while a reply was still to come
    busy_until: float = 0.0

    def answer(self, data: bytes) -> list[tuple[float, bytes]]:
        assert data[-2:] == crc(data[:-2]), data.hex()
        unit, pdu = data[0], data[1:-2]
        self.requests.append((self.now(), unit, pdu))
        self.collisions += self.now() < self.busy_until
        if self.hook is not None:
            self.hook(unit, pdu)
        meter, faults = self.units.get(unit), self.faults
        if meter is None or self.chance.random() < faults.lose_request:
            return []
        reply = meter.serve(pdu)
        if reply is None or self.chance.random() < faults.lose_reply:
            return []
        body = bytes((unit,)) + reply
        whole = body + crc(body)
        delay_s = (len(data) + len(whole)) * 11 / self.baud + self.turnaround_s
        if self.chance.random() < faults.corrupt:
            broken = bytearray(whole)
            broken[self.chance.randrange(len(broken))] ^= 1 << self.chance.randrange(8)
            whole = bytes(broken)
        if self.chance.random() < faults.late:
            delay_s += faults.late_s
        replies = [(delay_s, whole)]
        if self.chance.random() < faults.duplicate:
            replies.append((delay_s + len(whole) * 11 / self.baud, whole))
        self.busy_until = self.now() + replies[-1][0]
        return replies


def plan_of(
    line_id: int,
    meters: int,
    *,
    transport: str = "memory",
    baud: int = 9600,
    host: str = "-",
    port: int = 0,
    profile: str = "pilot-spm9511",
) -> LinePlan:
    """A line of `meters` single-circuit meters with units 1, 2, ...; ids are line x 1000 + unit."""
    return LinePlan(
        line_id=line_id,
        site_id=1,
        transport=transport,
        host=host,
        port=port,
        baud=baud,
        meters=tuple(
            MeterPlan(
                meter_id=line_id * 1000 + unit,
                number=f"{line_id * 1000 + unit:012d}",
                profile=profile,
                unit=unit,
                circuits=(CircuitPlan(circuit_id=line_id * 1000 + unit, index=1),),
            )
            for unit in range(1, meters + 1)
        ),
    )


def meters_of(plan: LinePlan) -> dict[int, TestMeter]:
    return {meter.unit: TestMeter(int(meter.number)) for meter in plan.meters}
