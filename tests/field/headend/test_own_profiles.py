"""A site's own meter models at the head-end: they come with the plan, change with it, and a draft is only tried."""

import asyncio
from dataclasses import replace
from pathlib import Path

from prewatt.core.meters.catalogue import catalogue, shipped_text
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.mailbox import CircuitPlan, LinePlan, MeterPlan
from prewatt.core.meters.own import OwnVersion
from prewatt.core.meters.quantities import Quantity
from prewatt.field.headend.memory import MemoryBus
from prewatt.field.headend.shelf import Shelf
from tests import virtual_time
from tests.field.headend.world import World, world
from tests.field.simulator import plant

OURS = shipped_text("pilot-spm9511").replace('code = "pilot-spm9511"', 'code = "ours"')
# what the maker's list says once it comes: power in tenths of a watt
LATER = OURS.replace('type = "i32be"\nunit = "W"', 'type = "i32be"\nscale = "0.1"\nunit = "W"')
FIRST, SECOND = OwnVersion(code="ours@1", text=OURS), OwnVersion(code="ours@2", text=LATER)
LOAD = {"kind": "constant", "peak_w": 1_200}


def site(here: World, directory: Path) -> LinePlan:
    """One meter played as the shipped model, known to the office as the site's own version of it."""
    full = {"balance_wh": 900_000, "purchased_total_wh": 900_000, "purchase_count": 1}
    played = plant.world(directory, plant.meter(1, load=LOAD, opening=full))
    bus, loop = played.lines["a"], virtual_time.running()
    bus.connect(1)

    def answer(data: bytes) -> list[tuple[float, bytes]]:
        now_ms = plant.NOON_MS + int((loop.time() - 1_000) * 1_000)
        return [(delay_ms / 1_000, reply) for delay_ms, reply in bus.answer(1, data, now_ms)]

    plan = LinePlan(
        line_id=1, site_id=1, transport="memory", host="", port=1, baud=115_200, profiles=(FIRST,),
        meters=(
            MeterPlan(
                meter_id=1, number=plant.NUMBER, profile="ours@1", unit=1,
                circuits=(CircuitPlan(circuit_id=1, index=1),),
            ),
        ),
    )  # fmt: skip
    here.plans[1], here.buses[1] = plan, MemoryBus(answer)
    here.office.add(1, plan)
    return plan


def test_a_meter_of_the_sites_own_model_is_polled_and_moves_to_the_next_version_without_a_restart(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        here = world()
        plan = site(here, tmp_path)
        here.start()
        await asyncio.sleep(200)
        assert {poll.values[Quantity.POWER_ACTIVE] for poll in here.office.polls if not poll.full} == {1_200}
        before = len(here.office.polls)
        moved = replace(plan, meters=(replace(plan.meters[0], profile="ours@2"),), profiles=(SECOND,))
        gateway = here.office.gateways[1]
        gateway.plans, gateway.revision = [moved], gateway.revision + 1
        await asyncio.sleep(200)
        await here.end()
        told = [poll.values[Quantity.POWER_ACTIVE] for poll in here.office.polls[before + 1 :] if not poll.full]
        assert told and set(told) == {120}, "the same words, read as the new version has them"

    virtual_time.run(story())


def test_a_draft_is_tried_on_a_meter_that_goes_on_as_it_was(tmp_path: Path) -> None:
    async def story() -> None:
        here = world()
        plan = site(here, tmp_path)
        here.start()
        await asyncio.sleep(5)
        row = here.office.ask(plan, Job(intent=Intent.TRY, draft=LATER), meter=0)
        await here.settled(within_s=60)
        outcome = row.outcomes[-1]
        assert (outcome.verdict, outcome.values[Quantity.POWER_ACTIVE], outcome.sent) == (Verdict.DONE, 120, False)
        assert any(frame.address == 0x0100 and frame.words for frame in outcome.frames)
        await asyncio.sleep(200)
        await here.end()
        assert {poll.values[Quantity.POWER_ACTIVE] for poll in here.office.polls if not poll.full} == {1_200}

    virtual_time.run(story())


def test_a_text_that_cannot_be_read_leaves_its_meters_alone_and_is_read_again_when_it_changes() -> None:
    shelf = Shelf(catalogue())
    plan = LinePlan(line_id=1, site_id=1, transport="memory", host="", port=1, baud=9_600, meters=())
    shelf.learn([replace(plan, profiles=(FIRST, OwnVersion(code="theirs@1", text="[model")))])
    first = shelf["ours@1"]
    assert "theirs@1" not in shelf and set(shelf) == {*catalogue(), "ours@1"} and len(shelf) == len(catalogue()) + 1
    shelf.learn([replace(plan, profiles=(FIRST, OwnVersion(code="theirs@1", text=LATER)))])
    assert shelf["ours@1"] is first, "what is known is not read again"
    assert shelf["theirs@1"].code == "theirs@1"
