"""The write that some Modbus meters want before they take settings, a clock or a relay command: `[unlock]`."""

from collections.abc import Iterable
from dataclasses import dataclass

from prewatt.core.meters.scales import provenance
from prewatt.core.meters.tables import Table
from prewatt.core.refusals import Refused, Text, register

register(
    {
        "profile_unlock": Text(
            "[unlock] is a register of a Modbus meter that lies in no block and is no register of its own, and opens"
            " settings or a relay; tables of times and prices are not written through it.",
            "[unlock] 须为 Modbus 电表中不属于任何数据块、也不是其他寄存器的地址，用于开放参数或继电器写入；"
            "时段表和电价表不经此写入。",
        ),
        "unlock_unanswered": Text(
            "The meter did not answer the write that unlocks it. Nothing else was written.",
            "电表没有应答解锁写入，其他内容均未写入。",
        ),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Unlock:
    """`value` is written to `address`, of the whole meter, before a write of settings, clock or relay, and `lock`
    after it; None where the meter locks itself."""

    address: int
    value: int
    lock: int | None
    source: str
    assumed: bool


def unlock_of(root: Table) -> Unlock | None:
    """Raises Refused with a `profile_...` code."""
    if not root.has("unlock"):
        return None
    table = root.table("unlock")
    source, assumed = provenance(table, "unlock")
    made = Unlock(
        address=table.address("address"), value=table.integer("value", 0, 0xFFFF),
        lock=table.integer("lock", 0, 0xFFFF) if table.has("lock") else None, source=source, assumed=assumed,
    )  # fmt: skip
    table.done()
    if made.lock == made.value:
        raise table.refuse("lock", made.lock)
    return made


def check_unlock(made: Unlock | None, taken: Iterable[tuple[int, int]], *, opens: bool, tables: bool) -> None:
    """`taken`: first address and the one behind the last of whatever else the meter holds; `opens`: is there anything
    to be written behind it; `tables`: and of what it does not open? Raises Refused profile_unlock."""
    if made is not None and (not opens or tables or any(first <= made.address < behind for first, behind in taken)):
        raise Refused("profile_unlock")
