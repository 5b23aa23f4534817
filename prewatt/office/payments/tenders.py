"""How it was paid: recorded with a reference, no gateway yet."""

from typing import Final

from prewatt.core.refusals import Refused
from prewatt.office.payments import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.payments.models import Tender

MAX_REFERENCE: Final = 64  # the column; the longest provider order number known has 64


def check_tender(tender: str, reference: str) -> tuple[Tender, str]:
    """The tender and the reference as it is kept (empty for cash).

    Raises Refused `tender_unknown`, `reference_needed`, `reference_malformed`.
    """
    try:
        known = Tender(tender)
    except ValueError:
        raise Refused("tender_unknown", tender=tender[:16]) from None
    kept = reference.strip()
    if len(kept) > MAX_REFERENCE or not kept.isprintable():
        raise Refused("reference_malformed")
    if known is Tender.CASH:
        return known, ""
    if not kept:
        raise Refused("reference_needed")
    return known, kept
