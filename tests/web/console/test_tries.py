"""The *Try it* page: asks once, shows bytes and words, and says where meter and record do not agree."""

import pytest
from django.test import Client

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Frame, Intent, Job
from prewatt.core.meters.model import Group
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import RegisterImage, layouts
from prewatt.core.wire.modbus import Function, ReadRequest, encode_rtu_request
from prewatt.office.metering.jobs import decode
from prewatt.office.metering.models import JobRow
from prewatt.office.staff.models import Operator
from prewatt.web.console.tries import said
from tests.cast import NOON, Cast, assemble

pytestmark = pytest.mark.django_db
PROFILE = catalogue()["pilot-spm9511"]


@pytest.fixture
def cast() -> Cast:
    return assemble()


def as_(operator: Operator, language: str = "en") -> Client:
    client = Client()
    client.force_login(operator)
    client.cookies["django_language"] = language
    return client


def frames(number: str) -> list[dict[str, object]]:
    """What a meter of this number would have answered, as the mailbox keeps it."""
    image = RegisterImage(PROFILE)
    image.put({Quantity.METER_NUMBER: int(number), Quantity.BALANCE: -83_200, Quantity.PURCHASE_COUNT: 5})
    made: list[dict[str, object]] = []
    for group in Group:
        for layout in layouts(PROFILE, group, 1):
            function, count = layout.block.function, layout.block.count
            words = image.read(layout.address, count)
            assert words is not None
            sent = encode_rtu_request(1, ReadRequest(function=Function(function), address=layout.address, count=count))
            received = bytes((1, function, len(words))) + words + b"\xab\xcd"
            frame = Frame(
                function=function, address=layout.address, count=count, sent=sent, received=received, words=words
            )
            made.append(
                {name: value.hex() if isinstance(value, bytes) else value for name, value in vars_of(frame).items()}
            )
    return made


def vars_of(frame: Frame) -> dict[str, int | bytes]:
    return {name: getattr(frame, name) for name in frame.__slots__}


def tried(cast: Cast, client: Client) -> str:
    """The address of a try that was just begun."""
    answer = client.post(f"/console/meters/{cast.shop_101.meter_id}/try", {"circuit": str(cast.shop_101.pk)})
    assert answer.status_code == 302
    return str(answer["Location"])


def test_trying_asks_the_meter_once_and_waits_for_it(cast: Cast) -> None:
    client = as_(cast.alice)
    assert client.get(f"/console/meters/{cast.shop_101.meter_id}/try").status_code == 200
    page = client.get(tried(cast, client)).content.decode()
    assert 'data-verdict="running"' in page and "hx-get" in page
    assert decode(JobRow.objects.get().payload) == Job(intent=Intent.TRY)


def test_what_came_is_shown_with_its_words_its_bytes_and_its_source(cast: Cast) -> None:
    client = as_(cast.alice)
    address = tried(cast, client)
    told = frames(cast.shop_101.meter.number)
    JobRow.objects.update(state="done", verdict="done", finished_at=NOON, frames=told,
                          values={"meter_number": int(cast.shop_101.meter.number)})  # fmt: skip
    part = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert 'data-verdict="done"' in part and "hx-get" not in part and "says that its number" not in part
    balance = next(row for row in part.split("<tr>") if "<td>Balance</td>" in row)
    raw = PROFILE.registers[Quantity.BALANCE]
    assert "−83.20" in balance and f"{raw.address:04X}h" in balance and "assumed" in balance
    assert "FFFF DF80" in balance, "the words as they came: −8320 hundredths"
    first = bytes.fromhex(str(told[0]["sent"]))
    assert first[1:-2].hex(" ").upper() in part and "AB CD" in part


def test_another_meter_at_this_address_is_named(cast: Cast) -> None:
    client = as_(cast.alice, "zh-hans")
    address = tried(cast, client)
    JobRow.objects.update(state="done", verdict="done", finished_at=NOON, frames=frames("260311099999"),
                          values={"meter_number": 260311099999})  # fmt: skip
    assert "电表上报的表号是 260311099999" in client.get(address).content.decode()


@pytest.mark.parametrize(
    ("verdict", "code", "words"),
    [("silent", "no_reply", "The meter did not answer"), ("refused", "modbus_exception_02", "refused at least one")],
)
def test_a_try_that_failed_says_why_and_what_to_look_at(cast: Cast, verdict: str, code: str, words: str) -> None:
    client = as_(cast.alice)
    address = tried(cast, client)
    asked = {**frames("1")[0], "received": "", "words": ""}
    JobRow.objects.update(state="done", verdict=verdict, code=code, finished_at=NOON, frames=[asked])
    page = client.get(address).content.decode()
    assert words in page and f'data-code="{code}"' in page and "no answer" in page


def test_a_meter_that_is_not_his_cannot_be_tried(cast: Cast) -> None:
    address = tried(cast, as_(cast.alice))
    assert as_(cast.charlie).get(address).status_code in (403, 404)
    assert as_(cast.alice).get("/console/tries/999999").status_code == 404


@pytest.mark.parametrize(
    ("frame", "asked", "sent"),
    [
        (Frame(function=0x11, address=0x04000402, count=0, sent=bytes.fromhex("FEFE6816"), received=b""),
         "DI 04000402", ("", "FE FE 68 16", "")),
        (Frame(function=3, address=0x4E, count=3, sent=bytes.fromhex("0B03004E00036536"), received=b""),
         "03h 004Eh × 3", ("0B", "03 00 4E 00 03", "65 36")),
    ],
)  # fmt: skip
def test_a_question_is_named_as_its_protocol_names_it(frame: Frame, asked: str, sent: tuple[str, str, str]) -> None:
    (told,) = said([frame], "rtu-over-tcp")
    assert (told.asked, told.sent, told.received) == (asked, sent, None)
