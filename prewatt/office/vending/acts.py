"""What all corrections at the desk share: key, reason, one SQL call, the act that stands afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from prewatt.core.refusals import Refused
from prewatt.office.ledger.call import call
from prewatt.office.staff.actors import Actor
from prewatt.office.vending import act_errors as _errors  # noqa: F401  registers the texts
from prewatt.office.vending.limits import check_key
from prewatt.office.vending.models import Act as ActRow
from prewatt.office.vending.sales import request_hash

MAX_REASON: Final = 255  # the column; a reason is a sentence
RETRY_HELPS: Final = frozenset({"key_busy", "delivery_open", "delivery_unknown", "balance_unknown"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ActResult:
    """The act, and whether it stood already."""

    act: ActRow
    replayed: bool


def check_reason(reason: str) -> str:
    """The reason as it is kept. Raises Refused `reason_needed`, `reason_too_long`."""
    kept = reason.strip()
    if not kept:
        raise Refused("reason_needed")
    if len(kept) > MAX_REASON:
        raise Refused("reason_too_long", most=MAX_REASON)
    return kept


def run(function: str, parameters: Sequence[object], casts: Sequence[str] = ()) -> ActResult:
    """One call of an act's SQL function. Raises Refused with the code it gives."""
    marks = ", ".join(["%s"] * (len(parameters) - len(casts)) + [f"%s::{cast}" for cast in casts])
    row = call(f"SELECT outcome, act_id FROM {function}({marks})", parameters)
    assert row is not None
    outcome, act_id = row
    if outcome not in ("done", "replayed"):
        raise Refused(outcome, retry=outcome in RETRY_HELPS)
    return ActResult(act=ActRow.objects.get(pk=act_id), replayed=outcome == "replayed")


def keyed(actor: Actor, key: str, body: list[object]) -> list[object]:
    """[request key, request hash] of an act. Raises Refused `key_required`."""
    return [f"{actor.key}:{check_key(key)}", request_hash(body)]
