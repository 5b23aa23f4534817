"""The compiled catalogues, which set-up makes and git does not keep."""

from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.utils.translation import trans_real


@pytest.fixture(scope="session", autouse=True)
def _translations() -> None:
    for folder in settings.LOCALE_PATHS:
        for source in Path(folder).rglob("*.po"):
            polib.pofile(str(source)).save_as_mofile(str(source.with_suffix(".mo")))
    trans_real._translations.clear()  # type: ignore[attr-defined]  # an older catalogue may be loaded already
