"""Two meters exchanged for two others while all of them live: one whose credit the books hold, and one with a purse.

From the console's form to the new meters' relays, with a head-end, a worker and a simulated bus."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prewatt.core.meters.jobs import Wish
from prewatt.core.meters.quantities import StatusBit
from prewatt.office.billing.openings import open_server_held
from prewatt.office.changes.models import Swap, SwapPart
from prewatt.office.estate.models import Circuit, Line, PlanAssignment, SupplyPoint
from prewatt.office.estate.wires import touch
from prewatt.office.ledger import books
from prewatt.office.metering import wishes
from prewatt.office.metering.models import JobRow, MaintenanceTag, RelayWish
from prewatt.office.staff.actors import of_operator
from prewatt.office.vending.audits import audit_books
from prewatt.office.vending.models import Delivery
from prewatt.office.vending.sales import SellCommand, sell
from tests.cast import Cast, assemble
from tests.journeys.parts import Parts, SimulatedSite, as_, asked, until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
PURSE, HELD = "260311000001", "260311000002"  # of the cast
NEW_PURSE, NEW_HELD = "260311990001", "260311990002"
FULL_WH = 1_234_000


def circuit(balance_wh: int = 0, count: int = 0, energy_wh: int = 0) -> list[dict[str, object]]:
    opening = {"balance_wh": balance_wh, "purchase_count": count, "purchased_total_wh": balance_wh,
               "energy_wh": energy_wh}  # fmt: skip
    return [{"index": 1, "opening": opening}]


SITE = {
    "lines": [{"id": "bus", "transport": "rtu-over-tcp", "port": 0, "baud": 9600, "turnaround_ms": 5}],
    "meters": [
        {"number": PURSE, "profile": "pilot-spm9511", "unit": 1, "line": "bus",
         "circuits": circuit(50_000, 5, FULL_WH)},
        {"number": HELD, "profile": "acrel-ddsy1352", "unit": 2, "line": "bus", "circuits": circuit(0, 0, FULL_WH)},
        {"number": NEW_PURSE, "profile": "pilot-spm9511", "unit": 11, "line": "bus",
         "circuits": circuit(3_000, 2, 70)},  # somebody tried it in the workshop
        {"number": NEW_HELD, "profile": "acrel-ddsy1352", "unit": 12, "line": "bus", "circuits": circuit(0, 0, 70)},
    ],
}  # fmt: skip


class Stage:
    def __init__(self, parts: Parts) -> None:
        self.cast: Cast = assemble()
        self.parts, self.site = parts, SimulatedSite(parts, SITE)
        Line.objects.filter(pk=self.cast.line.pk).update(port=self.site.ports["bus"], baud=9600)
        touch(self.cast.gateway)
        self.open_102()
        parts.head_end("head")
        parts.start("worker", "worker")

    def open_102(self) -> None:
        """From today on, as at the counter: charging knows it from its first reading."""
        given, now = self.cast.supply_102, datetime.now(UTC)
        PlanAssignment.objects.filter(supply_point=given).delete()
        given.delete()
        open_server_held(
            given.contract, given.circuit, self.cast.plan, overdraft=0, alarm_1=5_000, alarm_2=1_000, valid_from=now,
            actor="system", at=now,
        )  # fmt: skip

    def read_after(self, one: Circuit, since: datetime) -> bool:
        return bool(asked("SELECT 1 FROM metering_latest WHERE circuit_id = %s AND at > %s", one.pk, since))

    def read_now(self, *circuits: Circuit) -> None:
        since = datetime.now(UTC)
        until(lambda: all(self.read_after(each, since) for each in circuits), f"read again: {self.parts.said()}")

    def counter_and_balance(self, one: Circuit) -> None:
        """Wait for a register read, which brings both of one moment: income is reckoned from it."""
        question = (
            "SELECT 1 FROM metering_reading WHERE circuit_id = %s AND at > %s AND energy_wh IS NOT NULL"
            " AND balance IS NOT NULL"
        )
        since = datetime.now(UTC)
        until(lambda: bool(asked(question, one.pk, since)), f"{one} is read whole: {self.parts.said()}")

    def sell(self, key: str, one: Circuit, contract: str, amount_minor: int) -> Delivery:
        made = sell(SellCommand(
            key=key, contract_number=contract, circuit_id=one.pk, till_id=self.cast.till.pk, amount_minor=amount_minor,
            actor=of_operator(self.cast.alice), at=datetime.now(UTC),
        )).sale  # fmt: skip
        until(lambda: Delivery.objects.get(sale=made).state == "confirmed", f"{key} is confirmed: {self.parts.said()}")
        return Delivery.objects.get(sale=made)

    def stands(self, one: Circuit, number: str, force: StatusBit, relay: str) -> None:
        """Wait until the meter says whose word its relay follows, and its contacts are so."""

        def so() -> bool:
            [(status,)] = asked("SELECT status FROM metering_latest WHERE circuit_id = %s", one.pk) or [(0,)]
            return bool(status & wishes.BITS[force]) and self.site.meter(number)["circuits"][0]["relay"] == relay

        until(so, f"{number} {force} {relay}: {self.parts.said()}")

    def exchanged(self, one: Circuit, number: str, profile: str, unit: int) -> SwapPart:
        """By the console: see what would change, then do it."""
        client, address = as_(self.cast.bob), f"/console/meters/{one.meter_id}/swap"
        form = {
            "number": number, "profile": profile, "line": str(self.cast.line.pk), "unit": str(unit), "ratio": "1",
            "source": "read", "found": "clear", "till": str(self.cast.window.pk), "reason": "its display is dead",
            "request_key": number,
        }  # fmt: skip
        page = client.post(address, form).content.decode()
        assert 'data-test="swap-sure"' in page, re.findall('class="pw-plain.*', page)
        answer = client.post(address, {**form, "sure": "1"})
        made = Swap.objects.get(old_meter_id=one.meter_id)
        assert answer["Location"] == f"/console/swaps/{made.pk}"
        return made.parts.select_related("new_circuit__meter", "new_supply").get()

    def done(self, part: SwapPart) -> None:
        until(lambda: SwapPart.objects.get(pk=part.pk).state == "done", f"it is over: {self.told(part)}")
        slip = as_(self.cast.bob).get(f"/console/swaps/{part.swap_id}").content.decode()
        assert 'data-state="done"' in slip

    def told(self, part: SwapPart) -> object:
        return SwapPart.objects.filter(pk=part.pk).values(), list(JobRow.objects.values_list("intent", "state", "code"))


@pytest.fixture
def stage(tmp_path: Path, transactional_db: None) -> Iterator[Stage]:
    parts = Parts(home=tmp_path)
    try:
        yield Stage(parts)
    finally:
        parts.end()


def test_both_kinds_of_credit_go_on_in_new_meters_that_live(stage: Stage) -> None:
    cast, later = stage.cast, datetime.now(UTC) + timedelta(hours=1)
    purse, held = cast.shop_101, cast.shop_102
    stage.read_now(purse, held)
    until(lambda: SupplyPoint.objects.get(circuit=held).state == "open", f"102 is opened: {stage.parts.said()}")
    stage.sell("k1", purse, "30010101", 9_200)  # 100 kWh, on top of the 50 of before
    stage.sell("k2", held, "30010102", 5_000)
    stage.stands(held, HELD, StatusBit.KEPT_ON, "closed")
    said = {"reason": "a sick child", "actor": "operator:1", "at": datetime.now(UTC)}
    wishes.set_wish(purse, Wish.KEEP_ON, until=later, request_key="w1", **said)  # type: ignore[arg-type]
    wishes.set_wish(held, Wish.TRIP, until=None, request_key="w2", **said)  # type: ignore[arg-type]
    wishes.hang_tag(held, name="Wu Lei", reason="new cable", until=later, actor="operator:1", at=datetime.now(UTC))
    stage.stands(held, HELD, StatusBit.COMMAND_TRIP, "open")
    stage.stands(purse, PURSE, StatusBit.KEPT_ON, "closed")
    until(lambda: not JobRow.objects.filter(state__in=("queued", "claimed"), intent="relay").exists(), "it is told")
    stage.read_now(purse, held)
    stage.counter_and_balance(purse)

    the_purse_goes_on(stage, purse)
    the_books_go_on(stage, held)
    assert audit_books() == []
    found = books.books(cast.company.pk)
    assert found.debit_minor == found.credit_minor
    assert not asked("SELECT 1 FROM alarms_alarm WHERE cleared_at IS NULL AND circuit_id = ANY (%s)",
                     [purse.pk, held.pk]), "nothing is said any more of meters that are gone"  # fmt: skip


def the_purse_goes_on(stage: Stage, old: Circuit) -> None:
    left = stage.site.meter(PURSE)["circuits"][0]["balance"]
    part = stage.exchanged(old, NEW_PURSE, "pilot-spm9511", 11)
    stage.done(part)
    part.refresh_from_db()
    new = stage.site.meter(NEW_PURSE)["circuits"][0]
    assert part.credit == left == 150_000 and part.final_wh == FULL_WH
    moved = [each for each in new["accepted"] if each["kind"] == "purchase"]
    assert [each["amount"] for each in moved] == [left], "once, and what the workshop left was cleared before"
    assert new["balance"] == left and stage.site.meter(PURSE)["circuits"][0]["balance"] == left, "the old one is off"
    assert (RelayWish.objects.get(circuit=part.new_circuit).wish, RelayWish.objects.filter(circuit=old).count()) == (
        "keep_on", 0,
    )  # fmt: skip
    stage.stands(part.new_circuit, NEW_PURSE, StatusBit.KEPT_ON, "closed")
    delivery = stage.sell("k3", part.new_circuit, "30010101", 4_600)
    new = stage.site.meter(NEW_PURSE)["circuits"][0]
    assert (new["balance"], new["purchase_count"]) == (left + 50_000, delivery.expected_count)


def the_books_go_on(stage: Stage, old: Circuit) -> None:
    account = SupplyPoint.objects.get(circuit=old).credit_account_id
    assert account is not None
    before = books.running(account)
    part = stage.exchanged(old, NEW_HELD, "acrel-ddsy1352", 12)
    stage.done(part)
    part.refresh_from_db()
    assert (part.final_wh, books.running(account)) == (FULL_WH, before) and part.new_supply.credit_account_id == account
    new = part.new_circuit
    stage.stands(new, NEW_HELD, StatusBit.COMMAND_TRIP, "open")
    bob = {"actor": f"operator:{stage.cast.bob.pk}", "at": datetime.now(UTC)}
    wish = {"reason": "all is well", "until": None}
    tag = MaintenanceTag.objects.get(removed_at=None)
    assert (tag.circuit_id, tag.name) == (new.pk, "Wu Lei")
    wishes.remove_tag(new, **bob)  # type: ignore[arg-type]
    wishes.set_wish(new, Wish.AUTOMATIC, request_key="w3", **wish, **bob)  # type: ignore[arg-type]
    stage.stands(new, NEW_HELD, StatusBit.KEPT_ON, "closed")
    stage.site.post(f"/meters/{NEW_HELD}", {"load_w": 500_000})
    until(lambda: books.running(account) < before - 50, f"what it counts is charged: {stage.parts.said()}")
    stage.site.post(f"/meters/{NEW_HELD}", {"load_w": 0})
    stage.sell("k4", new, "30010102", 1_000)
