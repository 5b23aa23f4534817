"""Pages of meter models: what stands where by which source, a copy changed, tried and saved, given to meters."""

import pytest
from django.test import Client

from prewatt.core.meters.catalogue import shipped_text
from prewatt.core.meters.jobs import Intent
from prewatt.core.meters.model import Group
from prewatt.core.meters.own import check_own
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import RegisterImage, layouts
from prewatt.office.estate.models import Meter, ProfileVersion
from prewatt.office.metering.jobs import decode
from prewatt.office.metering.models import JobRow
from prewatt.office.staff.models import Operator, Role, Scope
from tests.cast import NOON, Cast, assemble
from tests.core.meters.control_word import OURS as CONTROL_WORD
from tests.core.meters.control_word import from_one

pytestmark = pytest.mark.django_db
MODELS = "/console/meters/models"
EDIT = f"{MODELS}/pilot-spm9511/edit"
OURS = shipped_text("pilot-spm9511").replace('code = "pilot-spm9511"', 'code = "ours"')


@pytest.fixture
def cast() -> Cast:
    return assemble()


@pytest.fixture
def erin(cast: Cast) -> Client:
    return as_(operator(cast, "erin", Role.ELECTRICIAN))


def operator(cast: Cast, name: str, role: Role) -> Operator:
    made: Operator = Operator.objects.create(username=name, name=name, role=role, created_at=NOON, password="!")
    Scope.objects.create(operator=made, site_id=cast.site.pk)
    return made


def as_(who: Operator, language: str = "en") -> Client:
    client = Client()
    client.force_login(who)
    client.cookies["django_language"] = language
    return client


