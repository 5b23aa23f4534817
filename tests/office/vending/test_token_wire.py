"""Tokens entered over the line: what is sent, in which order, and what is known of it afterwards."""

from collections.abc import Callable
from typing import Any

import pytest

from prewatt.core.meters.jobs import Intent, Outcome, Verdict
from prewatt.core.refusals import Refused, texts
from prewatt.core.sts import ManagementKind, MeterProfile
from prewatt.office.changes.by_token import TokenOpening, TokenTerms, open_by_token
from prewatt.office.estate import wires
from prewatt.office.estate.models import Circuit, Meter
from prewatt.office.metering.models import JobRow, MeterState
from prewatt.office.staff.models import AuditRow
from prewatt.office.tokens import by_hand, issuing, requests
from prewatt.office.tokens.asks import ManagementAsk
from prewatt.office.tokens.models import TokenRequest
from prewatt.office.vending import token_wire
from prewatt.office.vending.models import TokenEntry
from prewatt.office.vending.read import sale_view
from tests.core.meters.bench import Fault
from tests.office.tokens.scene import NOON
from tests.office.vending.token_scene import TokenScene, build, delivery_of
from tests.office.vending.wire_scene import SOON, meter_of, on_line, open_jobs, report, talk, to_the_end

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> TokenScene:
    return on_line(build(monkeypatch))


def entry(request_id: int) -> TokenEntry:
    return TokenEntry.objects.select_related("request").get(pk=request_id)


def request_of(result: Any) -> TokenRequest:
    request = delivery_of(result).token_request
    assert request is not None
    return request


def made(scene: TokenScene, what: Any, key: str) -> TokenRequest:
    """Asked for at the meter's page, and made."""
    request = by_hand.ask(scene.sts, what, request_key=key, reason="test", actor=scene.bob, at=NOON)
    issuing.issue(request.pk, rack=scene.vaults, at=NOON)
    request.refresh_from_db()
    return request


def key_change(scene: TokenScene) -> TokenRequest:
    return made(scene, requests.key_change_of(scene.sts, scene.tokens.new), "kc")


def silent(scene: TokenScene) -> None:
    MeterState.objects.create(meter_id=scene.circuit.meter_id, silent=True, since=NOON, at=NOON)


def test_what_is_sold_to_a_meter_that_is_online_is_entered_over_its_line(scene: TokenScene) -> None:
    meter, sold = meter_of(scene), scene.sell()
    [digits] = sale_view(sold.sale)["tokens"]
    assert delivery_of(sold).state == "confirmed", "the digits are the delivery; the line only types them"
    [job] = open_jobs()
    assert job.payload["token"] == digits and job.circuit_id == scene.circuit.pk
    to_the_end(meter)
    request = request_of(sold)
    assert (entry(request.pk).state, request.entered_how) == ("entered", "wire")
    assert meter.taken == [digits]
    scene.agree()


def test_a_sale_again_or_swept_sends_nothing_twice(scene: TokenScene) -> None:
    sold = scene.sell()
    scene.sell()
    token_wire.after_sale(delivery_of(sold).pk, at=NOON)
    token_wire.sweep(at=SOON)
    assert JobRow.objects.filter(intent=Intent.ENTER_TOKEN).count() == 1


def test_what_the_customer_typed_in_first_is_entered_too(scene: TokenScene) -> None:
    meter, sold = meter_of(scene), scene.sell()
    meter.enter(sale_view(sold.sale)["tokens"][0])
    meter.enter("0" * 20)  # and something else after it
    to_the_end(meter)
    assert (entry(request_of(sold).pk).state, entry(request_of(sold).pk).code) == ("entered", "meter_token_used")
    assert request_of(sold).entered_at == SOON


@pytest.mark.parametrize("away", [silent, lambda scene: Meter.objects.update(profile="pilot-spm9511")])
def test_nothing_is_sent_by_itself_where_nobody_answers_or_takes_it(
    scene: TokenScene, away: Callable[[TokenScene], object]
) -> None:
    away(scene)
    sold = scene.sell()
    assert delivery_of(sold).state == "confirmed" and not JobRow.objects.filter(intent=Intent.ENTER_TOKEN).exists()


def test_a_button_sends_it_all_the_same_and_it_waits_for_the_meter(scene: TokenScene) -> None:
    silent(scene)
    request = request_of(scene.sell())
    first = token_wire.send(request, actor=scene.alice, at=NOON)
    assert token_wire.send(request, actor=scene.bob, at=SOON).job_id == first.job_id
    [job] = open_jobs()
    report(job, Outcome(verdict=Verdict.SILENT, code="no_reply"))
    [job] = open_jobs()
    assert entry(request.pk).state == "sending" and not job.ever_sent
    to_the_end(meter_of(scene))
    assert entry(request.pk).state == "entered"
    with pytest.raises(Refused, match="token_is_entered"):
        token_wire.send(request, actor=scene.alice, at=SOON)


