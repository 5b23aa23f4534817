"""Sending a token to its meter, on its pages: the button, how far it is, what the meter said."""

from datetime import timedelta
from itertools import count
from types import SimpleNamespace

import pytest
from django.test import Client

from prewatt.core.meters.jobs import Outcome, Verdict
from prewatt.core.sts import MeterProfile
from prewatt.office.estate.models import Meter
from prewatt.office.metering.models import MeterState
from prewatt.office.staff.models import Operator
from prewatt.office.tokens.models import TokenRequest
from prewatt.web.console import views_base
from tests.office.tokens.scene import NOON
from tests.office.vending.token_scene import TokenScene, build, delivery_of
from tests.office.vending.wire_scene import meter_of, on_line, open_jobs, report, talk, to_the_end
from tests.web.console.sell_desk import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> TokenScene:
    times = count()
    monkeypatch.setattr(views_base, "timezone", SimpleNamespace(now=lambda: NOON + timedelta(seconds=next(times))))
    return on_line(build(monkeypatch))


def client(operator: Operator) -> Client:
    made = Client()
    made.force_login(operator)
    made.cookies["django_language"] = "en"
    return made


def page(scene: TokenScene, path: str) -> str:
    answer = client(scene.tokens.cast.alice).get(path)
    assert answer.status_code == 200, path
    return text_of(answer)


def press(scene: TokenScene, request: TokenRequest, what: str, came_from: str = "") -> tuple[int, str]:
    form = {"what": what, "from": came_from}
    answer = client(scene.tokens.cast.alice).post(f"/console/tokens/{request.pk}/wire", form)
    return answer.status_code, answer.get("Location", text_of(answer))


def sold(scene: TokenScene, key: str = "k1") -> tuple[TokenRequest, str]:
    """The token of a sale, and the page of the sale."""
    made = scene.sell(key=key)
    request = delivery_of(made).token_request
    assert request is not None
    return request, f"/console/sales/{made.sale.pk}"


def away(scene: TokenScene) -> None:
    MeterState.objects.create(meter_id=scene.circuit.meter_id, silent=True, since=NOON, at=NOON)


def test_the_sales_page_shows_the_token_on_its_way_and_taken(scene: TokenScene) -> None:
    request, sale = sold(scene)
    text = page(scene, sale)
    assert 'data-state="sending"' in text and "on its way to the meter" in text and 'data-open="1"' in text
    assert 'data-test="wire-send"' not in text, "it goes by itself"
    to_the_end(meter_of(scene))
    text = page(scene, sale)
    assert "The credit is in your meter already" in text
    assert "the meter took it" in text and 'data-test="wire-stop"' not in text
    assert "sent over the wire" in page(scene, f"/console/tokens/{request.pk}")


def test_a_button_sends_it_where_the_meter_was_away_and_says_that_it_waits(scene: TokenScene) -> None:
    away(scene)
    request, sale = sold(scene)
    assert 'data-test="wire-send"' in page(scene, sale)
    assert press(scene, request, "send", "sale") == (302, sale)
    [job] = open_jobs()
    report(job, Outcome(verdict=Verdict.SILENT, code="no_reply"))
    text = page(scene, sale)
    assert "waits for the meter, which does not answer" in text and "The meter did not answer." in text
    assert press(scene, request, "stop", "sale") == (302, sale) and not open_jobs()
    assert "Stopped by a person" in page(scene, sale)
    meter_page = f"/console/meters/{scene.circuit.meter_id}/tokens"
    assert press(scene, request, "send", "meter") == (302, meter_page)
    assert 'data-test="wire-state"' in page(scene, meter_page)


def test_a_refusal_stands_there_in_words_with_the_button_to_send_it_again(scene: TokenScene) -> None:
    request, sale = sold(scene)
    talk(meter_of(scene, limits=MeterProfile(register_tops=(10,) * 8)))
    text = page(scene, sale)
    assert "the meter refused it" in text and "would overflow" in text and "Send to the meter again" in text
    assert press(scene, request, "send") == (302, f"/console/tokens/{request.pk}")


def test_a_meter_on_no_line_shows_nothing_of_it_and_refuses_the_form(scene: TokenScene) -> None:
    Meter.objects.filter(pk=scene.circuit.meter_id).update(line=None, unit=0, profile="sts-keypad")
    request, sale = sold(scene)
    for path in (sale, f"/console/tokens/{request.pk}", f"/console/meters/{scene.circuit.meter_id}/tokens"):
        assert 'data-test="token-wire"' not in page(scene, path)
    status, text = press(scene, request, "send")
    assert status == 422 and "takes no tokens over a line" in text
    assert press(scene, request, "shout")[0] == 422


def test_nobody_sends_a_token_of_a_meter_he_may_not_see(scene: TokenScene) -> None:
    request, _ = sold(scene)
    stranger = client(scene.tokens.cast.charlie)
    assert stranger.post(f"/console/tokens/{request.pk}/wire", {"what": "send"}).status_code in (403, 404)
