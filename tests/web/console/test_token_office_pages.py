"""Campaigns from draft to ticked-off list, the token reader, and the vault: what each shows and what it keeps."""

import io
import re

import pytest
from python_calamine import CalamineWorkbook

from prewatt.office.estate.models import Building
from prewatt.office.staff.models import AuditRow, Role
from prewatt.office.tokens import campaign_issue, course
from prewatt.office.tokens.explaining import AN_HOUR
from prewatt.office.tokens.models import Campaign, CampaignMeter, StoredKey, StsMeter, TokenRequest
from tests.office.tokens.scene import NOON, credit, more_meters
from tests.web.console import token_desk
from tests.web.console.token_desk import TokenDesk, text_of

pytestmark = pytest.mark.django_db
HERE = "/console/tokens/campaigns"


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> TokenDesk:
    return token_desk.make(monkeypatch)


def drafted(desk: TokenDesk, **typed: str) -> Campaign:
    form = {"name": "to revision 2", "key": str(desk.scene.new.pk), "request_key": "c1", **typed}
    answer = desk.bob.post(f"{HERE}/new", form)
    assert answer.status_code == 302, text_of(answer)
    return Campaign.objects.get(pk=int(answer["Location"].rsplit("/", 1)[1]))


def issued(desk: TokenDesk) -> Campaign:
    row = drafted(desk)
    assert desk.bob.post(f"{HERE}/{row.pk}/act", {"what": "start"}).status_code == 302
    campaign_issue.issue_batch(row.pk, rack=desk.scene.rack, at=NOON)
    return row


def listed_digits(page: str) -> list[str]:
    return [each.replace(" ", "") for each in re.findall(r'data-test="token-digits">([\d ]+)<', page)]


def test_a_draft_shows_what_would_happen_before_anything_is_issued(desk: TokenDesk) -> None:
    more_meters(desk.scene.cast, 2, krn=5)
    row = drafted(desk)
    page = text_of(desk.bob.get(f"{HERE}/{row.pk}"))
    assert 'data-code=""' in page and 'data-code="vending_key_unknown"' in page and "a set for each" in page
    assert not TokenRequest.objects.exists() and 'data-test="campaign-start"' in page
    assert drafted(desk).pk == row.pk, "the same form sent again"
    assert "to revision 2" in text_of(desk.bob.get(HERE))


@pytest.mark.parametrize(
    ("typed", "count"), [({"held": "600123:1:2:2014"}, 1), ({"numbers": "360311000001\n360311000000"}, 2), ({}, 3)]
)
def test_meters_are_chosen_by_what_they_hold_or_by_a_list(desk: TokenDesk, typed: dict[str, str], count: int) -> None:
    more_meters(desk.scene.cast, 2, krn=5)
    assert drafted(desk, **typed).meters.count() == count


@pytest.mark.parametrize(
    ("typed", "code"),
    [({"name": " "}, "campaign_malformed"), ({"numbers": "123 456"}, "campaign_numbers_unknown"),
     ({"key": ""}, "choice_needed"), ({"held": "1:2:3:4"}, "choice_needed"), ({"ti": "x"}, "sts_field_malformed")],
)  # fmt: skip
def test_a_refused_draft_saves_nothing(desk: TokenDesk, typed: dict[str, str], code: str) -> None:
    form = {"name": "n", "key": str(desk.scene.new.pk), "request_key": "c1", **typed}
    answer = desk.bob.post(f"{HERE}/new", form)
    assert answer.status_code == 422 and f'data-code="{code}"' in text_of(answer), text_of(answer)
    assert not Campaign.objects.exists()


def test_it_is_started_paused_and_ended_and_says_what_cannot_be(desk: TokenDesk) -> None:
    row = drafted(desk)
    for what, state in (("start", "running"), ("pause", "paused"), ("start", "running"), ("end", "ended")):
        assert desk.bob.post(f"{HERE}/{row.pk}/act", {"what": what}).status_code == 302
        row.refresh_from_db()
        assert row.state == state
    refused = desk.bob.post(f"{HERE}/{row.pk}/act", {"what": "start"})
    assert refused.status_code == 422 and "The campaign is ended" in text_of(refused)


