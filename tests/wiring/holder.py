"""A process that holds an embedded database until it is killed: the parent whose death the tests watch.

    python -m tests.wiring.holder HOME [--movable] [--as USER] [--pg-bin DIR]

Says `{"dsn", "postmaster"}` as one JSON line once it serves; a refusal as `{"refused"}`.
"""

import argparse
import codecs
import json
import os
import pwd
import signal
import sys
from pathlib import Path

import psycopg

from prewatt.wiring.embedded import EmbeddedPostgres
from prewatt.wiring.refusals import StartRefused


def become(user: str) -> None:
    """Give up root for good. What Python loads late must be loaded before: the user may not reach its files."""
    codecs.lookup("ascii")
    try:
        psycopg.connect("host=/nonexistent connect_timeout=1")
    except psycopg.OperationalError:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--movable", action="store_true")
    parser.add_argument("--as", dest="user", default="")
    parser.add_argument("--pg-bin", default=None)
    given = parser.parse_args()
    if given.user:
        become(given.user)
    postgres = EmbeddedPostgres(given.home, movable=given.movable, pg_bin=given.pg_bin)
    try:
        dsn = postgres.start()
    except StartRefused as refused:
        sys.stdout.write(json.dumps({"refused": refused.code, "text": refused.message("en")}) + "\n")
        return int(refused.exit)
    # before it is said: who reads it may send the signal at once
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    sys.stdout.write(json.dumps({"dsn": dsn, "postmaster": postgres.pid, "data": str(postgres.place.data)}) + "\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM})
    postgres.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
