"""`prewatt sts`: the STS engine as JSON lines, one request object a line in, one result object a line out.

The process never dies on a bad line: whatever comes, a line goes out, and the next is read. Documented
for integrators in the README; the operations are in `prewatt.core.sts.operations`.
"""

import io
import json
import logging
import os
import sys
from typing import IO, Any, Final

from prewatt.core.sts import StsCode
from prewatt.core.sts.operations import answer, error
from prewatt.core.sts.refusals import refuse

MAX_LINE: Final = 65_536  # characters; the longest sensible request has some three thousand

log = logging.getLogger(__name__)


def main(stdin: IO[str], stdout: IO[str]) -> int:
    """Answer every line until the end of the input; the exit status is 0.

    A reader that goes away ends the work quietly: nobody is left to answer.
    """
    if isinstance(stdin, io.TextIOWrapper):
        # bytes that are not UTF-8 must spoil their own line only; some shells put a mark in front of the first
        stdin.reconfigure(encoding="utf-8-sig", errors="replace")
    try:
        while line := _read_line(stdin):
            stdout.write(_show(_answer_line(line)) + "\n")
            stdout.flush()
    except BrokenPipeError:
        if stdout is sys.stdout:  # else Python would fail once more when it flushes at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
    return 0


def _read_line(stdin: IO[str]) -> str:
    """The next line, "" at the end. Of a line that is too long only enough is kept to see that it is."""
    line = stdin.readline(MAX_LINE + 1)
    rest = line
    while rest and not rest.endswith("\n") and len(line) > MAX_LINE:
        rest = stdin.readline(MAX_LINE)
    return line


def _answer_line(line: str) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        return {"id": None, **error(refuse(StsCode.LINE_TOO_LONG, limit=MAX_LINE))}
    try:
        request = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return {"id": None, **error(refuse(StsCode.LINE_MALFORMED))}
    try:
        return answer(request)
    except Exception as failure:  # noqa: BLE001 - a process loop: one request must not take the others with it
        # the request may hold keys, and so may the exception's text: neither is logged
        log.error("an STS request failed inside the engine: %s", type(failure).__name__)
        identity = request.get("id") if isinstance(request, dict) else None
        return {"id": identity, **error(refuse(StsCode.INTERNAL))}


def _show(result: dict[str, Any]) -> str:
    """One line of ASCII. An `id` that JSON can read but not write (1e999, too deep) is not echoed."""
    try:
        return json.dumps(result, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return _show({"id": None, **error(refuse(StsCode.LINE_MALFORMED))})


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
