"""A meter's tokens in the console: asked for, shown, shown again with a trace, handed over, entered; two persons."""

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest

from prewatt.core.sts import Answer
from prewatt.office.staff.models import AuditRow, Role
from prewatt.office.tokens import opened
from prewatt.office.tokens.models import StsMeter, TokenProposal, TokenRequest
from prewatt.office.tokens.rack import Rack
from prewatt.web.console import tokens_slip, views_base
from tests.office.tokens.scene import NOON, pan
from tests.web.console import token_desk
from tests.web.console.token_desk import TokenDesk, text_of

pytestmark = pytest.mark.django_db
LABEL = {"sgc": "600123", "krn": "1", "kt": "2", "ken": "255", "ti": "01", "base_date": "2014", "ea": "07",
         "dkga": "04", "tct": "02", "credit_kind": "0"}  # fmt: skip


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> TokenDesk:
    return token_desk.make(monkeypatch)


def digits_in(page: str) -> list[str]:
    """The tokens that a page shows, without their spaces."""
    found = re.findall(r'data-test="token-digits">(.*?)</p>', page, re.DOTALL)
    return [re.sub(r"\D", "", re.sub(r"<[^>]+>", "", each)) for each in found]


def test_a_slip_shows_groups_of_four_in_the_order_of_entering_and_a_qr_code() -> None:
    made = tokens_slip.slip_of_sale([("1" * 20, "2" * 20)], "34567890123456789012")
    assert [each["place"] for each in made] == [1, 2, 3]
    assert made[2]["digits"] == ["3456", "7890", "1234", "5678", "9012"]
    assert made[0]["qr"].startswith("<svg") and "style=" not in made[0]["qr"]
    [alone] = tokens_slip.slip([("credit", ("1" * 20,))], qr=False)
    assert alone["qr"] is None and "place" not in alone


def test_a_power_limit_is_made_once_and_shown_to_who_asked_for_it(desk: TokenDesk) -> None:
    row = desk.made()
    assert desk.made().pk == row.pk, "the same form sent again"
    page = text_of(desk.bob.get(f"/console/tokens/{row.pk}"))
    [digits] = digits_in(page)
    assert desk.scene.keypad().enter(digits, 0).answer is Answer.ACCEPT
    assert f'data-copy="{digits}"' in page and "2.500 kW" in page and "<svg" in page
    listed = text_of(desk.bob.get(desk.base))
    assert "2.500 kW" in listed and digits not in listed and "a larger shop" in listed


def test_another_person_shows_it_again_and_the_trail_says_so(desk: TokenDesk) -> None:
    row = desk.made()
    [digits] = digits_in(text_of(desk.bob.get(f"/console/tokens/{row.pk}")))
    assert digits_in(text_of(desk.alice.get(f"/console/tokens/{row.pk}"))) == []
    again = text_of(desk.alice.post(f"/console/tokens/{row.pk}/again"))
    assert digits_in(again) == [digits] and "Shown again." in again
    assert AuditRow.objects.filter(action="tokens.reprint", actor=f"operator:{desk.scene.cast.alice.pk}").count() == 1


