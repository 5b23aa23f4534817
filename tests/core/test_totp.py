"""One-time codes against the tables of the documents that define them."""

import pytest

from prewatt.core import totp

# RFC 4226, appendix D, and RFC 6238, appendix B (SHA-1, 8 digits): the same secret
SECRET = b"12345678901234567890"
COUNTED = ("755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489")
TIMED = (
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
)


@pytest.mark.parametrize(("counter", "code"), list(enumerate(COUNTED)))
def test_the_codes_of_rfc_4226_appendix_d(counter: int, code: str) -> None:
    assert totp.hotp(SECRET, counter) == code


@pytest.mark.parametrize(("epoch_s", "code"), TIMED)
def test_the_codes_of_rfc_6238_appendix_b(epoch_s: int, code: str) -> None:
    assert totp.hotp(SECRET, totp.step_of(epoch_s), digits=8) == code


def test_a_code_opens_from_one_step_before_to_one_after_and_only_once() -> None:
    now = 1111111111
    step = totp.step_of(now)
    for offset, opens in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        code = totp.hotp(SECRET, step + offset)
        assert (totp.accepted_step(SECRET, code, epoch_s=now, after_step=0) == step + offset) is opens
    code = totp.hotp(SECRET, step)
    assert totp.accepted_step(SECRET, code, epoch_s=now, after_step=step) is None
    assert totp.accepted_step(SECRET, code, epoch_s=now, after_step=step - 1) == step
    assert totp.accepted_step(SECRET, f" {code[:3]} {code[3:]} ", epoch_s=now, after_step=0) == step


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "１２３４５６", "-12345"])
def test_what_is_no_code_opens_nothing(typed: str) -> None:
    assert totp.accepted_step(SECRET, typed, epoch_s=59, after_step=0) is None


def test_the_address_of_the_qr_code_names_house_and_operator() -> None:
    assert totp.base32(SECRET) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    told = totp.address(SECRET, issuer="Prewatt 金湖", name="alice")
    assert told == (
        "otpauth://totp/Prewatt%20%E9%87%91%E6%B9%96:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        "&issuer=Prewatt%20%E9%87%91%E6%B9%96"
    )
