"""The command `prewatt forward`: what it refuses before it listens."""

from pathlib import Path

import pytest

from prewatt.core.refusals import Refused
from prewatt.wiring import cli
from prewatt.wiring.parts.forward import SUITES, address, key_of

KEY = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"


def key_file(folder: Path, text: str = KEY, mode: int = 0o600) -> Path:
    path = folder / "line.key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_is_taken_from_a_file_of_its_owner(tmp_path: Path) -> None:
    assert key_of(key_file(tmp_path, KEY + "\n")) == bytes.fromhex(KEY)


@pytest.mark.parametrize(
    ("text", "mode"),
    [(KEY, 0o644), (KEY, 0o640), *((text, 0o600) for text in (KEY[:-2], "00" * 32, "secret", "密" * 20, ""))],
)
def test_a_key_that_others_may_read_or_guess_is_refused(tmp_path: Path, text: str, mode: int) -> None:
    with pytest.raises(Refused) as refused:
        key_of(key_file(tmp_path, text, mode))
    assert refused.value.code == "line_key_unusable" and KEY not in refused.value.message("en")


@pytest.mark.parametrize(
    ("text", "meant"),
    [("127.0.0.1:502", ("127.0.0.1", 502)), ("[::1]:26", ("::1", 26)), ("gw.local:1", ("gw.local", 1))],
)
def test_an_address_has_host_and_port(text: str, meant: tuple[str, int]) -> None:
    assert address("--to", text) == meant


@pytest.mark.parametrize("text", ["", "502", ":502", "host", "host:", "host:0", "host:65536", "host:x", "host:٥"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        address("--to", text)
    assert refused.value.code == "usage"


def test_the_command_offers_what_the_part_knows() -> None:
    given = cli.parser().parse_args(
        ["forward", "--listen", "h:1", "--to", "h:2", "--seal", "dial", "--key-file", "k", "--suite", "3des-cbc"]
    )
    assert given.suite in SUITES and given.seal == "dial"
    for suite in SUITES:
        cli.parser().parse_args(
            ["forward", "--listen", "h:1", "--to", "h:2", "--seal", "listen", "--key-file", "k", "--suite", suite]
        )
