"""From `prewatt init` to a supply that is cut and restored, on meters that hold nothing of ours.

A manager's afternoon with publicly documented meters: the names of the issue's section 4, played once in order.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.journeys.real import PRICE, Afternoon, number_of, sheets, written
from tests.journeys.running import call

pytestmark = [pytest.mark.processes, pytest.mark.time_limit(420)]
CLOSED, TRIPPED = (0x57, [1, 0]), (0x57, [1, 1])
DRAIN_W = 400_000  # 2 yuan in some twenty seconds


@pytest.fixture(scope="module")
def afternoon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Afternoon]:
    """Two contracts with a room each, and one with two rooms that share a balance."""
    found = Afternoon(tmp_path_factory.mktemp("real"), ("C-1", "C-2", "C-3", "C-3"), PREWATT_POLL_S="5")
    try:
        yield found
    finally:
        found.end()


def test_1_init_names_the_company_once(afternoon: Afternoon) -> None:
    done = afternoon.init()
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    told = json.loads(line.removeprefix("PREWATT-INIT "))
    assert line.startswith("PREWATT-INIT ") and set(told) == {"admin", "password", "api_key"} and told["admin"] == "li"
    afternoon.key = told["api_key"]
    again = afternoon.init()
    assert (again.returncode, again.stdout) == (2, "") and again.stderr.strip()


def test_2_the_spreadsheet_goes_in_whole_once_and_never_by_half(afternoon: Afternoon) -> None:
    content = sheets(afternoon.line.port, afternoon.contracts)
    counts = {name: len(rows) for name, rows in content.items()}
    wrong = {**content, "meters": [{**content["meters"][0], "profile": "no-such"}, *content["meters"][1:]]}
    bad = afternoon.command("import", str(written(afternoon.folder.with_name("wrong"), wrong)))
    refusals = [json.loads(line) for line in bad.stdout.splitlines()]
    assert bad.returncode == 2 and {"sheet", "row", "code", "message"} == set(refusals[0])
    assert (refusals[0]["sheet"], refusals[0]["row"]) == ("meters", 2) and set(refusals[-1]) == {"created", "unchanged"}
    folder = str(written(afternoon.folder, content))
    for words, key in (["import", folder, "--dry-run"], "created"), (["import", folder], "created"), (
        ["import", folder], "unchanged"
    ):  # fmt: skip
        done = afternoon.command(*words)
        assert done.returncode == 0, (done.stdout, done.stderr)
        last = json.loads(done.stdout.splitlines()[-1])
        assert {name: number for name, number in last[key].items() if number} == counts, (words, last)


def test_3_it_serves_the_site_and_tells_no_secret(afternoon: Afternoon) -> None:
    afternoon.start()
    ready = {name for name in afternoon.site.ready if name != "api_key"}
    assert not ready & {"logins", "sim_url"} and afternoon.site.child("simulate") is None
    out = (afternoon.site.home.parent / f"{afternoon.site.home.name}.out").read_text(encoding="utf-8")
    assert afternoon.key not in out


def test_4_the_first_good_reading_opens_and_an_empty_balance_has_no_supply(afternoon: Afternoon) -> None:
    for foreign in afternoon.line.meters:
        found = afternoon.until(number_of(foreign.unit), lambda it: it["state"] == "arrears" and it["relay"] == "open")
        assert (found["custody"], found["credit_unit"], found["balance"]) == ("server", "CNY", 0)
        assert found["energy_wh"] == int(foreign.energy_wh) // 10 * 10
        assert (foreign.force, foreign.state) == (1, 1)
    assert afternoon.statement("C-1")["used_minor"] == 0, "nothing before the opening is billed"


def test_5_a_sale_restores_and_use_drains_it_to_a_cut(afternoon: Afternoon) -> None:
    meter, foreign = number_of(1), afternoon.foreign(1)
    start = foreign.energy_wh
    afternoon.paid(meter, 200)
    found = afternoon.until(meter, lambda it: it["relay"] == "closed")
    assert found["balance"] == 200 and foreign.writes[-1] == CLOSED
    foreign.load_w = DRAIN_W
    afternoon.until(meter, lambda it: it["relay"] == "open" and it["state"] == "arrears")
    assert foreign.writes[-1] == TRIPPED
    foreign.load_w = 0
    used_wh = int(foreign.energy_wh) // 10 * 10 - int(start) // 10 * 10
    due = int(Decimal(used_wh) * Decimal(PRICE) / 10)  # 1 Wh at 1 yuan a kWh is 0.1 fen
    found = afternoon.until(meter, lambda it: abs(it["balance"] - (200 - due)) <= 1)
    told = afternoon.statement("C-1")
    assert told["opening_minor"] == told["returned_minor"] == 0 and told["paid_minor"] == 200
    assert told["closing_minor"] == found["balance"] == 200 - told["used_minor"]
    assert sum(line["amount_minor"] for line in told["lines"]) == told["used_minor"]
    assert sum(line["energy_wh"] for line in told["lines"]) == used_wh
    assert {Decimal(line["price"]) for line in told["lines"]} == {Decimal(PRICE)}
    ordered = sorted(told["lines"], key=lambda line: str(line["from"]))
    assert all(one["to"] <= two["from"] for one, two in zip(ordered, ordered[1:], strict=False))
    assert {line["circuit_id"] for line in told["lines"]} == {found["id"]}


def test_6_money_that_comes_while_the_line_is_dead_restores_when_it_is_back(afternoon: Afternoon) -> None:
    meter, foreign = number_of(1), afternoon.foreign(1)
    afternoon.line.unplug()
    afternoon.until(meter, lambda it: it["state"] == "offline")
    afternoon.paid(meter, 1_000)
    time.sleep(10)  # some polls that nobody answers
    afternoon.line.plug()
    found = afternoon.until(meter, lambda it: it["relay"] == "closed")
    assert found["balance"] > 0 and foreign.writes[-1] == CLOSED


def test_7_one_balance_for_the_circuits_of_a_contract(afternoon: Afternoon) -> None:
    afternoon.paid(number_of(3), 500)
    both = [afternoon.until(each, lambda it: it["relay"] == "closed") for each in (number_of(3), number_of(4))]
    assert [each["balance"] for each in both] == [500, 500] and both[0]["contract_number"] == "C-3"
    status, sale = afternoon.site.sell(both[1], 300)
    assert status == 201
    assert afternoon.circuit(number_of(3))["balance"] == 800
    status, back = afternoon.site.api("POST", f"/sales/{sale['id']}/reversal", {"reason": "typed twice"})
    assert status == 201, back
    assert afternoon.statement("C-3")["paid_minor"] == 500 == afternoon.circuit(number_of(4))["balance"]
    for foreign in afternoon.line.meters[2:]:
        foreign.load_w = DRAIN_W
    for each in (number_of(3), number_of(4)):
        afternoon.until(each, lambda it: it["relay"] == "open" and it["balance"] <= 0)
    for foreign in afternoon.line.meters[2:]:
        foreign.load_w = 0
    told = afternoon.statement("C-3")
    assert {line["circuit_id"] for line in told["lines"]} == {each["id"] for each in both}


def test_8_an_operator_keeps_on_what_credit_would_cut(afternoon: Afternoon) -> None:
    meter, foreign = number_of(2), afternoon.foreign(2)
    found = afternoon.circuit(meter)
    until = datetime.now(UTC) + timedelta(seconds=40)
    wish = {"wish": "keep_on", "reason": "a sick child", "until": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
    status, told = afternoon.site.api("POST", f"/circuits/{found['id']}/relay", wish)
    assert status == 202, told
    assert afternoon.until(meter, lambda it: it["relay"] == "closed")["wish"] == "keep_on"
    found = afternoon.until(meter, lambda it: it["relay"] == "open")
    assert found["wish"] == "automatic" and foreign.writes[-1] == TRIPPED


def test_9_the_relay_was_never_handed_to_the_meters_own_purse(afternoon: Afternoon) -> None:
    for foreign in afternoon.line.meters:
        assert foreign.writes, "every meter was told at least once"
        assert all(each in (CLOSED, TRIPPED) for each in foreign.writes), foreign.writes
    _, books = afternoon.site.api("GET", "/books")
    assert books["debit_minor"] == books["credit_minor"] and books["in_delivery_minor"] == 0


def test_x_the_same_books_after_a_stop_and_a_start(afternoon: Afternoon) -> None:
    before = [afternoon.statement(f"C-{n}") for n in (1, 2, 3)]
    assert afternoon.site.stop() == 0
    afternoon.start()
    afternoon.site.healthy(60)
    assert [afternoon.statement(f"C-{n}") for n in (1, 2, 3)] == before
    status, _ = call("GET", afternoon.site.ready["url"] + "/api/v1/circuits", None, {"X-API-Key": "prewatt-demo"})
    assert status == 401
