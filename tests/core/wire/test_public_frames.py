"""Frames found in public code, as pasted there, through `prewatt wire`: what each says, by a hand-made reading.

tests/vectors/*/public.json name their sources; a frame shows at least the fields listed, the damaged ones say why not.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from prewatt.wiring import wire

VECTORS: Final = Path(__file__).parents[2] / "vectors"
PROTOCOLS: Final = {"dlt645": "dlt645", "acrel4g": "acrel-4g", "modbus": "modbus-rtu"}


def cases() -> list[Any]:
    found = []
    for folder, protocol in PROTOCOLS.items():
        table = json.loads((VECTORS / folder / "public.json").read_text(encoding="utf-8"))
        for case in table["cases"]:
            assert case["source"] in table["sources"]
            found.append(pytest.param({"protocol": protocol, **case}, id=f"{folder}-{case['id']}"))
    return found


def agrees(shown: Any, said: Any) -> bool:
    """Is everything that is said in what is shown? A list has to have the same length."""
    if isinstance(said, dict):
        if isinstance(shown, list):  # values: each has its name
            shown = {each["name"]: each["value"] for each in shown}
        return all(agrees(shown[name], value) for name, value in said.items())
    if isinstance(said, list):
        return len(shown) == len(said) and all(agrees(*pair) for pair in zip(shown, said, strict=True))
    return bool(shown == said)


@pytest.mark.parametrize("case", cases())
def test_a_public_frame_says_what_it_says(case: dict[str, Any]) -> None:
    asked = {name: case[name] for name in ("id", "protocol", "hex", "direction") if name in case}
    answer = wire.answer(asked)
    assert answer["id"] == case["id"]
    assert (answer["ok"], answer["discarded"]) == (bool(case["frames"]), case["discarded"]), answer
    assert answer.get("error", {}).get("code") == case.get("error")
    assert agrees(answer["frames"], case["frames"]), answer["frames"]


def test_every_protocol_has_its_public_frames() -> None:
    by_protocol = [case.values[0]["protocol"] for case in cases()]
    assert {name: by_protocol.count(name) for name in wire.PROTOCOLS} == {
        "modbus-rtu": 39, "modbus-tcp": 8, "dlt645": 126, "acrel-4g": 10,
    }  # fmt: skip
