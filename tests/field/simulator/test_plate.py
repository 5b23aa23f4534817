"""What a simulated meter takes from its model's plate: the net it is on, and the constant on its display."""

from pathlib import Path

import pytest

from prewatt.core.meters.quantities import Quantity
from tests.field.simulator.plant import NOON_MS, meter, stop, world


@pytest.mark.parametrize(
    ("profile", "volts", "pulses"),
    [
        ("pilot-spm9511", 220, 1600),  # nobody says its constant
        ("eastron-sdm120", 230, 1000),
        ("chint-dtsu666", 220, 400),
        ("acrel-dtsy1352", 220, 1600),  # no plate is known
    ],
)
def test_a_meter_is_on_the_net_of_its_plate(tmp_path: Path, profile: str, volts: int, pulses: int) -> None:
    played = world(tmp_path, meter(1, profile=profile))
    (found,) = played.lines["a"].meters.values()
    shown = found.values(1, NOON_MS)[Quantity.VOLTAGE_A]
    assert abs(shown - volts * 226_000 // 220) < 6_000
    assert found.pulses == pulses
    stop(played)