def test_the_progress_is_asked_for_again_while_it_runs(desk: TokenDesk) -> None:
    row = issued(desk)
    part = text_of(desk.bob.get(f"{HERE}/{row.pk}", headers={"HX-Request": "true"}))
    assert part.startswith("<section") and "hx-get" in part and "1 of 1 meters have digits" in part
    desk.bob.post(f"{HERE}/{row.pk}/act", {"what": "pause"})
    assert "hx-get" not in text_of(desk.bob.get(f"{HERE}/{row.pk}", headers={"HX-Request": "true"}))


def test_the_list_shows_digits_only_by_an_act_and_always_the_same(desk: TokenDesk) -> None:
    row = issued(desk)
    plain = text_of(desk.bob.get(f"{HERE}/{row.pk}/list"))
    assert "2 tokens" in plain and not listed_digits(plain)
    assert not AuditRow.objects.filter(action="tokens.route_list").exists()
    first, second = (listed_digits(text_of(desk.bob.post(f"{HERE}/{row.pk}/list/digits"))) for _time in range(2))
    assert len(first) == 2 and first == second
    sheet = desk.bob.post(f"{HERE}/{row.pk}/list/sheet")
    cells = CalamineWorkbook.from_filelike(io.BytesIO(sheet.content)).get_sheet_by_index(0).to_python()
    assert [str(each).replace(" ", "") for each in cells[1][7:9]] == first
    assert AuditRow.objects.filter(action="tokens.route_list").count() == 3


def test_lines_are_ticked_off_as_handed_over_and_typed_in(desk: TokenDesk) -> None:
    row = issued(desk)
    member = CampaignMeter.objects.get()
    tick = f"{HERE}/{row.pk}/list/tick"
    assert desk.bob.post(tick, {"what": "deliver", "line": str(member.pk)}).status_code == 302
    assert StsMeter.objects.get().krn == 2
    assert desk.bob.post(tick, {"what": "entered", "line": str(member.pk)}).status_code == 302
    member.refresh_from_db()
    assert member.state == "entered"
    assert "No meter of this campaign" in text_of(desk.bob.get(f"{HERE}/{row.pk}/list"))
    assert 'data-test="route-line"' in text_of(desk.bob.get(f"{HERE}/{row.pk}/list?state=entered"))


def test_a_line_that_cannot_be_ticked_is_named_and_stops_no_other(desk: TokenDesk) -> None:
    row = drafted(desk)
    member = CampaignMeter.objects.get()
    refused = desk.bob.post(f"{HERE}/{row.pk}/list/tick", {"what": "deliver", "line": str(member.pk)})
    assert refused.status_code == 422 and "This meter of the campaign is not issued" in text_of(refused)


