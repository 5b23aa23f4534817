"""The supply of server-held circuits (后台计费): what the running balances say is given to metering, which makes it true.

The rule is `core.tariffs.supply`, pure; here it meets the rows. Balances change by sales, charges and corrections,
so nobody calls this: it looks, every few seconds, at the circuits of which the decision no longer fits.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from django.db import connection, transaction

from prewatt.core.meters import Profile
from prewatt.core.meters.model import Switch
from prewatt.core.meters.quantities import StatusBit
from prewatt.core.tariffs import supply as rule
from prewatt.office.estate.models import Circuit
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import wishes

MOST: Final = 1_000  # decisions of one sweep, each a transaction; the rest waits for the next
SHOWN_MOST: Final = 5_000  # circuits of one question
LOAD_W: Final = 5  # less may be the meter's own coils


def sweep(*, at: datetime) -> int:
    """Decide the supply of every server-held circuit anew; how many decisions changed.

    Restores go before cuts. A circuit whose server-held supply point has ended is released: its relay stays as it is.
    """
    changed = 0
    for (circuit_id,) in _query(_CHANGED, {"at": at, "switched": _switched(), "most": MOST}):
        changed += _decide(circuit_id, at=at)
    for (circuit_id,) in _query(_ENDED, {"at": at, "most": MOST}):
        wishes.release(Circuit.objects.get(pk=circuit_id), at=at)
        changed += 1
    return changed


def _decide(circuit_id: int, *, at: datetime) -> int:
    """Decide by the balance as it stands under its lock: a sale that was booked meanwhile counts."""
    with transaction.atomic():
        Circuit.objects.select_for_update(no_key=True).get(pk=circuit_id)
        rows = _query(_UNDER_LOCK, {"circuit": circuit_id, "at": at})
        if not rows:
            return 0
        balance, overdraft, never_cut, decided = rows[0]
        facts = rule.Facts(balance_minor=balance, overdraft_minor=overdraft, never_cut=never_cut)
        decision = rule.decide(facts, at=at)
        if decided == ("closed" if decision.closed else "open"):
            return 0
        circuit = Circuit.objects.select_related("meter").get(pk=circuit_id)
        wishes.decide(circuit, decision.closed, cause=decision.cause.value, at=at)
    return 1


@dataclass(frozen=True, kw_only=True)
class Supply:
    """How one server-held supply point stands: the decision, and the steps from wished to switched to load seen."""

    circuit_id: int
    supply_point_id: int
    balance_minor: int
    level: rule.Level
    decision: rule.Decision
    opened_by: rule.Opening | None  # of a relay that is open
    wished_at: datetime | None  # since when it is wished so
    agreed_at: datetime | None  # when telemetry agreed
    load_seen: bool  # power flows, as last read
    read_at: datetime | None


def of_circuits(circuit_ids: Iterable[int], *, at: datetime) -> dict[int, Supply]:
    """{circuit id: Supply} of those of the circuits that are server-held now; at most SHOWN_MOST."""
    ids = list(circuit_ids)
    assert len(ids) <= SHOWN_MOST, len(ids)
    return {row["circuit_id"]: _supply(row, at=at) for row in _named(_SHOWN, {"circuits": ids, "at": at})}


def _supply(row: Mapping[str, Any], *, at: datetime) -> Supply:
    profile = all_profiles().get(row["profile"])
    closed = _closed(row, profile)
    bits = frozenset(bit for bit, mask in wishes.BITS.items() if row["status"] & mask)
    if not row["closes_by_key"]:  # an overload looks so too, of a meter without more bits
        bits -= {StatusBit.AWAIT_KEY}
    tells = profile is not None and StatusBit.COMMAND_TRIP in profile.status_bits and not row["position_only"]
    held = row["wish"] == "trip"
    opened_by = rule.opening_of(bits, for_credit=row["decided"] == "open" and not held, tells=tells)
    facts = rule.Facts(
        balance_minor=row["balance_minor"], overdraft_minor=row["overdraft"], manual_hold=held,
        keep_on_until=row["until"] if row["wish"] == "keep_on" else None, tagged_until=row["tagged_until"],
        never_cut=row["never_cut"], relay_closed=closed, opened_by=opened_by, switch=_switch(profile),
    )  # fmt: skip
    word = row["wish"] is not None and row["wish"] != "automatic"
    return Supply(
        circuit_id=row["circuit_id"], supply_point_id=row["supply_point_id"], balance_minor=row["balance_minor"],
        level=rule.level(row["balance_minor"], alarm_1=row["alarm_1"], alarm_2=row["alarm_2"]),
        decision=rule.decide(facts, at=at), opened_by=opened_by if closed is False else None,
        wished_at=row["set_at"] if word else row["decided_at"], agreed_at=row["agreed_at"],
        load_seen=closed is True and (row["power_w"] or 0) >= LOAD_W, read_at=row["read_at"],
    )  # fmt: skip


def _switch(profile: Profile | None) -> Switch:
    return Switch.NONE if profile is None or profile.relay is None else profile.switch


def _closed(row: Mapping[str, Any], profile: Profile | None) -> bool | None:
    """Is the circuit closed, as far as it is seen? A breaker with a shunt trip that the meter does not see is open
    from its trip until a load flows: no register says that a hand has closed it."""
    if row["relay"] is None:
        return None
    blind = (
        profile is not None and profile.switch is Switch.SHUNT_TRIP and bool(profile.relay and profile.relay.derived)
    )
    return bool(row["relay"]) and not (blind and row["dark_since_trip"])


def _switched() -> list[str]:
    """Codes of the profiles that have something to switch."""
    return [code for code, profile in all_profiles().items() if _switch(profile) is not Switch.NONE]


def _query(sql: LiteralString, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _named(sql: LiteralString, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


_HELD: LiteralString = """
FROM estate_supplypoint sp
JOIN estate_circuit c ON c.id = sp.circuit_id
JOIN estate_meter m ON m.id = c.meter_id AND m.removed_at IS NULL
JOIN ledger_runningbalance b ON b.account_id = sp.credit_account_id
LEFT JOIN metering_relaywish w ON w.circuit_id = c.id
"""
_NOW: LiteralString = """ sp.custody = 'server' AND sp.state IN ('open', 'closing') AND sp.valid_from <= %(at)s
    AND (sp.valid_to IS NULL OR sp.valid_to > %(at)s)"""

# Where the decision that stands no longer fits: `rule.cut` said in SQL, so that nothing else is fetched. What is
# found here is decided by the rule itself.
_CHANGED: LiteralString = f"""
SELECT c.id {_HELD} WHERE {_NOW} AND m.profile = ANY (%(switched)s::text[])
AND w.decided IS DISTINCT FROM CASE WHEN c.never_cut OR b.balance_minor > -sp.overdraft THEN 'closed' ELSE 'open' END
ORDER BY c.never_cut OR b.balance_minor > -sp.overdraft DESC, c.id LIMIT %(most)s
"""

_UNDER_LOCK: LiteralString = f"""
SELECT b.balance_minor, sp.overdraft, c.never_cut, w.decided {_HELD} WHERE {_NOW} AND c.id = %(circuit)s
FOR SHARE OF b
"""

_ENDED: LiteralString = """
SELECT w.circuit_id FROM metering_relaywish w WHERE w.decided IS NOT NULL AND NOT EXISTS (
    SELECT FROM estate_supplypoint sp WHERE sp.circuit_id = w.circuit_id AND sp.custody = 'server'
    AND sp.state <> 'closed' AND (sp.valid_to IS NULL OR sp.valid_to > %(at)s))
