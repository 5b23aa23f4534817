"""Sending a token to the tenant from the pages: the sale's, the token's and the meter's."""

import pytest
from django.test import Client
from pytest_django import Settings

from prewatt.office.alarms.models import Notice, NoticeStep
from prewatt.office.estate.models import Building, SupplyPoint
from prewatt.office.staff.models import Role
from prewatt.office.tokens.issuing import digits_of
from prewatt.office.tokens.models import TokenRequest
from tests.web.console.token_desk import TokenDesk, make, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> TokenDesk:
    settings.PREWATT_NOTIFIER = "log"
    return make(monkeypatch)


def send(client: Client, request: TokenRequest, desk: TokenDesk, back: str = "") -> tuple[int, str]:
    customer = SupplyPoint.objects.get(circuit=desk.scene.cast.shop_101).contract.customer_id
    answer = client.post(f"/console/tokens/{request.pk}/send", {"customer": customer, "from": back})
    return answer.status_code, answer["Location"] if answer.status_code == 302 else text_of(answer)


def test_the_tokens_page_and_the_meters_page_send_it_once(desk: TokenDesk) -> None:
    request = desk.made()
    for page in (f"/console/tokens/{request.pk}", desk.base):
        text = text_of(desk.bob.get(page))
        assert 'data-test="send-token"' in text and "139****2286" in text and "sends nothing to anybody" in text
    assert send(desk.bob, request, desk) == (302, f"/console/tokens/{request.pk}")
    assert send(desk.bob, request, desk, "meter") == (302, desk.base)
    assert Notice.objects.count() == 1 and NoticeStep.objects.count() == 1, "it waits already"
    text = text_of(desk.bob.get(desk.base))
    assert "waits to be sent" in text and 'data-test="send-token"' not in text
    [digits] = digits_of(request.pk) or ()
    assert digits not in text and " ".join(digits[at : at + 4] for at in range(0, 20, 4)) not in text


def test_without_a_channel_the_page_says_so_in_both_languages(desk: TokenDesk, settings: Settings) -> None:
    settings.PREWATT_NOTIFIER = "none"
    request = desk.made()
    text = text_of(desk.bob.get(f"/console/tokens/{request.pk}"))
    assert 'data-test="send-none"' in text and "nothing can be sent" in text and 'data-test="send-token"' not in text
    assert "data-print" in text and "data-copy=" in text, "print and copy are offered"
    chinese = text_of(desk.client(desk.scene.cast.bob, "zh-hans").get(f"/console/tokens/{request.pk}"))
    assert "没有设置发给用户的通道" in chinese
    status, said = send(desk.bob, request, desk)
    assert status == 422 and 'data-code="notifier_none"' in said and not Notice.objects.exists()


def test_who_does_not_see_the_meter_sends_nothing(desk: TokenDesk) -> None:
    request = desk.made()
    other = Building.objects.create(site=desk.scene.cast.site, code="9", name="Nine")
    assert send(desk.somebody("nina", Role.MANAGER, building_id=other.pk), request, desk)[0] == 404
    assert desk.bob.get(f"/console/tokens/{request.pk}/send").status_code == 405
    assert not Notice.objects.exists()
