"""Meters that take tokens, from a spreadsheet to a sale: attributes, carrier, and what does not go together."""

from datetime import timedelta
from typing import Any

import pytest

from prewatt.core.refusals import CHINESE, ENGLISH
from prewatt.core.sts import Ea, TwoSlotMemory, VirtualMeter, new_meter
from prewatt.core.sts.meter import Answer
from prewatt.office.estate.models import Circuit, Contract, Meter, Site, SupplyPoint
from prewatt.office.sheets import taking_over
from prewatt.office.staff.actors import Actor, of_operator
from prewatt.office.staff.models import Operator, Role, Scope
from prewatt.office.tokens import keys, opened
from prewatt.office.tokens.issuing import digits_of
from prewatt.office.tokens.models import StsMeter
from prewatt.office.tokens.rack import Rack
from prewatt.office.tokens.vault import Holder
from prewatt.office.vending.audits import audit_books
from prewatt.office.vending.models import Delivery, Opening, Till
from prewatt.office.vending.sales import SellCommand, sell
from tests.office.sheets.test_taking_over import AT, counts, estate, site, taken, workbook
from tests.office.tokens.scene import pan, sealing, vending_key

__all__ = ["site"]
pytestmark = pytest.mark.django_db
NUMBER = "000000000021"


def with_keypad() -> dict[str, list[dict[str, Any]]]:
    """The estate and a keypad meter on no line, sold to by token."""
    content = estate()
    content["meters"].append({"number": NUMBER, "profile": "sts-keypad", "gateway": "", "unit": "", "ratio": 1})
    sts = {
        "meter": NUMBER, "pan": pan(7), "sgc": "600123", "krn": 1, "kt": 2, "ti": "01", "ken": 255, "base_date": 2014,
        "ea": "07", "dkga": "04", "tct": "02", "credit_kind": 0, "three_tokens": 0,
    }  # fmt: skip
    content = {**{sheet: content[sheet] for sheet in ("buildings", "rooms", "gateways", "meters")}, "sts": [sts], **{
        sheet: content[sheet] for sheet in ("circuits", "plans", "customers", "contracts", "supply_points")
    }}
    content["contracts"].append({"number": "C-3", "customer": "K2", "opened_on": "2026-03-01"})
    content["supply_points"] = [{**row, "carrier": ""} for row in content["supply_points"]]
    content["supply_points"].append(
        {"contract": "C-3", "meter": NUMBER, "circuit": 1, "plan": "P", "custody": "meter", "overdraft_minor": 0,
         "alarm_1_minor": 0, "alarm_2_minor": 0, "from": "2026-03-01", "carrier": "token"}
    )  # fmt: skip
    return content


def test_a_keypad_meter_comes_whole_and_the_same_file_again_changes_nothing(site: Site) -> None:
    found = taken(site, workbook(with_keypad()))
    assert found.refusals == () and found.created == counts(with_keypad())
    meter = Meter.objects.get(number=NUMBER)
    sts = StsMeter.objects.get(meter=meter)
    assert (meter.line, meter.unit, sts.meter_pan, sts.sgc, sts.krn, sts.kt) == (None, 0, pan(7), "600123", 1, 2)
    supply = SupplyPoint.objects.get(circuit__meter=meter)
    assert (supply.carrier, supply.custody, supply.state, supply.credit_unit) == ("token", "meter", "open", "Wh")
    assert Contract.objects.get(number="C-3").state == "open" and supply.valid_from < AT
    assert not Opening.objects.filter(supply_point=supply).exists(), "nobody was asked"
    again = taken(site, workbook(with_keypad()))
    assert again.refusals == () and not any(again.created.values()) and again.unchanged == counts(with_keypad())
    assert audit_books() == []


