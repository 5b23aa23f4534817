"""Signs of life of the processes, in plain psycopg: `part` is "worker", "stream" or "headend:<name>".

The clock is the database's, so that hosts with clocks of their own agree on an age.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

PART_LIMIT = 80  # characters, as the table has it


@dataclass(frozen=True, kw_only=True)
class Beat:
    """The last sign of life of one part; `age_s` in seconds of the database clock, to a tenth, never negative."""

    part: str
    age_s: float


def beat(connection: "psycopg.Connection[Any]", *, part: str, detail: Mapping[str, object] | None = None) -> None:
    """This part lives, now."""
    assert 0 < len(part) <= PART_LIMIT, part
    connection.execute(
        "INSERT INTO metering_heartbeat (part, at, detail) VALUES (%s, clock_timestamp(), %s::jsonb)"
        " ON CONFLICT (part) DO UPDATE SET at = excluded.at, detail = excluded.detail",
        (part, json.dumps(dict(detail or {}))),
    )


def tell_broker(connection: "psycopg.Connection[Any]", *, headend: str, code: str) -> None:
    """Why this head-end does not reach the MQTT broker; "" where it does, or none is named."""
    connection.execute(
        "UPDATE metering_heartbeat SET detail = %s::jsonb WHERE part = %s",
        (json.dumps({"broker": code} if code else {}), "headend:" + headend),
    )


def forget(connection: "psycopg.Connection[Any]", *, part: str) -> None:
    """This part is known to be gone: nobody has to wait until its last beat grows old."""
    connection.execute("DELETE FROM metering_heartbeat WHERE part = %s", (part,))


def beats(connection: "psycopg.Connection[Any]") -> list[Beat]:
    """All parts that ever beat and were not forgotten."""
    rows = connection.execute(
        "SELECT part, greatest(round(extract(epoch FROM clock_timestamp() - at), 1), 0)::float8"
        " FROM metering_heartbeat ORDER BY part"
    ).fetchall()
    return [Beat(part=str(part), age_s=float(age)) for part, age in rows]