def test_after_a_while_also_its_maker_has_to_ask(desk: TokenDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    row = desk.made()
    monkeypatch.setattr(views_base, "timezone", SimpleNamespace(now=lambda: NOON + timedelta(minutes=16)))
    page = text_of(desk.bob.get(f"/console/tokens/{row.pk}"))
    assert digits_in(page) == [] and 'data-test="token-again"' in page


def test_an_electrician_asks_for_a_test_token_and_shows_no_token_again(desk: TokenDesk) -> None:
    worker = desk.somebody("walt", Role.ELECTRICIAN)
    answer = worker.post(f"{desk.base}/new/test", {"test": "all", "request_key": "t1"})
    [digits] = digits_in(text_of(worker.get(answer["Location"])))
    assert len(digits) == 20
    other = desk.made()
    assert worker.post(f"/console/tokens/{other.pk}/again").status_code == 422
    assert not AuditRow.objects.filter(action="tokens.reprint").exists()


@pytest.mark.parametrize(
    ("what", "typed", "code"),
    [
        ("power-limit", {"power": "a lot"}, "energy_malformed"),
        ("power-limit", {"reason": " "}, "token_reason_needed"),
        ("tariff-rate", {"number": "70000"}, "sts_field_out_of_range"),
        ("key-change", {"key": "0"}, "choice_needed"),
        ("clear-credit", {"register": "0", "showed": ""}, "token_evidence_needed"),
        ("free-credit", {"credit": "1.25"}, "token_tenths_only"),
    ],
)
def test_a_refusal_says_why_and_keeps_what_was_typed(
    desk: TokenDesk, what: str, typed: dict[str, str], code: str
) -> None:
    form = {"power": "2.5", "reason": "why it is", "request_key": "k", **typed}
    answer = desk.bob.post(f"{desk.base}/new/{what}", form)
    assert answer.status_code == 422 and f'data-code="{code}"' in text_of(answer), text_of(answer)
    assert not TokenRequest.objects.exists() and not TokenProposal.objects.exists()
    if "reason" not in typed:
        assert 'value="why it is"' in text_of(answer)


def test_a_cashier_makes_no_management_token_and_nobody_reaches_another_sites_meter(desk: TokenDesk) -> None:
    assert desk.alice.post(f"{desk.base}/new/power-limit", {"power": "1", "reason": "x"}).status_code == 403
    assert desk.client(desk.scene.cast.charlie).get(desk.base).status_code == 403
    assert desk.bob.get(f"{desk.base}/new/nothing").status_code == 404
    row = desk.made()
    elsewhere = desk.somebody("olga", Role.MANAGER, company_id=desk.scene.cast.site.company_id)
    assert elsewhere.get(f"/console/tokens/{row.pk}").status_code == 200


def test_a_key_change_shows_its_whole_set_and_moves_the_record_when_it_is_handed_over(desk: TokenDesk) -> None:
    before = desk.scene.keypad()
    row = desk.made("key-change", key=str(desk.scene.new.pk), ti="")
    page = text_of(desk.bob.get(f"/console/tokens/{row.pk}"))
    digits = digits_in(page)
    assert len(digits) == 2 and "Key change, 1 of 2" in page and 'data-test="token-handed"' in page
    assert [before.enter(each, 0).answer for each in digits] == [Answer.KEY_PART_1, Answer.ACCEPT]
    assert StsMeter.objects.get().krn == 1
    answer = desk.bob.post(f"/console/tokens/{row.pk}/act", {"what": "handed_over"})
    assert answer.status_code == 302 and StsMeter.objects.get().krn == 2
    assert 'data-test="token-handed"' not in text_of(desk.bob.get(f"/console/tokens/{row.pk}"))
    assert desk.made("key-change", key=str(desk.scene.new.pk), ti="").pk == row.pk, "the same form after the move"


def test_it_is_marked_as_entered_by_who_may_know(desk: TokenDesk) -> None:
    row = desk.made()
    address = f"/console/tokens/{row.pk}/act"
    refused = desk.alice.post(address, {"what": "entered", "how": "customer"})
    assert refused.status_code == 422 and 'data-code="not_permitted"' in text_of(refused)
    assert desk.bob.post(address, {"what": "entered", "how": "keypad"}).status_code == 302
    assert "typed in and watched" in text_of(desk.bob.get(f"/console/tokens/{row.pk}"))
    assert "entered" in text_of(desk.bob.get("/console/tokens?state=entered"))


def test_a_vault_that_is_away_leaves_a_request_that_waits_and_is_made_later(
    desk: TokenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "rack", lambda *, at: Rack())
    row = desk.made()
    page = text_of(desk.bob.get(f"/console/tokens/{row.pk}"))
    assert "There are no digits yet" in page and digits_in(page) == []
    assert 'data-code="vault_closed"' in text_of(desk.bob.post(f"/console/tokens/{row.pk}/make"))
    monkeypatch.setattr(opened, "rack", lambda *, at: desk.scene.rack)
    desk.bob.post(f"/console/tokens/{row.pk}/make")
    assert len(digits_in(text_of(desk.bob.get(f"/console/tokens/{row.pk}")))) == 1
    assert desk.bob.post(f"/console/tokens/{row.pk}/act", {"what": "withdraw", "reason": "x"}).status_code == 422


def test_what_waits_is_withdrawn_with_a_reason(desk: TokenDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "rack", lambda *, at: Rack())
    row = desk.made()
    address = f"/console/tokens/{row.pk}/act"
    assert desk.bob.post(address, {"what": "withdraw", "reason": " "}).status_code == 422
    assert desk.bob.post(address, {"what": "withdraw", "reason": "another meter"}).status_code == 302
    assert TokenRequest.objects.get().state == "withdrawn"


# ---------------------------------------------------------------- two persons


def proposed(desk: TokenDesk) -> TokenProposal:
    form = {"register": "65535", "showed": "12.34", "reason": "the tenant left", "request_key": "p1"}
    answer = desk.alice.post(f"{desk.base}/new/clear-credit", form)
    assert answer.status_code == 302, text_of(answer)
    row = TokenProposal.objects.get()
    assert answer["Location"] == f"/console/tokens/proposals/{row.pk}" and row.register_tenths == 123
    return row


def test_clearing_credit_takes_two_and_the_evidence_stands_before_the_second(desk: TokenDesk) -> None:
    row = proposed(desk)
    address = f"/console/tokens/proposals/{row.pk}"
    assert "another person must agree" in text_of(desk.alice.get(address))
    assert 'data-code="not_permitted"' in text_of(desk.alice.post(f"{address}/answer", {"answer": "agree"}))
    for page in (desk.base, "/console/tokens"):
        assert "Look and decide" in text_of(desk.bob.get(page))
    shown = text_of(desk.bob.get(address))
    assert "12.3 kWh" in shown and "the tenant left" in shown and "Alice" in shown
    agreed = desk.bob.post(f"{address}/answer", {"answer": "agree"})
    [digits] = digits_in(text_of(desk.bob.get(agreed["Location"])))
    assert desk.scene.keypad().enter(digits, 0).answer is Answer.ACCEPT
    assert desk.bob.post(f"{address}/answer", {"answer": "agree"})["Location"] == agreed["Location"]
    assert TokenRequest.objects.count() == 1


def test_declining_needs_a_reason_and_makes_nothing(desk: TokenDesk) -> None:
    row = proposed(desk)
    address = f"/console/tokens/proposals/{row.pk}/answer"
    assert desk.bob.post(address, {"answer": "decline"}).status_code == 422
    assert desk.bob.post(address, {"answer": "decline", "reason": "no"}).status_code == 302
    assert 'data-code="proposal_decided"' in text_of(desk.bob.post(address, {"answer": "agree"}))
    assert not TokenRequest.objects.exists()


def test_the_asker_is_not_the_second_person_even_as_a_manager(desk: TokenDesk) -> None:
    form = {"credit": "5", "reason": "goodwill", "request_key": "p2"}
    answer = desk.bob.post(f"{desk.base}/new/free-credit", form)
    refused = desk.bob.post(f"{answer['Location']}/answer", {"answer": "agree"})
    assert refused.status_code == 422 and 'data-code="token_second_person"' in text_of(refused)


# ---------------------------------------------------------------- attributes


def test_attributes_are_entered_by_the_meters_own_number_and_corrected_with_a_reason(desk: TokenDesk) -> None:
    worker, meter = desk.somebody("walt", Role.ELECTRICIAN), desk.scene.cast.shop_102.meter
    base = f"/console/meters/{meter.pk}/tokens"
    assert "no STS attributes" in text_of(worker.get(base))
    drn = pan(7)[6:17]
    wrong = worker.post(f"{base}/attributes", {**LABEL, "meter_pan": f"{drn[:-1]}{(int(drn[-1]) + 1) % 10}"})
    assert wrong.status_code == 422 and 'data-code="drn_check_digit"' in text_of(wrong)
    assert worker.post(f"{base}/attributes", {**LABEL, "meter_pan": drn}).status_code == 302
    row = StsMeter.objects.get(meter=meter)
    assert row.meter_pan == pan(7)
    changed = {**LABEL, "meter_pan": row.meter_pan, "ti": "02"}
    assert 'data-code="token_reason_needed"' in text_of(worker.post(f"{base}/attributes", changed))
    assert worker.post(f"{base}/attributes", {**changed, "reason": "a test token showed it"}).status_code == 302
    row.refresh_from_db()
    assert (row.ti, row.revision) == ("02", 2)
    assert desk.alice.get(f"{base}/attributes").status_code == 403


def test_a_meter_whose_key_is_not_in_the_vault_says_so(desk: TokenDesk) -> None:
    StsMeter.objects.update(krn=7)
    assert "No token can be made for this meter now" in text_of(desk.bob.get(desk.base))


def test_the_trail_says_it_in_words_and_the_pages_speak_chinese(desk: TokenDesk) -> None:
    row = desk.made()
    trail = text_of(desk.bob.get("/console/settings/trail?area=tokens"))
    assert "Token asked for" in trail and "Token made" in trail and "tokens." not in trail
    chinese = desk.client(desk.scene.cast.bob, "zh-hans")
    assert "令牌" in text_of(chinese.get("/console/tokens")) and "最大功率限值" in text_of(
        chinese.get(f"/console/tokens/{row.pk}")
    )


def test_the_meters_page_leads_to_its_tokens(desk: TokenDesk) -> None:
    assert desk.base in text_of(desk.bob.get(f"/console/meters/{desk.scene.sts.meter_id}"))


def test_the_list_goes_into_a_sheet_without_digits(desk: TokenDesk) -> None:
    desk.made()
    for address in (f"{desk.base}/export", "/console/tokens/export?kind=management"):
        answer = desk.bob.get(address)
        assert answer.status_code == 200 and answer["Content-Disposition"].endswith('.xlsx"')
