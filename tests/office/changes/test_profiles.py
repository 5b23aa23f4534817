"""A meter moved to another model: by an act, never under the money of a contract, never under an order on its way."""

from typing import Any

import pytest

from prewatt.core.meters.catalogue import shipped_text
from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind, Wish
from prewatt.core.refusals import Refused
from prewatt.office.changes.profiles import move_to
from prewatt.office.estate.models import Circuit, Gateway, Meter
from prewatt.office.estate.profiles import save_version
from prewatt.office.metering.jobs import enqueue
from prewatt.office.metering.models import JobRow
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.models import AuditRow, Operator, Role
from tests.cast import NOON, Cast, assemble

pytestmark = pytest.mark.django_db
TOTAL = 'quantity = "energy_import_total"'
SPM = shipped_text("pilot-spm9511").replace('code = "pilot-spm9511"', 'code = "ours"')
ACREL = shipped_text("acrel-ddsy1352").replace('code = "acrel-ddsy1352"', 'code = "theirs"')


@pytest.fixture
def cast() -> Cast:
    return assemble()


def own(cast: Cast, text: str) -> str:
    row = save_version(
        cast.site, text=text, based_on="", note="as the maker wrote", everywhere=False, actor="operator:1", at=NOON
    )
    return f"{row.code}@{row.version}"


def move(cast: Cast, circuit: Circuit, name: str, **changes: Any) -> Meter:
    electrician = Operator.objects.get_or_create(
        username="erin", defaults={"name": "Erin", "role": Role.ELECTRICIAN, "created_at": NOON, "password": "!"}
    )[0]
    told = {"reason": "what the maker handed out", "actor": of_operator(electrician), "at": NOON, **changes}
    move_to(circuit.meter, name, **told)
    return Meter.objects.get(pk=circuit.meter_id)


def changed(text: str, quantity: str, address: str) -> str:
    """The text with another address for one register."""
    head, tail = text.split(f'quantity = "{quantity}"', 1)
    lines = tail.split("\n")
    place = next(number for number, line in enumerate(lines) if line.startswith("address"))
    lines[place] = f"address = {address}"
    return f'{head}quantity = "{quantity}"' + "\n".join(lines)


def test_a_meter_moves_by_an_act_and_the_head_end_is_told(cast: Cast) -> None:
    name, before = own(cast, SPM), Gateway.objects.get().revision
    assert move(cast, cast.shop_101, name).profile == name
    assert Gateway.objects.get().revision == before + 1
    deed = AuditRow.objects.get(action="estate.meter_profile")
    assert (deed.before, deed.after) == ({"profile": "pilot-spm9511"}, {"profile": name})
    assert deed.reason == "what the maker handed out"
    assert move(cast, cast.shop_101, own(cast, SPM + "\n# of 2026\n")).profile == "ours@2"


@pytest.mark.parametrize(
    ("text", "of"),
    [
        (changed(changed(SPM, "balance", "0x0108"), "last_order_amount", "0x0104"), "balance"),
        (SPM.replace("address = 0x0400", "address = 0x0410"), "balance"),
        (SPM.replace("resolution = 10 ", "resolution = 20 "), "balance"),
        (SPM.replace("ratio_applied = true", "ratio_applied = false"), "energy_import_total"),
        (SPM.replace("rollover_kwh = 10_000_000", "rollover_kwh = 1_000_000"), "energy_import_total"),
        (SPM.replace(TOTAL, f'{TOTAL}\noffset = "-1"'), "energy_import_total"),
        (SPM.replace(TOTAL, f'{TOTAL}\nbyte_order = "low_first"'), "energy_import_total"),
    ],
)
def test_the_purse_of_a_contract_is_never_read_or_told_otherwise(cast: Cast, text: str, of: str) -> None:
    try:
        name = own(cast, text)
    except Refused:
        pytest.fail("the text itself must be sound")
    with pytest.raises(Refused) as refused:
        move(cast, cast.shop_101, name)
    assert (refused.value.code, refused.value.params["quantity"]) == ("profile_counts_otherwise", of)
    assert Meter.objects.get(pk=cast.shop_101.meter_id).profile == "pilot-spm9511"
    assert move(cast, cast.shop_103, name).profile == name, "nobody is supplied there"


def test_what_a_server_held_contract_is_billed_by_stays_and_the_rest_may_change(cast: Cast) -> None:
    total = '"energy_import_total"\ngroup = "registers"'
    assert total in ACREL
    scaled = ACREL.replace('scale = "0.01"\nunit = "kWh"', 'scale = "0.1"\nunit = "kWh"')
    assert scaled != ACREL
    with pytest.raises(Refused, match="profile_counts_otherwise"):
        move(cast, cast.shop_102, own(cast, scaled))
    slower = ACREL.replace("turnaround_ms = ", "turnaround_ms = 1")
    assert move(cast, cast.shop_102, own(cast, slower)).profile == "theirs@2"
    with pytest.raises(Refused, match="server_custody_unsupported"):
        move(cast, cast.shop_102, own(cast, SPM.replace('["meter", "server"]', '["meter"]')))


@pytest.mark.parametrize(
    ("job", "state", "refused"),
    [
        (Job(intent=Intent.CREDIT, order=Order(count=6, kind=OrderKind.PURCHASE, amount=1000)), "queued", True),
        (Job(intent=Intent.ENTER_TOKEN, token="58534422344579794043"), "queued", True),
        (Job(intent=Intent.READ_STATUS), "claimed", True),
        (Job(intent=Intent.RELAY, wish=Wish.TRIP), "queued", False),
        (Job(intent=Intent.READ_STATUS), "queued", False),
    ],
)
def test_nothing_moves_under_an_order_or_a_conversation(cast: Cast, job: Job, state: str, refused: bool) -> None:
    enqueue(key="k", circuit_id=cast.shop_103.pk, job=job, at=NOON, actor="operator:1")
    JobRow.objects.update(state=state)
    name = own(cast, SPM)
    if refused:
        with pytest.raises(Refused, match="meter_busy"):
            move(cast, cast.shop_103, name)
    else:
        assert move(cast, cast.shop_103, name).profile == name


def test_who_may_and_which_model_there_must_be(cast: Cast) -> None:
    with pytest.raises(Refused, match="not_permitted"):
        move(cast, cast.shop_103, own(cast, SPM), actor=of_operator(cast.alice))
    for name, code in (("nobody@1", "meter_profile_unknown"), ("pilot-spm9511", "profile_same")):
        with pytest.raises(Refused, match=code):
            move(cast, cast.shop_103, name)
    with pytest.raises(Refused, match="reason_needed"):
        move(cast, cast.shop_103, "ours@1", reason=" ")


def test_a_model_with_more_circuits_adds_them_and_one_with_fewer_is_refused(cast: Cast) -> None:
    move(cast, cast.shop_103, "pilot-spm9512")
    assert list(Circuit.objects.filter(meter=cast.shop_103.meter).values_list("index", flat=True)) == [1, 2]
    with pytest.raises(Refused, match="meter_has_fewer_circuits"):
        move(cast, cast.shop_103, "pilot-spm9511")