def test_an_unknown_one_is_resolved_by_reading(scene: TokenScene) -> None:
    meter, request = meter_of(scene), request_of(scene.sell())
    lost = dict.fromkeys(range(2, 9), Fault.REPLY_LOST)
    outcome = talk(meter, faults=lost)
    assert outcome is not None and outcome.verdict is Verdict.UNKNOWN
    assert (entry(request.pk).state, len(meter.taken)) == ("sending", 1)
    to_the_end(meter)
    assert (entry(request.pk).state, len(meter.taken), meter.writes) == ("entered", 1, 1)


def test_tokens_go_one_at_a_time_in_the_order_they_were_made(scene: TokenScene) -> None:
    meter = meter_of(scene)
    sold = [scene.sell(key=f"k{each}") for each in range(3)]
    assert len(open_jobs()) == 1
    to_the_end(meter)
    assert meter.taken == [sale_view(each.sale)["tokens"][0] for each in sold]


def test_a_refusal_is_said_and_the_next_one_follows(scene: TokenScene) -> None:
    meter = meter_of(scene, limits=MeterProfile(register_tops=(600,) * 8))
    first, second, third = (request_of(scene.sell(key=f"k{each}")) for each in range(3))
    talk(meter)
    talk(meter)
    assert (entry(first.pk).state, entry(second.pk).state, entry(third.pk).state) == ("entered", "refused", "sending")
    assert entry(second.pk).code == "meter_token_overflow" and entry(second.pk).code in texts
    assert request_of_pk(second.pk).entered_at is None
    meter.limits = MeterProfile()
    token_wire.send(second, actor=scene.alice, at=SOON)
    to_the_end(meter)
    assert (entry(second.pk).state, entry(second.pk).round) == ("entered", 2)


def request_of_pk(request_id: int) -> TokenRequest:
    return TokenRequest.objects.get(pk=request_id)


def test_a_key_change_goes_whole_and_in_order_and_what_is_sold_meanwhile_follows_it(scene: TokenScene) -> None:
    silent(scene)
    meter, before = meter_of(scene), request_of(scene.sell())
    change = key_change(scene)
    token_wire.send(change, actor=scene.bob, at=NOON)
    scene.sts.refresh_from_db()
    assert scene.sts.krn == scene.tokens.new.krn, "handed over: what is sold from now on has the new key"
    after = request_of(scene.sell(key="k2"))
    token_wire.send(after, actor=scene.alice, at=NOON)
    assert entry(before.pk).state == "sending", "credit of the old key goes first"
    to_the_end(meter)
    assert [entry(each.pk).state for each in (before, change, after)] == ["entered"] * 3
    assert meter.taken == [*issuing_of(before), *issuing_of(change), *issuing_of(after)]


def issuing_of(request: TokenRequest) -> tuple[str, ...]:
    digits = issuing.digits_of(request.pk)
    assert digits is not None
    return digits


def test_credit_that_the_meter_may_still_take_holds_the_key_change_back(scene: TokenScene) -> None:
    silent(scene)
    meter, before = meter_of(scene, limits=MeterProfile(register_tops=(10,) * 8)), request_of(scene.sell())
    change = key_change(scene)
    token_wire.send(change, actor=scene.bob, at=NOON)
    to_the_end(meter)
    assert (entry(before.pk).state, entry(before.pk).code) == ("refused", "meter_token_overflow")
    assert (entry(change.pk).state, entry(change.pk).code) == ("stopped", "token_credit_first")
    assert not meter.taken


def test_a_set_that_was_typed_in_long_ago_does_not_keep_the_credit_behind_it_back(scene: TokenScene) -> None:
    meter, change = meter_of(scene), key_change(scene)
    by_hand.handed_over(change, actor=scene.bob, at=NOON)
    for digits in issuing_of(change):
        meter.enter(digits)
    after = request_of(scene.sell())
    to_the_end(meter)
    assert entry(after.pk).state == "entered"
    assert entry(change.pk).code in ("meter_token_crc", "")


def test_a_key_change_of_which_an_earlier_try_got_through_is_left_to_a_person(scene: TokenScene) -> None:
    meter, change = meter_of(scene), key_change(scene)
    token_wire.send(change, actor=scene.bob, at=NOON)
    talk(meter)  # the first of two
    lost = dict.fromkeys(range(2, 9), Fault.REPLY_LOST)
    talk(meter, faults=lost)  # the second: taken, and nobody heard
    meter.enter(issuing_of(change)[-1])  # typed in again by somebody
    to_the_end(meter)
    assert (entry(change.pk).state, entry(change.pk).code) == ("unclear", "meter_token_crc")
    assert request_of_pk(change.pk).entered_at is None


