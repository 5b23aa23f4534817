"""Key-change campaigns and sales through them: resumable, the same tokens each time, the old ones refused then."""

from datetime import timedelta

import pytest
from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.core.sts import Answer, Ea, KeyType
from prewatt.office.tokens import campaign_issue, campaigns, course, issuing, keys, requests, routes, sale
from prewatt.office.tokens.campaigns import Selection
from prewatt.office.tokens.models import Campaign, CampaignMeter, StoredKey, StsMeter, TokenRequest
from prewatt.office.tokens.rack import Rack
from prewatt.office.tokens.vault import Holder, KeyChangeOrder
from tests.office.tokens.scene import NEW_VALUE, NOON, Scene, credit, more_meters, scene, vending_key

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def play() -> Scene:
    return scene()


def drafted(
    play: Scene, chosen: Selection | None = None, *, key: str = "c1", purchase: bool = False, new_ti: str = "",
    new_key: StoredKey | None = None,
) -> Campaign:  # fmt: skip
    return campaigns.draft(
        play.cast.site, chosen or Selection(sgc="600123"), name="KRN 2", new_key=new_key or play.new, new_ti=new_ti,
        with_next_purchase=purchase, request_key=key, actor=play.bob, at=NOON,
    )  # fmt: skip


def started(
    play: Scene, *, chosen: Selection | None = None, purchase: bool = False, new_ti: str = ""
) -> Campaign:
    return campaigns.step(
        drafted(play, chosen, purchase=purchase, new_ti=new_ti), "start", actor=play.bob, at=NOON
    )


def issue_all(play: Scene, campaign: Campaign, most: int = 2) -> int:
    batches = 0
    while campaign_issue.issue_batch(campaign.pk, rack=play.rack, at=NOON, most=most).claimed:
        batches += 1
        assert batches < 20
    return batches


def states(campaign: Campaign) -> dict[str, int]:
    return campaigns.progress(campaign).counts


def test_a_dry_run_says_what_would_happen_and_writes_nothing(play: Scene) -> None:
    more_meters(play.cast, 3)
    StsMeter.objects.filter(meter__unit=101).update(krn=9)
    StsMeter.objects.filter(meter__unit=102).update(krn=2)
    campaign = drafted(play)

    assert [(each.meters, each.code) for each in campaigns.dry_run(campaign)] == [
        (2, ""), (1, "key_change_needless"), (1, "vending_key_unknown"),
    ]  # fmt: skip
    assert not TokenRequest.objects.exists() and states(campaign) == {"not_issued": 4}


def test_batches_issue_each_meter_once_and_say_why_not(play: Scene) -> None:
    meters = more_meters(play.cast, 4)
    StsMeter.objects.filter(pk=meters[0].pk).update(krn=9)
    campaign = started(play)

    assert issue_all(play, campaign) == 3
    assert states(campaign) == {"issued": 4, "refused": 1}
    assert TokenRequest.objects.count() == 4
    assert keys.used_on(play.old, NOON.date()).tokens == 4
    StsMeter.objects.filter(pk=meters[0].pk).update(krn=1)
    assert campaigns.again(campaign, actor=play.bob, at=NOON) == 1
    issue_all(play, campaign)
    assert states(campaign) == {"issued": 5}


@pytest.mark.parametrize(("ea", "three", "tokens"), [("07", False, 2), ("07", True, 3), ("11", False, 4)])
def test_a_batch_makes_what_one_by_one_would_make(play: Scene, ea: str, three: bool, tokens: int) -> None:
    meters = more_meters(play.cast, 3, ea=ea, three_tokens=three)
    campaign = started(play, chosen=Selection(meter_ids=tuple(each.pk for each in meters)), new_ti="07")
    issue_all(play, campaign)

    for row in CampaignMeter.objects.filter(campaign=campaign).select_related("sts_meter"):
        order = KeyChangeOrder(
            message_id="x", key=keys.name_of(play.old), new_key=keys.name_of(play.new), new_ti="07", rollover=False,
            holder=Holder(meter_pan=row.sts_meter.meter_pan, ti="01", ea=Ea(ea)), three_tokens=three,
        )  # fmt: skip
        digits = issuing.digits_of(row.request_id or 0)
        assert digits == play.vault.issue(order) and len(digits) == tokens


def test_a_crash_between_request_and_digits_is_made_good_by_the_next_batch(play: Scene) -> None:
    more_meters(play.cast, 3)
    campaign = started(play)
    with pytest.raises(Refused, match="vault_closed"):
        campaign_issue.issue_batch(campaign.pk, rack=Rack(), at=NOON, most=3)
    asked = set(TokenRequest.objects.values_list("pk", flat=True))
    assert len(asked) == 3 and states(campaign) == {"not_issued": 4}

    campaign_issue.issue_batch(campaign.pk, rack=play.rack, at=NOON, most=3)
    assert set(TokenRequest.objects.values_list("pk", flat=True)) == asked
    assert states(campaign) == {"issued": 3, "not_issued": 1}


