"""A line is scanned while its customers are polled; stopped, cut, taken over. Under a virtual clock."""

import asyncio

from prewatt.core.meters.mailbox import PollSettings, ScanOrder, ScanReport, ScanState
from prewatt.core.meters.model import Protocol
from prewatt.core.meters.scanning import ScanPlan
from tests import virtual_time
from tests.field.headend.meters import TestMeter, plan_of
from tests.field.headend.world import World, credit, world

STATUS_S = 20
SETTINGS = PollSettings(status_s=STATUS_S, register_s=600)
WHOLE = ScanPlan(protocols=(Protocol.MODBUS,))


def order(scan_id: int = 1, plan: ScanPlan = WHOLE, line: int = 1) -> ScanOrder:
    return ScanOrder(scan_id=scan_id, gateway_id=line, epoch=0, line_id=line, plan=plan)


async def ended(town: World, scan_id: int = 1, *, within_s: float = 3_000) -> ScanReport:
    loop = virtual_time.running()
    until = loop.time() + within_s
    while True:
        done = [r for r in town.office.scan_reports if r.order.scan_id == scan_id and r.state is not ScanState.RUNNING]
        if done:
            return done[-1]
        assert loop.time() < until, town.office.scan_reports[-1:]
        await asyncio.sleep(1)


def test_a_scan_finds_who_is_not_entered_and_customers_are_polled_and_sold_to_all_the_while() -> None:
    async def story() -> None:
        town = world(SETTINGS)
        wire = town.add(plan_of(1, 8))
        wire.units[99] = TestMeter(number=202_500_000_099)
        town.start()
        await asyncio.sleep(60)
        town.office.scan_orders.append(order())
        begun = virtual_time.running().time()
        await asyncio.sleep(40)
        row = town.office.ask(town.plans[1], credit(1))
        assert await town.settled(within_s=5) < 3
        report = await ended(town)
        lasted = virtual_time.running().time() - begun
        assert row.settled is not None
        assert report.state is ScanState.DONE and report.asked == report.total
        (found,) = report.found or ()
        assert (found.address, found.garbled) == ("99", False)
        assert "pilot-spm9511" in found.proposals[0].codes and found.proposals[0].number == "202500000099"
        # every customer was read about as often as always
        for meter in town.plans[1].meters:
            reads = [at for at, unit, _ in wire.requests if unit == meter.unit and at >= begun]
            assert len(reads) >= 0.9 * lasted / STATUS_S
        # and no customer was asked anything by the scan
        said = [line for line in town.office.lines if line.timeouts]
        assert not said and wire.collisions == 0
        progress = [r.asked for r in town.office.scan_reports]
        assert progress == sorted(progress) and len(progress) > 20
        await town.end()

    virtual_time.run(story())


def test_a_scan_is_stopped_by_whoever_asked_for_it() -> None:
    async def story() -> None:
        town = world(SETTINGS)
        wire = town.add(plan_of(1, 2))
        town.start()
        await asyncio.sleep(5)
        town.office.scan_orders.append(order())
        await asyncio.sleep(20)
        town.office.scan_stops.add(1)
        report = await ended(town, within_s=10)
        assert report.state is ScanState.STOPPED and 0 < report.asked < report.total
        asked = len([unit for _, unit, _ in wire.requests if unit > 2])
        await asyncio.sleep(60)
        assert len([unit for _, unit, _ in wire.requests if unit > 2]) == asked
        await town.end()

    virtual_time.run(story())


def test_a_scan_outlives_a_short_cut_and_ends_with_a_long_one() -> None:
    async def story() -> None:
        town = world(SETTINGS)
        wire = town.add(plan_of(1, 1))
        wire.units[30] = TestMeter(number=202_500_000_030)
        town.start()
        await asyncio.sleep(5)
        town.office.scan_orders.append(order(1, ScanPlan(protocols=(Protocol.MODBUS,), first=2, last=40)))
        await asyncio.sleep(15)
        town.buses[1].cut()
        await asyncio.sleep(30)
        town.buses[1].mend()
        report = await ended(town)
        assert report.state is ScanState.DONE and [each.address for each in report.found or ()] == ["30"]
        town.office.scan_orders.append(order(2))
        await asyncio.sleep(15)
        town.buses[1].cut()
        report = await ended(town, 2, within_s=400)
        assert (report.state, report.code) == (ScanState.FAILED, "line_down")
        await town.end()

    virtual_time.run(story())


def test_a_line_without_meters_is_scanned_too() -> None:
    async def story() -> None:
        town = world(SETTINGS)
        wire = town.add(plan_of(1, 0))
        wire.units[5] = TestMeter(number=202_500_000_005)
        town.start()
        await asyncio.sleep(5)
        town.office.scan_orders.append(order(1, ScanPlan(protocols=(Protocol.MODBUS,), last=10)))
        report = await ended(town)
        assert [each.address for each in report.found or ()] == ["5"]
        await town.end()

    virtual_time.run(story())


def test_a_bus_that_is_never_idle_is_scanned_all_the_same() -> None:
    async def story() -> None:
        town = world(PollSettings(status_s=1, register_s=600))
        town.add(plan_of(1, 32))
        town.start()
        await asyncio.sleep(30)
        town.office.scan_orders.append(order(1, ScanPlan(protocols=(Protocol.MODBUS,), first=40, last=60)))
        report = await ended(town)
        assert report.state is ScanState.DONE
        await town.end()

    virtual_time.run(story())


def test_reports_of_a_scan_wait_for_a_database_that_is_away() -> None:
    async def story() -> None:
        town = world(SETTINGS)
        wire = town.add(plan_of(1, 1))
        wire.units[3] = TestMeter(number=202_500_000_003)
        town.start()
        await asyncio.sleep(5)
        town.office.scan_orders.append(order(1, ScanPlan(protocols=(Protocol.MODBUS,), first=2, last=6)))
        await asyncio.sleep(3)
        town.office.away = True
        await asyncio.sleep(4)
        town.office.away = False
        report = await ended(town)
        assert report.state is ScanState.DONE and [each.address for each in report.found or ()] == ["3"]
        await town.end()

    virtual_time.run(story())
