"""Tokens asked for on a meter's page, and the reader of tokens that people bring."""

import pytest

from prewatt.core.refusals import Refused
from prewatt.core.sts import ManagementKind
from prewatt.office.estate.models import Building, Meter
from prewatt.office.estate.scope import visible_to
from prewatt.office.staff.models import AuditRow, Operator, Scope
from prewatt.office.tokens import by_hand, explaining, issuing, listings, meters, requests
from prewatt.office.tokens.asks import ManagementAsk, MeterTestAsk
from prewatt.office.tokens.listings import TokenFilters
from prewatt.office.tokens.models import TokenRequest
from prewatt.office.tokens.rack import Rack
from tests.office.tokens.scene import NOON, Scene, attributes, credit, scene

pytestmark = pytest.mark.django_db
LIMIT = ManagementAsk(kind=ManagementKind.POWER_LIMIT, amount=2_500)


@pytest.fixture
def stage() -> Scene:
    return scene()


def code(refused: pytest.ExceptionInfo[Refused]) -> str:
    return refused.value.code


def test_one_form_gives_one_token_and_another_content_is_refused(stage: Scene) -> None:
    asked = [
        by_hand.ask(stage.sts, LIMIT, request_key="k", reason="why", actor=stage.bob, at=NOON) for _twice in range(2)
    ]
    assert asked[0].pk == asked[1].pk and TokenRequest.objects.count() == 1
    other = ManagementAsk(kind=ManagementKind.POWER_LIMIT, amount=3_000)
    with pytest.raises(Refused) as refused:
        by_hand.ask(stage.sts, other, request_key="k", reason="why", actor=stage.bob, at=NOON)
    assert code(refused) == "token_message_reused"
    assert by_hand.ask(stage.sts, other, request_key="k", reason="why", actor=stage.dan, at=NOON).pk != asked[0].pk


def test_a_key_change_sent_again_after_it_was_handed_over_is_the_same_one(stage: Scene) -> None:
    def ask() -> TokenRequest:
        sts = requests.of_meter(stage.sts.meter_id)
        what = requests.key_change_of(sts, stage.new)
        return by_hand.ask(sts, what, request_key="k", reason="why", actor=stage.bob, at=NOON)

    first = ask()
    issuing.issue(first.pk, rack=stage.rack, at=NOON)
    assert by_hand.handed_over(first, actor=stage.bob, at=NOON) and ask().pk == first.pk
    with pytest.raises(Refused) as refused:
        by_hand.handed_over(first, actor=stage.alice, at=NOON)
    assert code(refused) == "not_permitted"


def test_who_may_not_and_what_takes_two_is_refused_before_anything_is_written(stage: Scene) -> None:
    for what, reason, actor, wanted in (
        (LIMIT, "why", stage.alice, "not_permitted"), (LIMIT, " ", stage.bob, "token_reason_needed"),
        (credit(10, free=True), "why", stage.bob, "token_second_person"),
        (ManagementAsk(kind=ManagementKind.CLEAR_CREDIT), "why", stage.bob, "token_second_person"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            by_hand.ask(stage.sts, what, request_key="k", reason=reason, actor=actor, at=NOON)
        assert code(refused) == wanted
    assert not TokenRequest.objects.exists()
    test = by_hand.ask(stage.sts, MeterTestAsk(control=1), request_key="k", reason="", actor=stage.bob, at=NOON)
    assert test.kind == "test", "a test needs no reason"


def test_a_cashier_says_of_credit_alone_that_it_was_entered(stage: Scene) -> None:
    stage.made(credit())
    stage.made(LIMIT, "m2")
    sold, limit = TokenRequest.objects.order_by("id")
    by_hand.said_entered(sold, how="customer", actor=stage.alice, at=NOON)
    for row, how in ((limit, "customer"), (sold, "hearsay")):
        with pytest.raises(Refused) as refused:
            by_hand.said_entered(row, how=how, actor=stage.alice, at=NOON)
        assert code(refused) == "not_permitted"


def test_what_belongs_to_a_sale_is_not_withdrawn_by_hand(stage: Scene) -> None:
    row = TokenRequest(reference="sale:1", state="waiting")
    assert not by_hand.withdrawable(row)
    with pytest.raises(Refused) as refused:
        by_hand.withdraw(row, reason="why", actor=stage.bob, at=NOON)
    assert code(refused) == "token_made"


def test_who_sees_one_building_sees_the_tokens_of_its_meters_alone(stage: Scene) -> None:
    stage.made(credit())
    site = stage.cast.site
    elsewhere = Building.objects.create(site=site, code="Z", name="Tower Z", sort=9)
    for building, count in ((elsewhere, 0), (Building.objects.exclude(pk=elsewhere.pk).get(), 1)):
        Scope.objects.filter(operator=stage.cast.bob).delete()
        Scope.objects.create(operator=stage.cast.bob, building_id=building.pk)
        seen = visible_to(Operator.objects.get(pk=stage.cast.bob.pk), Meter)
        assert len(listings.tokens(site.pk, seen, TokenFilters())) == count
        assert (listings.token(site.pk, seen, TokenRequest.objects.get().pk) is not None) is bool(count)


def test_the_reader_says_why_it_has_no_key(stage: Scene) -> None:
    [digits] = stage.made(credit())
    away = explaining.read(digits, stage.sts, rack=Rack(), actor=stage.bob, at=NOON)
    assert away.why_no_key == "vault_closed" and away.explanation.decoded is None
    given = attributes(1, krn=9)
    sts = meters.repair(stage.sts, given, reason="why", actor=stage.eva, at=NOON)
    unknown = explaining.read(digits, sts, rack=stage.rack, actor=stage.bob, at=NOON)
    assert unknown.why_no_key == "vending_key_unknown"


def test_what_is_no_token_and_what_needs_no_key_costs_no_reading(stage: Scene) -> None:
    [test] = stage.made(MeterTestAsk(control=1))
    for digits in (test, "123", "not a token"):
        found = explaining.read(digits, stage.sts, rack=stage.rack, actor=stage.bob, at=NOON)
        assert (found.explanation.decoded is not None) is (digits == test)
    assert not AuditRow.objects.filter(action="tokens.read").exists()
