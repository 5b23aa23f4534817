"""Selling to a meter that is never online: credit travels as twenty digits."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prewatt.core.refusals import Refused
from prewatt.core.sts import Answer
from prewatt.core.tariffs.quote import TENTH_WH
from prewatt.office.changes.by_token import Registers, read_by_hand
from prewatt.office.metering.models import JobRow
from prewatt.office.staff.models import AuditRow
from prewatt.office.tokens import campaigns, course, issuing, keys
from prewatt.office.tokens.models import TokenRequest
from prewatt.office.vending import by_token, deliveries, orders, recounts
from prewatt.office.vending.models import Act, Delivery, Receipt, Sale
from prewatt.office.vending.quotes import quote
from prewatt.office.vending.read import sale_view
from tests.office.tokens.scene import NOON
from tests.office.vending.token_scene import TokenScene, build, delivery_of

NOW_S = int(NOON.timestamp())
SOON = NOON + timedelta(seconds=10)
pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> TokenScene:
    return build(monkeypatch)


def code_of(scene: TokenScene, **changes: object) -> str:
    before = Sale.objects.count(), Delivery.objects.count(), TokenRequest.objects.count(), scene.books()
    with pytest.raises(Refused) as caught:
        scene.sell(**changes)  # type: ignore[arg-type]
    assert (Sale.objects.count(), Delivery.objects.count(), TokenRequest.objects.count(), scene.books()) == before
    return caught.value.code


def swept(scene: TokenScene) -> None:
    """What the worker does every ten seconds."""
    issuing.sweep(rack=scene.rack, at=SOON)
    deliveries.sweep(at=SOON)


def said(scene: TokenScene, amount_minor: int = 5000) -> list[str]:
    made = quote(scene.contract.number, scene.circuit.pk, amount_minor, NOON)
    return [each.code.value for each in made.warnings]


def test_a_sale_gives_digits_that_the_meter_takes(scene: TokenScene) -> None:
    first = scene.sell()
    assert (first.sale.credit, first.sale.credit_unit) == (54_400, "Wh")  # 50.00 at 0.92, up to the next tenth
    [digits] = sale_view(first.sale)["tokens"]
    meter = scene.keypad()
    assert meter.enter(digits, NOW_S).answer is Answer.ACCEPT
    assert meter.state.registers[0] == 544
    assert meter.enter(digits, NOW_S).answer is Answer.USED
    delivery = delivery_of(first)
    assert (delivery.state, delivery.expected_count, delivery.job_id) == ("confirmed", 1, None)
    assert (JobRow.objects.count(), delivery.load_deadline) == (0, None)
    assert scene.books() == (0, 5000, 5000)
    data = Receipt.objects.get(sale=first.sale).data
    assert (data["carrier"], data["purchase_count"], data["credit"]) == ("token", 1, 54_400)
    scene.agree()


def test_the_same_key_shows_the_same_digits_and_another_sale_others(scene: TokenScene) -> None:
    first, again, other = scene.sell(), scene.sell(), scene.sell(key="k2")
    assert again.replayed and again.sale.pk == first.sale.pk
    assert sale_view(again.sale)["tokens"] == sale_view(first.sale)["tokens"] != sale_view(other.sale)["tokens"]
    assert other.sale.credit == 54_300, "what the first rounded up is taken off"
    assert TokenRequest.objects.count() == 2 and code_of(scene, amount_minor=6000) == "key_reused"
    scene.agree()


# not less than 10.00: a large token is rounded up by as much as 9.20, which is taken off the next sale
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    amount=st.one_of(st.integers(1_000, 5_000_000), st.integers(150_000, 170_000), st.integers(1_650_000, 1_670_000))
)
def test_the_meter_gets_exactly_what_the_books_carry(scene: TokenScene, amount: int) -> None:
    sale = scene.sell(key=f"k{Sale.objects.count()}", amount_minor=amount).sale
    [digits] = sale_view(sale)["tokens"]
    meter = scene.keypad()
    assert meter.enter(digits, NOW_S).answer is Answer.ACCEPT
    request = TokenRequest.objects.get(reference=f"sale:{sale.pk}")
    assert meter.state.registers[0] == request.carried == sale.credit // TENTH_WH
    # exact to the fraction over all sales, and never below what was paid
    worth = sum(each.credit * each.price / 10 for each in Sale.objects.all())
    paid = sum(each.amount_minor for each in Sale.objects.all())
    assert worth - paid == sale.carried_after >= 0
    scene.agree()


def test_with_the_vault_closed_the_sale_stands_and_its_token_follows(scene: TokenScene) -> None:
    scene.lock_vault()
    sold = scene.sell()
    assert (delivery_of(sold).state, sale_view(sold.sale)["tokens"]) == ("waiting", [])
    assert scene.books() == (5000, 0, 5000)
    assert code_of(scene, key="k2") == "delivery_open"
    scene.agree()
    swept(scene)
    assert delivery_of(sold).state == "waiting"
    scene.unlock_vault()
    swept(scene)
    assert delivery_of(sold).state == "confirmed" and len(sale_view(sold.sale)["tokens"]) == 1
    assert scene.sell().replayed and scene.books() == (0, 5000, 5000)
    scene.agree()


def test_pressing_again_makes_the_token_at_once(scene: TokenScene) -> None:
    scene.lock_vault()
    sold = scene.sell()
    scene.unlock_vault()
    assert scene.sell().replayed and delivery_of(sold).state == "confirmed"


@pytest.mark.parametrize("dies_at", ["issue", "settle"])
def test_whoever_dies_after_the_sale_loses_nothing(
    scene: TokenScene, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(issuing if dies_at == "issue" else by_token, dies_at, dies)
        scene.sell()
    delivery = Delivery.objects.get()
    assert delivery.state == "waiting" and scene.books() == (5000, 0, 5000)
    made = issuing.digits_of(delivery.token_request_id or 0)
    assert (made is None) is (dies_at == "issue")
    scene.agree()
    swept(scene)
    delivery.refresh_from_db()
    assert delivery.state == "confirmed" and scene.books() == (0, 5000, 5000)
    assert made in (None, issuing.digits_of(delivery.token_request_id or 0))
    deliveries.sweep(at=SOON)
    assert Delivery.objects.count() == TokenRequest.objects.count() == 1
    scene.agree()


def test_whoever_dies_before_the_commit_has_sold_nothing(scene: TokenScene, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(by_token, "ask_for_sale", dies)
        scene.sell()
    assert (Sale.objects.count(), Delivery.objects.count(), scene.books()) == (0, 0, (0, 0, 0))
    assert not scene.sell().replayed
    scene.agree()


def test_a_token_that_may_not_be_asked_for_leaves_no_sale(scene: TokenScene) -> None:
    tokens = scene.tokens
    keys.limit(
        tokens.old, tokens_a_day=1, tenths_a_day=None, money_e5_a_day=None, reason="x", actor=tokens.eva, at=NOON
    )
    scene.sell()
    assert code_of(scene, key="k2") == "vending_limit"
    keys.limit(
        tokens.old, tokens_a_day=None, tenths_a_day=None, money_e5_a_day=None, reason="x", actor=tokens.eva, at=NOON
    )
    scene.sts.kt = 1
    scene.sts.save(update_fields=["kt"])
    assert code_of(scene, key="k2") == "vending_key_unknown", "no credit under a default key"
    scene.sts.kt, scene.sts.credit_kind = 2, 4
    scene.sts.save(update_fields=["kt", "credit_kind"])
    assert code_of(scene, key="k2") == "token_credit_kind", "a plan per kWh does not price a meter that counts money"
    scene.agree()


def test_a_key_change_set_that_goes_with_the_purchase_comes_first(scene: TokenScene) -> None:
    tokens, meter = scene.tokens, scene.keypad()
    drafted = campaigns.draft(
        scene.sts.site, campaigns.Selection(meter_ids=(scene.sts.pk,)), name="k", new_key=tokens.new,
        request_key="c1", with_next_purchase=True, actor=tokens.bob, at=NOON,
    )  # fmt: skip
    campaigns.step(drafted, "start", actor=tokens.bob, at=NOON)
    sale = scene.sell().sale
    shown = sale_view(sale)["tokens"]
    assert len(shown) == 3
    assert [meter.enter(digits, NOW_S).answer for digits in shown] == [Answer.KEY_PART_1, Answer.ACCEPT, Answer.ACCEPT]
    assert meter.state.registers[0] == 544
    assert sale_view(scene.sell(key="k2").sale)["tokens"][:2] == shown[:2], "until the set is known to be entered"
    course.entered(TokenRequest.objects.get(kind="key_change").pk, how="keypad", actor="system", at=SOON)
    later = scene.sell(key="k3", at=SOON + timedelta(minutes=1)).sale
    assert len(sale_view(later)["tokens"]) == 1 and sale_view(sale)["tokens"] == shown, "what was given stays as it was"
    scene.agree()


def test_rewriting_shows_the_same_digits_and_leaves_a_trace(scene: TokenScene) -> None:
    scene.lock_vault()
    sold = scene.sell()
    with pytest.raises(Refused, match="token_not_made"):
        orders.rewrite(delivery_of(sold), reason="lost", actor=scene.alice, key="w0", at=NOON)
    scene.unlock_vault()
    swept(scene)
    shown = sale_view(sold.sale)["tokens"]
    act = orders.rewrite(delivery_of(sold), reason="lost", actor=scene.alice, key="w1", at=SOON)
    assert orders.rewrite(delivery_of(sold), reason="lost", actor=scene.alice, key="w1", at=SOON).replayed
    assert (act.act.kind, act.act.state, act.act.evidence) == ("rewrite", "done", {"reprint": True})
    assert sale_view(sold.sale)["tokens"] == shown and TokenRequest.objects.count() == 1
    assert AuditRow.objects.filter(action="tokens.reprint").count() == 1
    assert Act.objects.count() == 1 and JobRow.objects.count() == 0
    scene.agree()


def test_a_limit_is_judged_by_what_is_known_and_the_quote_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = build(monkeypatch, hoarding_limit=200_000)
    assert said(scene) == ["limit_not_judged"]
    scene.sell(amount_minor=50_000)
    read_by_hand(scene.supply, Registers(energy_wh=900_000, credit_wh=100_000), actor=scene.alice, at=NOON)
    assert said(scene) == ["limit_estimated"]
    sold = scene.sell(key="k2", at=SOON)
    assert sold.sale.balance_before == 100_000
    assert code_of(scene, key="k3", at=SOON) == "hoarding_limit", "100 read, 54 given out since, 54 more"
    later = NOON + timedelta(days=32)
    assert scene.sell(key="k4", at=later).sale.balance_before is None, "a reading of last month says nothing of today"
    scene.agree()


def test_who_holds_many_tokens_is_warned_before_he_pays(scene: TokenScene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.sell()
    assert said(scene) == []
    monkeypatch.setattr(course, "MARGIN", 49)
    made = quote(scene.contract.number, scene.circuit.pk, 5000, NOON)
    [warning] = made.warnings
    assert (warning.code.value, warning.params) == ("tokens_not_entered", {"held": 1, "remembered": 50})
    course.entered(TokenRequest.objects.get().pk, how="keypad", actor="system", at=NOON)
    assert said(scene) == []


def test_a_restored_backup_waits_for_no_meter_that_nobody_can_ask(scene: TokenScene) -> None:
    held = recounts.begin(at=NOON)
    assert held == 1, "shop 101 alone"
    assert not scene.sell().replayed
