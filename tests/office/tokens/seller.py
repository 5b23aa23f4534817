"""Sellers that are killed: a process that forks sellers, kills them at any moment and starts others, until its time
is up.

Run as `python -m tests.office.tokens.seller SECONDS ACKS SEED`. Sellers pick messages at random from a moving window,
so that most are asked again, also by two at once. What a seller was given it appends to ACKS, as a customer would read
it.
"""

import os
import random
import select
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

AT_ONCE: Final = 2
LIFE_S: Final = (0.0, 0.6)  # from before the first request to some dozens of tokens
PATIENCE_S: Final = 120.0  # for the first token: the machine may be busy
WINDOW: Final = 40  # messages that are asked for again and again
PER_METER: Final = 1000  # messages of a meter: below the minutes that its identifiers may run ahead
SLOW_S: Final = 0.002  # at times a seller rests between request and digits, where a crash hurts most


def sell(acks: int, ready: int, seed: int, first: int) -> None:
    """One seller's life."""
    from django.db import transaction

    from prewatt.core.sts import CreditKind
    from prewatt.office.tokens import issuing, requests
    from prewatt.office.tokens.asks import CreditAsk
    from prewatt.office.tokens.models import StsMeter
    from prewatt.office.tokens.rack import Rack
    from tests.office.tokens.scene import sealing

    chance = random.Random(seed)
    rack = Rack(vaults={"sealed": sealing()})
    meters = list(StsMeter.objects.select_related("site").order_by("pk"))
    os.write(ready, b"1")
    while True:
        sts, number = chance.choice(meters), first + chance.randrange(WINDOW)
        if number >= PER_METER:
            number = chance.randrange(PER_METER)
        message, at = f"{sts.pk}:{number}", datetime.now(UTC)
        ask = CreditAsk(kind=CreditKind.ELECTRICITY, amount=1 + number)
        with transaction.atomic():
            asked = requests.ask(requests.prepare(sts, ask, at=at), message_id=message, actor="system")
        if chance.random() < 0.3:
            time.sleep(SLOW_S)
        [digits] = issuing.issue(asked.request_id, rack=rack, at=at)
        os.write(acks, f"{message} {digits}\n".encode())


@dataclass
class Life:
    """A seller: its process, the pipe by which it says that it reached the database, and when it will be killed."""

    process_id: int
    ready: int
    ends_at: float | None = None

    def over(self, chance: random.Random) -> bool:
        ended, status = os.waitpid(self.process_id, os.WNOHANG)
        if ended:
            raise SystemExit(f"a seller ended by itself: {status}")
        if self.ends_at is None and select.select([self.ready], [], [], 0)[0]:
            self.ends_at = time.monotonic() + chance.uniform(*LIFE_S)
        return self.ends_at is not None and time.monotonic() >= self.ends_at


def born(acks: int, seed: int, first: int) -> Life:
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return Life(process_id=child, ready=reading)
    try:
        os.close(reading)
        sell(acks, writing, seed, first)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(7)


def main(seconds: float, path: str, seed: int) -> int:
    """Fork, kill, fork again; how many were killed is the last line of stdout.

    The time is counted from the first token that was given, and a seller's life from when it has reached the database:
    on a busy machine they would all die unborn.
    """
    import django

    django.setup()
    import tests.office.tokens.scene  # noqa: F401  before the forks: a seller's life is short

    chance, kills, lives = random.Random(seed), 0, list[Life]()
    acks = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    began, until = time.monotonic(), None
    while until is None or time.monotonic() < until:
        if until is None and os.fstat(acks).st_size:
            until = time.monotonic() + seconds
        if until is None and time.monotonic() > began + PATIENCE_S:
            raise SystemExit("nobody was given a token")
        while len(lives) < AT_ONCE:
            lives.append(born(acks, chance.randrange(1 << 30), int((time.monotonic() - began) * 10)))
        for life in [life for life in lives if life.over(chance)]:
            end(life)
            lives.remove(life)
            kills += 1
        time.sleep(0.002)
    for life in lives:
        end(life)
    print(kills + len(lives), flush=True)
    return 0


def end(life: Life) -> None:
    os.kill(life.process_id, signal.SIGKILL)
    os.waitpid(life.process_id, 0)
    os.close(life.ready)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
