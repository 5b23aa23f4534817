"""STS attributes of a meter: checked by the engine, registered once, repaired with a reason."""

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Meter
from prewatt.office.staff.models import AuditRow
from prewatt.office.tokens import meters, requests
from prewatt.office.tokens.models import StsMeter
from tests.office.tokens.scene import NOON, Scene, attributes, credit, pan, scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def play() -> Scene:
    return scene()


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("meter_pan_malformed", {"meter_pan": "6007"}),
        ("meter_pan_check_digit", {"meter_pan": "600727000000000008", "ea": "99"}),
        ("meter_pan_iin_unknown", {"meter_pan": "123456000000000009"}),
        ("dkga_unverified", {"dkga": "01"}),
        ("dkga_unknown", {"dkga": "05"}),
        ("ea_withdrawn", {"ea": "09"}),
        ("ea_unknown", {"ea": "12"}),
        ("dkga_ea_mismatch", {"dkga": "02", "ea": "11"}),
        ("common_key_undefined", {"kt": 3}),
        ("common_key_needs_card", {"kt": 3, "dkga": "02"}),
        ("key_change_three_tokens", {"ea": "11", "three_tokens": True}),
        ("tct_unknown", {"tct": "03"}),
        ("base_date_unknown", {"base_date": 2000}),
        ("sts_field_malformed", {"sgc": "12345"}),
        ("sts_field_malformed", {"ti": "1"}),
        ("sts_field_out_of_range", {"krn": 10}),
        ("sts_field_out_of_range", {"kt": 4}),
        ("sts_field_out_of_range", {"ken": 256}),
        ("token_subclass_unknown", {"credit_kind": 8}),
    ],
)
def test_wrong_attributes_are_refused_and_leave_nothing(play: Scene, code: str, changes: dict[str, object]) -> None:
    with pytest.raises(Refused, match=code):
        meters.register(play.cast.shop_102.meter, attributes(2, **changes), actor=play.eva, at=NOON)
    assert StsMeter.objects.count() == 1


def test_a_drn_gives_its_pan() -> None:
    assert meters.pan_of(pan(1)[6:17]) == pan(1)
    with pytest.raises(Refused, match="drn_check_digit"):
        meters.pan_of("11000000012")


def test_a_meter_and_a_pan_are_registered_once(play: Scene) -> None:
    for meter, serial in ((play.cast.shop_101.meter, 2), (play.cast.shop_102.meter, 1)):
        with pytest.raises(Refused, match="sts_meter_exists"):
            meters.register(meter, attributes(serial), actor=play.eva, at=NOON)
    with pytest.raises(Refused, match="not_permitted"):
        meters.register(play.cast.shop_102.meter, attributes(2), actor=play.alice, at=NOON)
    with pytest.raises(Refused, match="sts_meter_unknown"):
        requests.of_meter(Meter.objects.get(unit=2).pk)


def test_a_record_is_repaired_with_a_reason_and_leaves_a_trace(play: Scene) -> None:
    with pytest.raises(Refused, match="token_reason_needed"):
        meters.repair(play.sts, attributes(1, ti="05"), reason=" ", actor=play.eva, at=NOON)
    repaired = meters.repair(play.sts, attributes(1, ti="05"), reason="test token says TI 05", actor=play.eva, at=NOON)
    assert (repaired.ti, repaired.revision) == ("05", 2)
    row = AuditRow.objects.get(action="tokens.repair")
    assert row.before and row.after
    assert (row.before["ti"], row.after["ti"]) == ("01", "05")


def test_a_pan_that_tokens_were_made_for_stays(play: Scene) -> None:
    play.made(credit())
    with pytest.raises(Refused, match="sts_meter_in_use"):
        meters.repair(play.sts, attributes(9), reason="swapped", actor=play.eva, at=NOON)
