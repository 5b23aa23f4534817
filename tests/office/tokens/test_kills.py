"""kill -9 while tokens are issued: no identifier twice with another content, no token lost, none shown that is not
stored."""

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection

from prewatt.core.sts import Ea, UnitsCredit, decode
from prewatt.office.tokens import issuing, keys
from prewatt.office.tokens.models import KeyDay, StsMeter, TokenRequest
from prewatt.office.tokens.vault import Holder
from tests.journeys.running import ROOT
from tests.office.tokens.scene import NOON, Scene, more_meters, scene, sealing

METERS = 12
MOST_S = 600  # of the soak: some 3,000 kills


def played(tmp_path: Path, seconds: float) -> tuple[Scene, int, list[tuple[str, str]]]:
    """Sellers killed for a while over a scene of some meters; how many, and what customers were given."""
    play, seed, acks = scene(), random.randrange(1 << 30), tmp_path / "acks"
    more_meters(play.cast, METERS - 1)
    settings = connection.settings_dict
    dsn = " ".join(
        f"{name}={settings[key]}"
        for name, key in (
            ("dbname", "NAME"), ("user", "USER"), ("password", "PASSWORD"), ("host", "HOST"), ("port", "PORT"),
        )
        if settings[key]
    )
    ran = subprocess.run(
        [sys.executable, "-m", "tests.office.tokens.seller", str(seconds), str(acks), str(seed)],
        cwd=ROOT, env={**os.environ, "PREWATT_DATABASE_URL": dsn, "PREWATT_PART": "worker"},
        capture_output=True, text=True, timeout=seconds + 300, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, f"seed {seed}: {ran.stdout} {ran.stderr}"
    given = [tuple(line.split()) for line in acks.read_text().splitlines()]
    return play, int(ran.stdout.split()[-1]), [(message, digits) for message, digits in given]


def judged(play: Scene, given: list[tuple[str, str]]) -> None:
    """What was given is what stands, everything asked gets its digits, and each token says what its request says."""
    stored = {row.message_id: issuing.digits_of(row.pk) for row in TokenRequest.objects.all()}
    for message, digits in given:
        assert stored[message] == (digits,), message
    while issuing.sweep(rack=play.rack, at=NOON):
        pass

    key, vault = keys.name_of(play.old), sealing()
    seen: Counter[tuple[str, int | None]] = Counter()
    for sts in StsMeter.objects.all():
        opened = vault.decoder_key(key, Holder(meter_pan=sts.meter_pan, ti=sts.ti, ea=Ea(sts.ea)))
        for row in TokenRequest.objects.filter(sts_meter=sts):
            [digits] = issuing.digits_of(row.pk) or ("",)
            token = decode(digits, opened).token
            assert isinstance(token, UnitsCredit), row.message_id
            assert (token.tid, token.rnd) == (row.tid, row.rnd)
            assert token.amount_tenths == row.carried == 1 + int(row.message_id.split(":")[1])
            seen[(row.meter_pan, row.tid)] += 1
    assert max(seen.values()) == 1
    assert sum(day.tokens for day in KeyDay.objects.all()) == len(seen), "each request is counted once"


@pytest.mark.soak
@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_killed_sellers_neither_lose_nor_double_a_token(tmp_path: Path) -> None:
    play, kills, given = played(tmp_path, min(int(os.environ.get("PREWATT_SOAK_S", "900")), MOST_S))
    judged(play, given)
    print(f"tokens: {kills} sellers killed, {TokenRequest.objects.count()} tokens, {len(given)} times given")
    assert kills and given
