"""Tenders: cash needs no reference, everything else is recorded with one."""

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.payments.models import Tender
from prewatt.office.payments.tenders import check_tender


@pytest.mark.parametrize(
    ("tender", "reference", "kept"),
    [("cash", "whatever", ""), ("pos_card", " 0042 ", "0042"), ("merchant_qr", "x" * 64, "x" * 64)],
)
def test_a_tender_is_kept_with_its_reference(tender: str, reference: str, kept: str) -> None:
    assert check_tender(tender, reference) == (Tender(tender), kept)


@pytest.mark.parametrize(
    ("tender", "reference", "code"),
    [
        ("cheque", "", "tender_unknown"),
        ("pos_card", "  ", "reference_needed"),
        ("bank_transfer", "x" * 65, "reference_malformed"),
        ("bank_transfer", "a\x00b", "reference_malformed"),
        ("cash", "a\nb", "reference_malformed"),
    ],
)
def test_what_cannot_be_kept_is_refused(tender: str, reference: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        check_tender(tender, reference)
    assert caught.value.code == code
