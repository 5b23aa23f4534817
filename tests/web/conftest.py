"""The compiled catalogues, which set-up makes and git does not keep."""

from pathlib import Path

import polib
import pytest
from django.conf import settings


@pytest.fixture(scope="session", autouse=True)
def _translations() -> None:
    for folder in settings.LOCALE_PATHS:
        for source in Path(folder).rglob("*.po"):
            polib.pofile(str(source)).save_as_mofile(str(source.with_suffix(".mo")))