def test_a_paused_campaign_issues_nothing_and_goes_on_where_it_was(play: Scene) -> None:
    more_meters(play.cast, 1)
    campaign = started(play)
    campaign_issue.issue_batch(campaign.pk, rack=play.rack, at=NOON, most=1)
    campaigns.step(campaign, "pause", actor=play.bob, at=NOON)
    with pytest.raises(Refused, match="campaign_state"):
        campaign_issue.issue_batch(campaign.pk, rack=play.rack, at=NOON)
    campaigns.step(campaign, "start", actor=play.bob, at=NOON)
    issue_all(play, campaign)
    assert states(campaign) == {"issued": 2}


def test_a_daily_limit_spreads_a_campaign_over_days(play: Scene) -> None:
    more_meters(play.cast, 4)
    keys.limit(play.old, tokens_a_day=3, tenths_a_day=None, money_e5_a_day=None, reason="x", actor=play.eva, at=NOON)
    campaign = started(play)
    with pytest.raises(Refused, match="vending_limit"):
        issue_all(play, campaign, most=4)
    assert states(campaign) == {"issued": 3, "not_issued": 2}
    campaign_issue.issue_batch(campaign.pk, rack=play.rack, at=NOON + DAY, most=4)
    assert states(campaign) == {"issued": 5}


def test_after_the_set_the_old_token_is_refused_and_the_new_one_taken(play: Scene) -> None:
    [before] = play.made(credit(100), "before")
    keypad = play.keypad()
    campaign = started(play)
    issue_all(play, campaign)
    row = CampaignMeter.objects.get()
    campaign_issue.deliver(row, actor=play.bob, at=NOON)
    [after] = play.made(credit(200), "after")
    for part in issuing.digits_of(row.request_id or 0) or ():
        last = keypad.enter(part, 0)

    assert last.answer is Answer.ACCEPT
    assert keypad.enter(before, 1).answer is Answer.CRC
    assert keypad.enter(after, 2).answer is Answer.ACCEPT
    course.entered(row.request_id or 0, how="keypad", actor="system", at=NOON)
    assert states(campaign) == {"entered": 1}
    course.entered(TokenRequest.objects.get(message_id="after").pk, how="keypad", actor="system", at=NOON)
    assert states(campaign) == {"confirmed": 1}


def test_credit_of_the_old_key_confirms_nothing(play: Scene) -> None:
    play.made(credit(), "before")
    campaign = started(play)
    issue_all(play, campaign)
    campaign_issue.deliver(CampaignMeter.objects.get(), actor=play.bob, at=NOON)
    course.entered(TokenRequest.objects.get(message_id="before").pk, how="keypad", actor="system", at=NOON)
    assert states(campaign) == {"delivered": 1}


def sold(play: Scene, message_id: str, tenths: int = 500) -> sale.SaleTokens:
    meter_id = play.sts.meter_id
    sale.ready(meter_id, rack=play.rack, at=NOON)
    quoted = sale.quote(meter_id, tenths, at=NOON)
    with transaction.atomic():
        return sale.ask_sale(
            meter_id, tenths, message_id=message_id, reference=message_id, actor=play.alice.key, at=NOON,
            booked=quoted.carried,
        )  # fmt: skip


def test_a_set_goes_with_the_next_purchase_and_with_each_until_it_is_entered(play: Scene) -> None:
    keypad = play.keypad()
    campaign = started(play, purchase=True)
    first = sold(play, "sale:1")
    found = requests.of_reference("sale:1")
    assert found and found.pk == first.credit.request_id and requests.of_reference("sale:9") is None
    slip = sale.issue_sale(first, rack=play.rack, at=NOON)

    assert [len(each) for each in slip.sets] == [2] and states(campaign) == {"delivered": 1}
    for part in (*slip.sets[0], slip.credit):
        last = keypad.enter(part, 0)
    assert last.answer is Answer.ACCEPT and keypad.state.registers[0] == 500
    again = sold(play, "sale:1")
    assert (again.sets, again.credit.request_id, again.credit.fresh) == (first.sets, first.credit.request_id, False)
    assert sold(play, "sale:2").sets == first.sets
    course.entered(first.sets[0], how="keypad", actor="system", at=NOON)
    assert sold(play, "sale:3").sets == ()


