"""Where what is said on the lines is written down: a new file, for its owner alone."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from prewatt.wiring.refusals import StartRefused


@contextlib.contextmanager
def recording(path: Path | None) -> Iterator[TextIO | None]:
    """Nothing for None. What was recorded before is not written over. Raises `record_unusable`."""
    if path is None:
        yield None
        return
    try:
        stream = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
    except OSError as error:
        raise StartRefused("record_unusable", path=path, detail=error.strerror or error) from error
    with stream:
        yield stream