ORDER BY w.circuit_id LIMIT %(most)s
"""

_SHOWN: LiteralString = f"""
SELECT c.id AS circuit_id, sp.id AS supply_point_id, b.balance_minor, sp.overdraft, sp.alarm_1, sp.alarm_2, c.never_cut,
    m.profile, EXISTS (SELECT FROM estate_line y WHERE y.id = m.line_id AND y.transport = 'mqtt') AS position_only,
    w.wish, w.until, w.set_at, w.decided, w.decided_at, w.agreed_at, t.until AS tagged_until,
    x.closes_by_key, l.relay, coalesce(l.status, 0) AS status, l.power_w, l.at AS read_at,
    o.at IS NOT NULL AND NOT EXISTS (
        SELECT FROM metering_reading r WHERE r.site_id = c.site_id AND r.circuit_id = c.id AND r.at > o.at
        AND r.power_w > 0) AS dark_since_trip
{_HELD}
JOIN estate_site x ON x.id = c.site_id
LEFT JOIN metering_latest l ON l.site_id = c.site_id AND l.circuit_id = c.id
LEFT JOIN metering_maintenancetag t ON t.circuit_id = c.id AND t.removed_at IS NULL
LEFT JOIN LATERAL (
    SELECT e.at FROM metering_supplyevent e WHERE e.circuit_id = c.id AND e.kind = 'opened' ORDER BY e.at DESC LIMIT 1
) o ON true
WHERE {_NOW} AND c.id = ANY (%(circuits)s::bigint[])
"""
