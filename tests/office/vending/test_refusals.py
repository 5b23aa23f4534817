"""Every code that Python or SQL of the desk can give has a text in both languages."""

import re
from pathlib import Path

import pytest

from prewatt.core.refusals import texts
from prewatt.office import ledger, payments, staff, vending
from prewatt.office.vending import act_errors, errors, history, shifts
from prewatt.office.vending.errors import CONFLICT, NOT_FOUND

ROOTS = [Path(app.__file__).parent for app in (ledger, payments, staff, vending) if app.__file__]
# outcomes and states; what a recount found (`recounts`) is a finding in a list, no refusal
NOT_CODES = {"sold", "replayed", "done", "unknown", "disputed", "balance_higher", "balance_lower"}
LOADED = (act_errors, errors, history, shifts)


def codes() -> list[str]:
    found: set[str] = set()
    for root in ROOTS:
        for path in root.rglob("*.py"):
            found |= set(re.findall(r'Refused\(\s*"([a-z_0-9]+)"', path.read_text(encoding="utf-8")))
        for path in root.rglob("*.sql"):
            text = path.read_text(encoding="utf-8")
            found |= set(re.findall(r"(?:outcome|code) := '([a-z_0-9]+)'", text))
            found |= set(re.findall(r"RAISE EXCEPTION '([a-z_0-9]+)' USING ERRCODE = 'PW001'", text))
            found |= set(re.findall(r"WHEN .* THEN '([a-z_]+)'$", text, flags=re.MULTILINE))
    return sorted(found - NOT_CODES)


def test_the_sources_were_read() -> None:
    assert len(codes()) > 60 and len(LOADED) == 4


@pytest.mark.parametrize("code", sorted(set(codes()) | CONFLICT | NOT_FOUND))
def test_a_code_has_a_text_in_both_languages(code: str) -> None:
    assert texts[code].en and texts[code].zh