def page(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status, (address, answer.status_code)
    return answer.content.decode()


def saved(client: Client, text: str = OURS) -> str:
    answer = client.post(EDIT, {"act": "save", "text": text, "note": "by the maker's list of 2026"})
    assert answer.status_code == 302
    return str(answer["Location"])


def test_what_lies_beside_the_registers_says_its_address_and_its_source(cast: Cast, erin: Client) -> None:
    def beside(code: str) -> str:
        return page(erin, f"{MODELS}/{code}").split('data-test="places"')[1].split("</section>")[0]

    pilot = beside("pilot-spm9511")
    for said in ("0400h", "1 purchase, 2 return, 3 clear", "kept on: 1 0", "2 zones, 2 day tables of 8 periods",
                 "62 days, 12 months", "0 tripped: credit used up"):  # fmt: skip
        assert said in pilot, said
    assert pilot.count("mark-assumed") == pilot.count("<tr>") - 1, "nothing of it is public"
    assert "manual p. 15" in beside("acrel-dtsy1352"), "the relay, by the public manual"
    grid = beside("generic-dlt645-grid")
    assert "through a security provider" in grid and "04000503" in grid and "keep_power_off close" in grid
    assert "a standby set and its swap time" in grid


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_everybody_sees_the_models_and_which_registers_are_assumed(cast: Cast, language: str) -> None:
    client = as_(cast.alice, language)
    listed = page(client, MODELS)
    for code in ("pilot-spm9511", "chint-ddsu666", "ningju-ddzy1218"):
        assert f"{MODELS}/{code}" in listed
        one = page(client, f"{MODELS}/{code}")
        assert "energy_import_total" in one and "00010000" in one or "h</td>" in one
        plate = one.split('data-test="plate"')[1].split("</section>")[0]
        assert ("10(80) A" if code == "pilot-spm9511" else "800") in plate
    assert 'data-test="plate"' not in page(client, f"{MODELS}/generic-dlt645-order"), "nothing is claimed of it"
    acrel = page(client, f"{MODELS}/chint-ddsu666")
    assert "edit" not in acrel.split("<h1>")[1].split("</h1>")[1][:600], "a cashier is offered no change"
    assert client.get(EDIT).status_code == 403
    assert client.get(f"{MODELS}/nobody").status_code == 404


def test_a_fault_is_told_with_its_line_and_what_was_typed_stays(cast: Cast, erin: Client) -> None:
    wrong = OURS.replace('type = "bcd48"', 'type = "bcd49"')
    answer = erin.post(EDIT, {"act": "save", "text": wrong.replace("\n", "\r\n"), "note": "what I learnt"})
    told = answer.content.decode()
    line = wrong.splitlines().index('type = "bcd49"') + 1
    assert answer.status_code == 422
    assert f"Line {line}: meter_number: bcd49 is no known type." in told and "profile_unknown_type" in told
    assert f'data-wrong="{line}"' in told and "what I learnt" in told and "bcd49" in told.split("<textarea")[1]
    assert not ProfileVersion.objects.exists()


def test_a_check_says_what_changed_against_what_it_was_copied_from(cast: Cast, erin: Client) -> None:
    assert 'code = &quot;pilot-spm9511-own&quot;' in page(erin, EDIT)
    answer = erin.post(EDIT, {"act": "check", "text": OURS.replace("address = 0x0106", "address = 0x0112")})
    assert answer.status_code == 422 and "purchase_count" in answer.content.decode()
    told = erin.post(EDIT, {"act": "check", "text": OURS.replace("quiet_ms = 20", "quiet_ms = 35")}).content.decode()
    assert 'data-test="model-sound"' in told
    assert "<del>quiet_ms = 20</del>" in told and "<ins>quiet_ms = 35</ins>" in told
    assert not ProfileVersion.objects.exists() and not JobRow.objects.exists()


def test_a_check_shows_how_each_register_lies_in_its_words(cast: Cast, erin: Client) -> None:
    told = erin.post(EDIT, {"act": "check", "text": CONTROL_WORD}).content.decode()
    assert 'data-test="model-sound"' in told and 'data-test="address-base"' not in told
    for shown in ("0021h .3", "0021h !.0", "0030h &amp;FF00h", "u32le low_first", "0.1 + 100", "0.01 - 2.5"):
        assert f">{shown}<" in told, shown
    told = erin.post(EDIT, {"act": "check", "text": from_one(CONTROL_WORD)}).content.decode()
    assert 'data-test="address-base"' in told and ">0021h .3<" in told
    wrong = CONTROL_WORD.replace("bit = 4", "bit = 3")
    answer = erin.post(EDIT, {"act": "check", "text": wrong})
    assert answer.status_code == 422 and "profile_overlap" in answer.content.decode()


def test_an_unlocking_stands_beside_the_registers(cast: Cast, erin: Client) -> None:
    unlock = "\n[unlock]\naddress = 0x900\nvalue = 0x5AA5\nlock = 0\nassumed = true\n"
    beside = page(erin, saved(erin, CONTROL_WORD + unlock)).split('data-test="places"')[1].split("</section>")[0]
    assert "0900h" in beside and "written before settings and commands, and locked again after" in beside
    assert "5AA5" not in beside, "what opens it stands in the text alone"


def test_a_draft_is_tried_on_a_meter_and_shows_its_words(cast: Cast, erin: Client) -> None:
    number = cast.shop_103.meter.number
    head, tail = OURS.split('quantity = "balance"')
    other = head + 'quantity = "balance"' + tail.replace('scale = "0.01"', 'scale = "0.1"', 1)
    answer = erin.post(EDIT, {"act": "try", "text": other, "meter": number, "circuit": "1"})
    assert answer.status_code == 302
    job = JobRow.objects.get()
    assert (job.intent, job.circuit_id, decode(job.payload).draft) == (Intent.TRY.value, cast.shop_103.pk, other)
    assert 'data-verdict="running"' in page(erin, answer["Location"])
    profile = check_own(other)
    image = RegisterImage(profile)
    image.put({Quantity.METER_NUMBER: int(number), Quantity.BALANCE: 123_400})
    frames = [
        {"function": each.block.function, "address": each.address, "count": each.block.count, "sent": "0103",
         "received": "0103", "words": (image.read(each.address, each.block.count) or b"").hex()}
        for group in Group for each in layouts(profile, group, 1)
    ]  # fmt: skip
    JobRow.objects.update(state="done", verdict="done", finished_at=NOON, frames=frames, values={})
    told = page(erin, answer["Location"])
    assert "0000 04D2" in told and "123.40" in told, "1234 tenths of a kWh, as the draft has it"
    assert 'code = &quot;ours&quot;' in told, "the draft goes on being edited"
    assert not ProfileVersion.objects.exists()
    assert "123.40" not in page(erin, f"/console/meters/{cast.shop_103.meter_id}/try"), "no try of the meter's own"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"meter": "999999999999"}, "profile_try_where"),
        ({"circuit": "2"}, "profile_try_where"),
        ({"circuit": "x"}, "number_unreadable"),
        ({"text": "[model"}, "profile_malformed"),
    ],
)
def test_what_cannot_be_tried_asks_nobody(cast: Cast, erin: Client, changes: dict[str, str], code: str) -> None:
    form = {"act": "try", "text": OURS, "meter": cast.shop_103.meter.number, "circuit": "1", **changes}
    answer = erin.post(EDIT, form)
    assert answer.status_code == 422 and code in answer.content.decode()
    assert not JobRow.objects.exists()