def test_a_campaign_for_fitters_leaves_sales_at_the_old_key_until_it_is_delivered(play: Scene) -> None:
    campaign = started(play)
    issue_all(play, campaign)
    assert sold(play, "sale:1").sets == ()
    assert TokenRequest.objects.get(message_id="sale:1").key_id == play.old.pk
    campaign_issue.deliver(CampaignMeter.objects.get(), actor=play.bob, at=NOON)
    assert len(sold(play, "sale:2").sets) == 1
    assert TokenRequest.objects.get(message_id="sale:2").key_id == play.new.pk


def test_a_sale_waits_for_a_vault_that_is_away(play: Scene) -> None:
    started(play, purchase=True)
    with pytest.raises(Refused, match="vault_closed") as refused:
        sale.ready(play.sts.meter_id, rack=Rack(), at=NOON)
    assert refused.value.retry


def test_a_set_that_the_meter_moved_past_is_not_handed_out(play: Scene) -> None:
    campaign = started(play)
    issue_all(play, campaign)
    StsMeter.objects.update(ti="09")
    with pytest.raises(Refused, match="sts_meter_changed"):
        campaign_issue.deliver(CampaignMeter.objects.get(), actor=play.bob, at=NOON)
    assert states(campaign) == {"issued": 1}


def test_a_set_that_the_meter_moved_past_does_not_stop_its_sales(play: Scene) -> None:
    campaign = started(play, purchase=True)
    issue_all(play, campaign)
    StsMeter.objects.update(ti="09")
    assert sold(play, "sale:1").sets == () and states(campaign) == {"issued": 1}


def test_the_same_request_key_gives_the_same_campaign(play: Scene) -> None:
    assert drafted(play).pk == drafted(play).pk
    with pytest.raises(Refused, match="token_message_reused"):
        drafted(play, purchase=True)
    with pytest.raises(Refused, match="campaign_malformed"):
        drafted(play, Selection(sgc="999999"), key="c2")
    assert Campaign.objects.count() == 1


def test_key_types_that_may_not_follow_are_refused_before_the_vault(play: Scene) -> None:
    factory = keys.seal_in(
        play.vault, vending_key(NEW_VALUE, kt=KeyType.DITK, krn=3), company_id=None, actor=play.eva, at=NOON
    )
    assert [each.code for each in campaigns.dry_run(drafted(play, new_key=factory))] == ["key_change_key_type"]


def test_many_unconfirmed_tokens_are_warned_of(play: Scene) -> None:
    for n in range(41):
        play.asked(credit(1), f"m{n}")
    held = course.outstanding(play.sts, at=NOON)
    assert (held.unconfirmed, held.remembered, held.room, held.warns(), held.warns(0)) == (41, 50, 9, True, True)
    assert not course.Outstanding(unconfirmed=39).warns()

    issuing.sweep(rack=play.rack, at=NOON + timedelta(minutes=1))
    for request in TokenRequest.objects.all()[:5]:
        course.entered(request.pk, how="customer", actor="system", at=NOON)
    assert course.outstanding(play.sts, at=NOON).unconfirmed == 36
    assert course.outstanding(play.sts, at=NOON + 40 * DAY).unconfirmed == 0


def test_a_key_change_from_the_meters_page(play: Scene) -> None:
    keypad = play.keypad()
    change = requests.key_change_of(play.sts, play.new)
    asked = play.asked(change, "page")
    parts = issuing.issue(asked.request_id, rack=play.rack, at=NOON)
    assert [keypad.enter(part, 0).answer for part in parts] == [Answer.KEY_PART_1, Answer.ACCEPT]
    assert course.handed_over(asked.request_id, actor=play.bob.key, at=NOON)
    assert not course.handed_over(asked.request_id, actor=play.bob.key, at=NOON)
    assert requests.of_meter(play.sts.meter_id).krn == 2 and StoredKey.objects.count() == 2
    with pytest.raises(Refused, match="key_change_needless"):
        play.asked(requests.key_change_of(requests.of_meter(play.sts.meter_id), play.new), "again")


def test_a_list_by_route_shows_the_same_tokens_page_after_page(play: Scene) -> None:
    more_meters(play.cast, 2)  # in no room: last
    campaign = started(play)
    issue_all(play, campaign)
    first, *rest = routes.route(campaign, most=1)
    whole = routes.route(campaign)

    assert (first.room, first.meter_pan, len(first.digits), rest) == ("A-101", play.sts.meter_pan, 2, [])
    assert [first, *routes.route(campaign, after=first.place)] == whole
    assert [each.room for each in whole[1:]] == ["", ""]
    assert routes.route(campaign) == whole
    assert routes.route(campaign, states=("entered",)) == []
    room = play.cast.shop_101.room
    assert room and [each.room for each in routes.route(campaign, building_id=room.building_id)] == ["A-101"]
