"""Real threads on real connections: one sale a key, one set of digits a sale, and of digits and reversal one wins."""

from datetime import timedelta

import pytest

from prewatt.office.tokens.models import TokenRequest
from prewatt.office.vending import by_token
from prewatt.office.vending.models import Delivery, Sale
from prewatt.office.vending.read import sale_view
from prewatt.office.vending.reversals import reverse
from tests.office.tokens.scene import NOON
from tests.office.vending.test_at_once import at_once
from tests.office.vending.token_scene import TokenScene, build, delivery_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> TokenScene:
    return build(monkeypatch)


def test_the_same_key_at_once_sells_one_token_and_other_keys_theirs(scene: TokenScene) -> None:
    results = at_once(*[lambda: scene.sell(key="same")] * 4)
    assert results.count("done") == 1 and set(results) <= {"done", "replayed", "key_busy"}
    assert Sale.objects.count() == Delivery.objects.count() == TokenRequest.objects.count() == 1

    results = at_once(*[lambda n=n: scene.sell(key=f"k{n}") for n in range(4)])
    assert set(results) <= {"done", "delivery_open", "quote_stale"} and "done" in results
    shown = [sale_view(sale)["tokens"] for sale in Sale.objects.all()]
    assert len({digits for tokens in shown for digits in tokens}) == Sale.objects.count() == 1 + results.count("done")
    scene.agree()


@pytest.mark.parametrize("round_", range(2))
def test_of_the_digits_and_a_reversal_one_wins(scene: TokenScene, round_: int) -> None:
    scene.lock_vault()
    sold = scene.sell()
    scene.unlock_vault()
    delivery, at = delivery_of(sold), NOON + timedelta(seconds=9)
    results = at_once(
        lambda: by_token.hand_out(delivery.pk, at=at),
        lambda: reverse(sold.sale, reason="x", actor=scene.alice, key="r1", at=at),
        lambda: by_token.hand_out(delivery.pk, at=at),
    )
    delivery.refresh_from_db()
    ended = results[1], delivery.state, TokenRequest.objects.get().state, len(sale_view(sold.sale)["tokens"])
    assert ended in {("done", "refused", "withdrawn", 0), ("token_made", "confirmed", "made", 1)}
    assert scene.books() == ((0, 0, 0) if results[1] == "done" else (0, 5000, 5000))
    scene.agree()