def test_a_management_token_is_sent_by_whoever_makes_some_and_by_nobody_else(scene: TokenScene) -> None:
    limit = made(scene, ManagementAsk(kind=ManagementKind.POWER_LIMIT, amount=3_000), "pl")
    with pytest.raises(Refused, match="not_permitted"):
        token_wire.send(limit, actor=scene.alice, at=NOON)
    token_wire.send(limit, actor=scene.bob, at=NOON)
    meter = meter_of(scene)
    to_the_end(meter)
    assert entry(limit.pk).state == "entered" and meter.sts.power_limit_w == 3_000
    assert AuditRow.objects.filter(action="tokens.send", object_id=str(limit.pk)).count() == 1


def test_what_waits_can_be_stopped_and_what_may_have_left_cannot(scene: TokenScene) -> None:
    first, second = request_of(scene.sell()), request_of(scene.sell(key="k2"))
    token_wire.stop(first, actor=scene.alice, at=SOON)
    assert (entry(first.pk).state, entry(second.pk).state) == ("stopped", "sending")
    talk(meter_of(scene), faults=dict.fromkeys(range(2, 9), Fault.REPLY_LOST))
    with pytest.raises(Refused, match="token_send_running"):
        token_wire.stop(second, actor=scene.alice, at=SOON)


def expire(request: TokenRequest, **more: Any) -> None:
    job = token_wire.job_of(entry(request.pk))
    assert job is not None
    JobRow.objects.filter(pk=job.pk).update(state="dropped", code="expired", **more)


def test_a_meter_that_is_away_for_a_day_leaves_the_typing_to_people(scene: TokenScene) -> None:
    request = request_of(scene.sell())
    expire(request)
    assert token_wire.sweep(at=SOON) == 1
    assert (entry(request.pk).state, entry(request.pk).code) == ("stopped", "token_not_sent")
    other = request_of(scene.sell(key="k2"))
    expire(other, ever_sent=True)
    token_wire.sweep(at=SOON)
    assert entry(other.pk).state == "unclear"
    again = token_wire.send(other, actor=scene.alice, at=SOON)
    assert again.ever_sent and open_jobs()[0].payload["again"], "the meter is asked before anything is written"


def test_a_meter_without_such_a_line_refuses_the_button(scene: TokenScene) -> None:
    Meter.objects.filter(pk=scene.circuit.meter_id).update(line=None, unit=0)
    request = request_of(scene.sell())
    with pytest.raises(Refused, match="token_wire_none"):
        token_wire.send(request, actor=scene.alice, at=NOON)
    assert not TokenEntry.objects.exists()


def test_a_queue_that_nobody_moves_on_is_found(scene: TokenScene) -> None:
    silent(scene)
    request = request_of(scene.sell())
    TokenEntry.objects.create(
        request=request, sts_meter=scene.sts, circuit=scene.circuit, actor="system", asked_at=NOON, changed_at=NOON
    )
    assert token_wire.sweep(at=SOON) == 1 and entry(request.pk).state == "sending"
    assert token_wire.sweep(at=SOON) == 0


def test_the_loops_of_a_meter_without_a_keypad_are_sold_to_by_token_each_at_its_own_place(scene: TokenScene) -> None:
    """Twenty digits name a meter and no loop: where somebody could type them, more than one loop is refused."""
    meter = Meter.objects.get(pk=scene.circuit.meter_id)
    second = Circuit.objects.create(site_id=scene.site_id, meter=meter, index=2)
    command = TokenOpening(
        key="o2", circuit=second, customer=scene.contract.customer, contract=None, registers=None,
        terms=TokenTerms(plan=scene.tokens.cast.plan, hoarding_limit=0), till=scene.tokens.cast.window,
        actor=scene.bob, at=NOON,
    )  # fmt: skip
    with pytest.raises(Refused, match="token_one_circuit"):
        open_by_token(command)
    Meter.objects.filter(pk=meter.pk).update(profile="pilot-spm2506-6")
    opened = open_by_token(command)
    silent(scene)
    request = request_of(scene.sell(contract_number=opened.contract.number, circuit_id=second.pk))
    assert entry(request.pk).state == "sending", "there is no keypad: it waits for the line"
    assert open_jobs()[0].payload["circuit_index"] == 2


def test_a_keypad_meter_cannot_be_hung_on_a_line(scene: TokenScene) -> None:
    meter = Meter.objects.select_related("site").get(pk=scene.circuit.meter_id)
    Meter.objects.filter(pk=meter.pk).update(line=None, unit=0, profile="sts-keypad")
    meter.refresh_from_db()
    with pytest.raises(Refused, match="meter_without_wire"):
        wires.move_meter(meter, scene.tokens.cast.line, unit=9, actor="system", at=NOON)
