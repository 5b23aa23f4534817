"""The pages of tokens in a browser: accessible and no wider than the screen, in both languages; digits are copied."""

from dataclasses import dataclass

import pytest
from django.conf import settings
from django.db import transaction
from playwright.sync_api import Page, expect

from prewatt.core.sts import ManagementKind
from prewatt.office.staff.actors import of_operator
from prewatt.office.tokens import campaign_issue, campaigns, issuing, keys, meters, opened, proposals, requests
from prewatt.office.tokens.asks import Ask, ManagementAsk, MeterTestAsk
from prewatt.office.tokens.campaigns import Selection
from prewatt.office.tokens.models import Campaign, StsMeter, TokenProposal, TokenRequest
from prewatt.office.tokens.rack import Rack
from tests.browser.conftest import Axe, Login
from tests.browser.scene import Scene
from tests.office.tokens.scene import NEW_VALUE, attributes, credit, sealing, vending_key

pytestmark = pytest.mark.browser


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Three STS meters on floor 1 of tower A, tokens of every sort, a running campaign, something for two persons."""

    sts: StsMeter
    limit: TokenRequest
    change: TokenRequest
    campaign: Campaign
    proposal: TokenProposal

    def addresses(self) -> list[str]:
        base = f"/console/meters/{self.sts.meter_id}/tokens"
        return [
            "/console/tokens", base, f"{base}/new/test", f"{base}/new/key-change", f"{base}/new/clear-credit",
            f"/console/tokens/{self.limit.pk}", f"/console/tokens/{self.change.pk}",
            f"/console/tokens/proposals/{self.proposal.pk}", "/console/tokens/campaigns",
            "/console/tokens/campaigns/new", f"/console/tokens/campaigns/{self.campaign.pk}?dry",
            f"/console/tokens/campaigns/{self.campaign.pk}/list", "/console/tokens/explain", "/console/tokens/vault",
        ]  # fmt: skip


@pytest.fixture
def stage(mall: Scene, monkeypatch: pytest.MonkeyPatch) -> Stage:
    at, people = mall.at, {name: of_operator(one) for name, one in mall.operators.items()}
    vault = sealing()
    rack = Rack(vaults={"sealed": vault})
    monkeypatch.setattr(opened, "rack", lambda *, at: rack)
    admin, manager = people["administrator"], people["manager"]
    keys.seal_in(vault, vending_key(), company_id=None, actor=admin, at=at)
    new = keys.seal_in(vault, vending_key(NEW_VALUE, krn=2), company_id=None, actor=admin, at=at)
    first, second, third = (
        meters.register(mall.circuits[room].meter, attributes(serial, **more), actor=admin, at=at)
        for serial, (room, more) in enumerate((("A-112", {}), ("A-204", {}), ("A-210", {"krn": 7})), 1)
    )

    def made(sts: StsMeter, what: Ask, message: str) -> TokenRequest:
        prepared = requests.prepare(sts, what, at=at)
        with transaction.atomic():
            asked = requests.ask(prepared, message_id=message, actor=manager.key, reason="换了大功率设备")
        issuing.issue(asked.request_id, rack=rack, at=at)
        return TokenRequest.objects.get(pk=asked.request_id)

    for number in range(3):
        made(first, credit(500 + number), f"sold {number}")
    made(first, MeterTestAsk(control=4), "test")
    limit = made(first, ManagementAsk(kind=ManagementKind.POWER_LIMIT, amount=2_500), "limit")
    change = made(first, requests.key_change_of(first, new), "change")
    proposal = proposals.propose(
        first, ManagementAsk(kind=ManagementKind.CLEAR_CREDIT, amount=0xFFFF), request_key="p", reason="租户已搬走",
        register_tenths=1_234, actor=people["cashier"], at=at,
    )  # fmt: skip
    campaign = campaigns.draft(
        mall.site, Selection(meter_ids=(second.pk, third.pk)), name="换到第 2 版密钥", new_key=new, request_key="c",
        actor=manager, at=at,
    )  # fmt: skip
    campaigns.step(campaign, "start", actor=manager, at=at)
    campaign_issue.issue_batch(campaign.pk, rack=rack, at=at)
    return Stage(sts=first, limit=limit, change=change, campaign=campaign, proposal=proposal)


@pytest.mark.parametrize(("language", "width"), [("zh-hans", 1440), ("en", 360)])  # English words are the longer ones
def test_every_page_of_tokens_is_accessible_and_fits(
    stage: Stage, page: Page, login: Login, axe: Axe, language: str, width: int, console: str
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": console}])
    login("manager")
    for address in stage.addresses():
        answer = page.goto(address)
        assert answer is not None and answer.status == 200, address
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        assert axe(page) == [], address
    page.goto(f"/console/tokens/{stage.limit.pk}")
    copy = page.locator("[data-copy]")
    digits = copy.get_attribute("data-copy") or ""
    assert len(digits) == 20
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy.click()
    expect(copy).to_contain_text("Copied" if language == "en" else "已复制")
    assert page.evaluate("navigator.clipboard.readText()") == digits
    page.goto(f"/console/tokens/explain?meter={stage.sts.meter.number}")
    page.locator("#token").fill(digits)
    page.locator('[data-test="explain-submit"]').click()
    expect(page.locator("[data-answer]")).to_have_attribute("data-answer", "accept")
    assert axe(page) == []