def test_what_came_by_spreadsheet_is_sold_to_by_token(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    taken(site, workbook(with_keypad()))
    vault = sealing()
    eva = Actor(key="operator:0", name="Eva", role=Role.ADMINISTRATOR, operator_id=0)
    keys.seal_in(vault, vending_key(), company_id=None, actor=eva, at=AT)
    monkeypatch.setattr(opened, "rack", lambda *, at: Rack(vaults={"sealed": vault}))
    bob = Operator.objects.create(username="bob", name="Bob", role=Role.MANAGER, created_at=AT, password="!")
    Scope.objects.create(operator=bob, site_id=site.pk)
    circuit = Circuit.objects.get(meter__number=NUMBER)
    at = AT + timedelta(hours=1)
    sell(
        SellCommand(
            key="k1", contract_number="C-3", circuit_id=circuit.pk, till_id=Till.objects.get(site_id=site.pk).pk,
            amount_minor=4500, actor=of_operator(bob), at=at,
        )
    )  # fmt: skip
    delivery = Delivery.objects.get(circuit=circuit)
    assert delivery.state == "confirmed"
    sts = StsMeter.objects.get(meter__number=NUMBER)
    held = vault.decoder_key(keys.name_of(keys.key_of(sts)), Holder(meter_pan=sts.meter_pan, ti=sts.ti, ea=Ea(sts.ea)))
    keypad = VirtualMeter(memory=TwoSlotMemory(new_meter(held, manufactured_tid=5_000_000)))
    [digits] = digits_of(delivery.token_request_id or 0) or ()
    assert keypad.enter(digits, 0).answer is Answer.ACCEPT
    assert audit_books() == []


def test_digits_that_a_spreadsheet_took_for_numbers_get_their_zeros_back(site: Site) -> None:
    content = with_keypad()
    content["sts"][0] |= {"ti": 1, "ea": 7, "dkga": 4, "tct": 2, "sgc": 600123, "pan": pan(7)}
    assert taken(site, workbook(content)).refusals == ()
    sts = StsMeter.objects.get()
    assert (sts.ti, sts.ea, sts.dkga, sts.tct, sts.sgc) == ("01", "07", "04", "02", "600123")


def test_the_number_on_the_label_is_as_good_as_the_whole_pan(site: Site) -> None:
    content = with_keypad()
    content["sts"][0]["pan"] = pan(7)[6:17]
    assert taken(site, workbook(content)).refusals == () and StsMeter.objects.get().meter_pan == pan(7)
    assert taken(site, workbook(with_keypad())).refusals == (), "and says the same"


WRONG: list[tuple[str, int, dict[str, object], str]] = [
    ("sts", 0, {"pan": pan(7)[:17] + str((int(pan(7)[17]) + 1) % 10)}, "meter_pan_check_digit"),
    ("sts", 0, {"pan": "123"}, "meter_pan_malformed"),
    ("sts", 0, {"sgc": "60012"}, ""),  # zeros in front are not known to be missing
    ("sts", 0, {"sgc": "ABC"}, "digits_needed"),
    ("sts", 0, {"krn": 0}, "sts_field_out_of_range"),
    ("sts", 0, {"kt": 4}, "sts_field_out_of_range"),
    ("sts", 0, {"ken": 256}, "whole_number_needed"),
    ("sts", 0, {"base_date": 2015}, "base_date_unknown"),
    ("sts", 0, {"ea": "09"}, "ea_withdrawn"),
    ("sts", 0, {"dkga": "03"}, "dkga_unverified"),
    ("sts", 0, {"dkga": "02", "ea": "11"}, "dkga_ea_mismatch"),
    ("sts", 0, {"tct": "09"}, "tct_unknown"),
    ("sts", 0, {"three_tokens": "maybe"}, "yes_or_no_needed"),
    ("sts", 0, {"meter": "000000000099"}, "cell_needed"),
    ("meters", 2, {"unit": 3}, "whole_number_needed"),
    ("meters", 1, {"gateway": "", "unit": ""}, "cell_needed"),
    ("supply_points", 2, {"carrier": "pigeon"}, "carrier_unknown"),
    ("supply_points", 2, {"custody": "server"}, "server_custody_unsupported"),
    ("supply_points", 2, {"alarm_1_minor": 5}, "token_without_terms"),
    ("supply_points", 2, {"from": "2026-11-24"}, "token_from_ahead"),
    ("supply_points", 2, {"carrier": "network"}, "custody_not_supported"),
    ("supply_points", 1, {"carrier": "token", "alarm_1_minor": 0, "alarm_2_minor": 0}, "sts_meter_unknown"),
    ("sts", 0, {"credit_kind": 4}, "token_credit_kind"),
]


def test_each_wrong_row_is_named_and_nothing_is_taken(site: Site) -> None:
    for sheet, place, change, code in WRONG:
        content = with_keypad()
        content[sheet][place] |= change
        found = taking_over.check(workbook(content), site=site, at=AT) if not code else taken(site, workbook(content))
        told = [each.code for each in found.refusals]
        assert (told[:1] if code else told) == ([code] if code else []), (sheet, change, told)
        assert not Meter.objects.exists() and not StsMeter.objects.exists()
        for each in found.refusals:
            assert not any("?" in each.message(lang) for lang in (CHINESE, ENGLISH)), each



def test_a_pan_belongs_to_one_meter_and_what_stands_is_never_changed(site: Site) -> None:
    content = with_keypad()
    content["meters"].append({**content["meters"][2], "number": "000000000022"})
    content["sts"].append({**content["sts"][0], "meter": "000000000022"})
    [said] = taken(site, workbook(content)).refusals
    assert (said.sheet, said.row, said.code) == ("sts", 3, "pan_taken")
    assert taken(site, workbook(with_keypad())).refusals == ()
    other = with_keypad()
    other["sts"][0] |= {"krn": 2, "ti": "02"}
    [said] = taken(site, workbook(other)).refusals
    assert (said.sheet, said.code, said.params["columns"]) == ("sts", "exists_with_other_values", "krn, ti")
    other = with_keypad()
    other["supply_points"][2]["carrier"] = ""
    told = taken(site, workbook(other)).refusals
    assert [(each.code, each.params.get("columns")) for each in told] == [("exists_with_other_values", "carrier")]


def test_a_file_without_the_new_columns_is_read_as_before(site: Site) -> None:
    assert taken(site, workbook(estate())).refusals == ()
    assert set(SupplyPoint.objects.values_list("carrier", flat=True)) == {"network"}
