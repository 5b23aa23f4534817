"""What can be taken back of credit that travels as a token: all before there are digits, afterwards what a clear-credit
token took out of the meter."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from prewatt.core.refusals import Refused
from prewatt.core.sts import Answer, ManagementKind
from prewatt.office.changes.by_token import TokenOpening, TokenTerms, open_by_token
from prewatt.office.estate.models import Circuit, Meter
from prewatt.office.metering.models import JobRow
from prewatt.office.staff.actors import Actor
from prewatt.office.tokens import course, issuing, proposals
from prewatt.office.tokens.asks import ManagementAsk
from prewatt.office.tokens.models import TokenRequest
from prewatt.office.tokens.rack import Rack
from prewatt.office.tokens.vault import Order
from prewatt.office.vending import by_token, deliveries, make_ups, returns, shifts
from prewatt.office.vending.models import Delivery, Sale, Till
from prewatt.office.vending.read import sale_view
from prewatt.office.vending.reversals import reverse
from prewatt.office.vending.sales import SaleResult
from tests.office.tokens.scene import NOON
from tests.office.vending.token_scene import TokenScene, build, delivery_of

NOW_S = int(NOON.timestamp())
SOON = NOON + timedelta(seconds=10)
CLEAR = ManagementAsk(kind=ManagementKind.CLEAR_CREDIT)
pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> TokenScene:
    return build(monkeypatch)


class Unable:
    """A vault that will never make these tokens."""

    provider = "sealed"

    def issue(self, order: Order) -> tuple[str, ...]:
        raise Refused("vault_key_damaged")


def take_back(scene: TokenScene, sold: SaleResult, key: str = "r1") -> None:
    reverse(sold.sale, reason="mistake", actor=scene.alice, key=key, at=SOON)


def cleared(scene: TokenScene, register: int, *, entered: bool = True) -> str:
    """Bob asks, Dan agrees, the token is made and entered."""
    count = TokenRequest.objects.count()
    proposal = proposals.propose(
        scene.sts, CLEAR, request_key=f"p{count}", reason="moves out", register_tenths=register, actor=scene.bob,
        at=SOON,
    )  # fmt: skip
    asked = proposals.agree(proposal, actor=scene.tokens.dan, at=SOON)
    [digits] = issuing.issue(asked.request_id, rack=scene.rack, at=SOON)
    if entered:
        course.entered(asked.request_id, how="keypad", actor=scene.bob.key, at=SOON)
    return digits


def give_back(scene: TokenScene, credit: int, key: str = "t1") -> Delivery:
    made = returns.give_back(
        contract_number=scene.contract.number, circuit_id=scene.circuit.pk, credit=credit, reason="moves out",
        actor=scene.bob, key=key, at=SOON,
    ).act.delivery  # fmt: skip
    assert made is not None
    return made


def test_before_there_are_digits_a_sale_is_reversed_and_its_token_never_made(scene: TokenScene) -> None:
    scene.lock_vault()
    sold = scene.sell()
    take_back(scene, sold)
    take_back(scene, sold)
    scene.unlock_vault()
    issuing.sweep(rack=scene.rack, at=SOON)
    deliveries.sweep(at=SOON)
    delivery = delivery_of(sold)
    assert (delivery.state, delivery.code, TokenRequest.objects.get().state) == ("refused", "reversed", "withdrawn")
    assert (Sale.objects.get().state, scene.books()) == ("reversed", (0, 0, 0))
    assert scene.sell(key="k2").sale.credit == 54_400, "what the reversed one rounded up is taken off nobody"
    scene.agree()


@pytest.mark.parametrize("told", [True, False])
def test_after_the_digits_no_sale_is_reversed_also_where_nobody_confirmed_it_yet(
    scene: TokenScene, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    with monkeypatch.context() as patched:
        if not told:
            patched.setattr(by_token, "settle", lambda *_, **__: None)
        sold = scene.sell()
    before = scene.books()
    with pytest.raises(Refused, match="token_made"):
        take_back(scene, sold)
    assert (Sale.objects.get().state, TokenRequest.objects.get().state, scene.books()) == ("sold", "made", before)
    scene.agree()
    deliveries.sweep(at=SOON)
    assert delivery_of(sold).state == "confirmed" and scene.books() == (0, 5000, 5000)
    scene.agree()


@pytest.mark.parametrize("way", ["reversal", "refund"])
def test_a_token_that_the_vault_refuses_for_good_gives_the_money_back(scene: TokenScene, way: str) -> None:
    scene.rack = Rack(vaults={"sealed": Unable()})  # type: ignore[dict-item]
    sold = scene.sell()
    delivery = delivery_of(sold)
    assert (delivery.state, delivery.code, scene.books()) == ("refused", "vault_key_damaged", (5000, 0, 5000))
    scene.agree()
    if way == "reversal":
        take_back(scene, sold)
    else:
        returns.refund(delivery, till_id=scene.shift.till_id, reason="x", actor=_as_manager(scene), key="f1", at=SOON)
    floats = 0 if way == "reversal" else 10_000
    assert scene.books() == (0, 0, floats) and TokenRequest.objects.get().state == "refused"
    scene.agree()


def _as_manager(scene: TokenScene) -> Actor:
    """Bob at his own window."""
    till = Till.objects.create(site_id=scene.site_id, code="W9", name="Bob")
    shifts.open_shift(till_id=till.pk, float_minor=10_000, actor=scene.bob, at=NOON)
    return Actor(key=scene.bob.key, name=scene.bob.name, role=scene.bob.role, operator_id=scene.alice.operator_id)


def test_credit_comes_back_by_clear_credit_two_persons_and_the_register(scene: TokenScene) -> None:
    sold = scene.sell()
    meter = scene.keypad()
    meter.enter(sale_view(sold.sale)["tokens"][0], NOW_S)
    with pytest.raises(Refused, match="clear_credit_needed"):
        give_back(scene, 20_000)
    clear = cleared(scene, 400, entered=False)
    with pytest.raises(Refused, match="clear_credit_needed"):
        give_back(scene, 20_000)
    assert meter.enter(clear, NOW_S).answer is Answer.ACCEPT and meter.state.registers[0] == 0
    course.entered(TokenRequest.objects.get(kind="clear_credit").pk, how="keypad", actor=scene.bob.key, at=SOON)
    with pytest.raises(Refused, match="return_above_balance"):
        give_back(scene, 40_100)
    part = give_back(scene, 30_000)
    assert (part.state, part.value_minor, scene.books()) == ("confirmed", 2760, (0, 2240, 5000))
    with pytest.raises(Refused, match="return_above_balance"):
        give_back(scene, 10_100, key="t2")
    give_back(scene, 10_000, key="t2")
    returns.refund(part, till_id=scene.shift.till_id, reason="x", actor=_as_manager(scene), key="f1", at=SOON)
    assert JobRow.objects.count() == 0
    scene.agree()


def test_a_whole_sale_that_was_cleared_is_returned_and_then_reversed(scene: TokenScene) -> None:
    sold = scene.sell()
    cleared(scene, 544)
    returns.give_back_sale(sold.sale, reason="x", actor=scene.bob, key="t1", at=SOON)
    assert scene.books() == (0, 0, 5000)
    take_back(scene, sold)
    take_back(scene, sold)
    assert scene.books() == (0, 0, 0) and TokenRequest.objects.get(kind="credit").state == "made"
    scene.agree()


def test_what_was_sold_after_the_clearing_was_not_cleared(scene: TokenScene) -> None:
    cleared(scene, 544)
    sold = scene.sell(at=SOON + timedelta(minutes=1))
    with pytest.raises(Refused, match="clear_credit_needed"):
        returns.give_back_sale(sold.sale, reason="x", actor=scene.bob, key="t1", at=SOON + timedelta(minutes=2))


def test_what_one_loop_was_cleared_of_is_not_given_back_for_another(scene: TokenScene) -> None:
    """A clear-credit token goes in at the first loop of a meter; the credit of the second is still in it."""
    meter = Meter.objects.get(pk=scene.circuit.meter_id)
    Meter.objects.filter(pk=meter.pk).update(line=scene.tokens.cast.line, unit=9, profile="pilot-spm2506-6")
    second = Circuit.objects.create(site_id=scene.site_id, meter=meter, index=2)
    opened = open_by_token(
        TokenOpening(
            key="o2", circuit=second, customer=scene.contract.customer, contract=None, registers=None,
            terms=TokenTerms(plan=scene.tokens.cast.plan, hoarding_limit=0), till=scene.tokens.cast.window,
            actor=scene.bob, at=NOON - timedelta(hours=1),
        )
    )  # fmt: skip
    first, other = scene.sell(), scene.sell(key="k2", contract_number=opened.contract.number, circuit_id=second.pk)
    cleared(scene, 544)
    with pytest.raises(Refused, match="clear_credit_needed"):
        returns.give_back_sale(other.sale, reason="x", actor=scene.bob, key="t2", at=SOON)
    returns.give_back_sale(first.sale, reason="x", actor=scene.bob, key="t1", at=SOON)


def _actions(rows: Iterable[TokenRequest]) -> list[tuple[str, str]]:
    return [(row.kind, row.state) for row in rows]


def test_a_make_up_is_a_free_token_of_two_persons(scene: TokenScene) -> None:
    asked = make_ups.ask(
        contract_number=scene.contract.number, circuit_id=scene.circuit.pk, credit=10_000, reason="lost token",
        actor=scene.alice, key="m1", at=NOON,
    ).act  # fmt: skip
    assert not TokenRequest.objects.exists()
    done = make_ups.agree(asked, actor=scene.bob, at=NOON)
    assert make_ups.agree(asked, actor=scene.bob, at=NOON).replayed
    assert _actions(TokenRequest.objects.all()) == [("free_credit", "made")]
    assert done.act.delivery is not None
    done.act.delivery.refresh_from_db()
    assert (done.act.delivery.state, scene.books()) == ("confirmed", (0, 920, 0))
    [digits] = by_token.slips_of([done.act.delivery]).values()
    meter = scene.keypad()
    assert meter.enter(digits.credit, NOW_S).answer is Answer.ACCEPT and meter.state.registers[0] == 100
    scene.agree()


def test_a_make_up_that_no_token_carries_exactly_is_refused(scene: TokenScene) -> None:
    asked = make_ups.ask(
        contract_number=scene.contract.number, circuit_id=scene.circuit.pk, credit=2_000_100, reason="x",
        actor=scene.alice, key="m1", at=NOON,
    ).act  # fmt: skip
    with pytest.raises(Refused, match="credit_malformed"):
        make_ups.agree(asked, actor=scene.bob, at=NOON)
    asked.refresh_from_db()
    assert (asked.state, Delivery.objects.count(), scene.books()) == ("asked", 0, (0, 0, 0))