def test_a_second_page_begins_behind_the_first(desk: TokenDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prewatt.web.console.tokens_routes.LINES", 2)
    more_meters(desk.scene.cast, 2)
    row = issued(desk)
    first = text_of(desk.bob.get(f"{HERE}/{row.pk}/list"))
    found = re.search(r'href="([^"]+)" data-hotkey="n"', first)
    assert found is not None
    second = text_of(desk.bob.get(found[1].replace("&amp;", "&")))
    assert (first.count('data-test="route-line"'), second.count('data-test="route-line"')) == (2, 1)


def test_a_campaign_is_for_who_holds_the_whole_site(desk: TokenDesk) -> None:
    row = drafted(desk)
    assert desk.alice.get(HERE).status_code == 403
    building = Building.objects.get()
    of_a_building = desk.somebody("bea", Role.MANAGER, building_id=building.pk)
    assert of_a_building.get(f"{HERE}/{row.pk}").status_code == 404
    assert of_a_building.get("/console/tokens").status_code == 200


def test_refused_meters_are_put_back_after_the_repair(desk: TokenDesk) -> None:
    [odd] = more_meters(desk.scene.cast, 1, krn=5)
    row = issued(desk)
    assert CampaignMeter.objects.get(sts_meter=odd).state == "refused"
    StsMeter.objects.filter(pk=odd.pk).update(krn=1)
    assert desk.bob.post(f"{HERE}/{row.pk}/act", {"what": "again"}).status_code == 302
    assert CampaignMeter.objects.get(sts_meter=odd).state == "not_issued"


# ---------------------------------------------------------------- the token reader


def read(desk: TokenDesk, token: str, meter: str = "") -> str:
    return text_of(desk.alice.post("/console/tokens/explain", {"token": token, "meter": meter}))


def test_a_token_of_ours_is_explained_and_once_entered_foretold_as_used(desk: TokenDesk) -> None:
    [digits] = desk.scene.made(credit(500))
    number = desk.scene.cast.shop_101.meter.number
    page = read(desk, f"{digits[:4]} {digits[4:]}", number)
    assert 'data-answer="accept"' in page and "Electricity credit, 50.0 kWh" in page and "In our books" in page
    course.entered(TokenRequest.objects.get().pk, how="keypad", actor="system", at=NOON)
    assert 'data-answer="used"' in read(desk, digits, desk.scene.sts.meter_pan)


def test_without_a_meter_and_with_a_wrong_digit_the_likely_reason_stands(desk: TokenDesk) -> None:
    [digits] = desk.scene.made(credit(500))
    assert "no key of the meter was given" in read(desk, digits)
    assert "19 digits were given" in read(desk, digits[:19])
    wrong = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    number = desk.scene.cast.shop_101.meter.number
    page = read(desk, wrong, number)
    assert 'data-answer="crc_error"' in page or 'data-answer="crc"' in page, page
    assert digits not in page, "a position is named, never the right digit"
    assert 'data-code="sts_meter_unknown"' in read(desk, digits, "999")


def test_a_token_from_before_the_key_change_is_known_as_one(desk: TokenDesk) -> None:
    [digits] = desk.scene.made(credit(500))
    change = desk.made("key-change", key=str(desk.scene.new.pk), ti="")
    desk.bob.post(f"/console/tokens/{change.pk}/act", {"what": "handed_over"})
    assert "SGC 600123, KRN 1, TI 01" in read(desk, digits, desk.scene.cast.shop_101.meter.number)


def test_no_key_is_shown_and_readings_are_counted(desk: TokenDesk) -> None:
    [digits] = desk.scene.made(credit(500))
    number = desk.scene.cast.shop_101.meter.number
    pages = [read(desk, digits, number) for _time in range(AN_HOUR + 1)]
    assert 'data-code="token_readings_spent"' in pages[-1] and "In our books" not in pages[-1]
    key = desk.scene.vault.decoder_key  # what may not be on any page
    assert callable(key) and "5c911bab" not in "".join(pages)
    assert AuditRow.objects.filter(action="tokens.read").count() == AN_HOUR
    assert not AuditRow.objects.filter(after__icontains=digits).exists()


# ---------------------------------------------------------------- the vault


def test_the_vault_page_names_keys_and_never_shows_one(desk: TokenDesk) -> None:
    desk.scene.made(credit(500))
    page = text_of(desk.bob.get("/console/tokens/vault"))
    assert desk.scene.old.check_value in page and "50.0 kWh" in page and page.count('data-test="vault-key"') == 2
    assert "5c911bab" not in page and "Limits…" not in page
    assert desk.alice.get("/console/tokens/vault").status_code == 403


def test_limits_are_an_administrators_with_a_reason(desk: TokenDesk) -> None:
    admin = desk.somebody("ada", Role.ADMINISTRATOR, company_id=desk.scene.cast.site.company_id)
    address = f"/console/tokens/vault/{desk.scene.old.pk}/limits"
    assert desk.bob.get(address).status_code == 403
    form = {"tokens": "100", "kwh": "50.5", "money": "", "reason": "a quiet site"}
    assert 'data-code="vending_limit_malformed"' in text_of(admin.post(address, {**form, "kwh": "much"}))
    assert 'data-code="token_reason_needed"' in text_of(admin.post(address, {**form, "reason": ""}))
    assert admin.post(address, form).status_code == 302
    row = StoredKey.objects.get(pk=desk.scene.old.pk)
    assert (row.tokens_a_day, row.tenths_a_day, row.money_e5_a_day) == (100, 505, None)
    of_the_site = desk.somebody("sid", Role.ADMINISTRATOR)
    assert of_the_site.get(address).status_code == 404, "a key of all companies is not one site's to limit"