def test_saved_given_to_meters_and_followed_by_a_next_version(cast: Cast, erin: Client) -> None:
    assert saved(erin) == f"{MODELS}/ours@1"
    assert "by the maker&#x27;s list of 2026" in page(erin, f"{MODELS}/ours@1")
    free, under_contract = cast.shop_103.meter, cast.shop_101.meter
    lower = OURS.replace("resolution = 10 ", "resolution = 20 ")
    assert saved(erin, lower) == f"{MODELS}/ours@2"
    chosen = {"meter": [str(free.pk), str(under_contract.pk)], "reason": "as delivered"}
    answer = erin.post(f"{MODELS}/ours@2/use", chosen)
    assert answer.status_code == 422 and "profile_counts_otherwise" in answer.content.decode()
    assert Meter.objects.get(pk=free.pk).profile == "ours@2"
    assert Meter.objects.get(pk=under_contract.pk).profile == "pilot-spm9511"
    assert erin.post(f"{MODELS}/ours@1/use", {**chosen, "reason": ""}).status_code == 422
    assert erin.post(f"{MODELS}/ours@1/use", chosen).status_code == 302
    assert set(Meter.objects.filter(profile="ours@1").values_list("pk", flat=True)) == {free.pk, under_contract.pk}
    assert "SPM9511" in page(erin, f"/console/meters/{free.pk}")
    assert "ours@1" in page(erin, MODELS) or "ours@2" in page(erin, MODELS)
    assert "Pilot SPM9511" in page(erin, "/console/meters")


def test_only_who_sees_the_whole_company_is_offered_all_its_sites(cast: Cast, erin: Client) -> None:
    assert 'name="everywhere"' not in page(erin, EDIT)
    answer = erin.post(EDIT, {"act": "save", "text": OURS, "note": "why", "everywhere": "1"})
    assert answer.status_code == 422 and "profile_of_company" in answer.content.decode()
    whole = operator(cast, "wang", Role.ADMINISTRATOR)
    Scope.objects.create(operator=whole, company_id=cast.company.pk)
    assert 'name="everywhere"' in page(as_(whole), EDIT)
    assert as_(whole).post(EDIT, {"act": "save", "text": OURS, "note": "why", "everywhere": "1"}).status_code == 302
    assert ProfileVersion.objects.get().site_id is None


def test_another_companys_models_are_not_there(cast: Cast, erin: Client) -> None:
    saved(erin)
    client = as_(cast.charlie)
    assert client.get(f"{MODELS}/ours@1").status_code in (403, 404)
