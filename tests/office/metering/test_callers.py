"""Those who dial in, as the office sees them: known, strangers, refused, taken over; and whose lease is whose."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from prewatt.core.meters.mailbox import Call, Known, PollSettings
from prewatt.core.refusals import Refused
from prewatt.office.estate import wires
from prewatt.office.estate.models import Gateway, Line, Meter
from prewatt.office.metering import callers, mailbox
from prewatt.office.metering.mailbox import PostgresMailbox
from prewatt.office.metering.models import Caller
from prewatt.office.staff.audit import trail_of
from tests.cast import NOON, Cast, assemble
from tests.office.metering.test_mailbox import conninfo, expire_leases

pytestmark = pytest.mark.django_db(transaction=True)
AT = datetime(2026, 3, 2, 4, tzinfo=UTC)
BY = "operator:1"
SERIAL = "26112000000001"


@pytest.fixture
def cast() -> Cast:
    return assemble()


@pytest.fixture
def mailboxes() -> Iterator[list[PostgresMailbox]]:
    made = [PostgresMailbox(conninfo(), settings=PollSettings()) for _ in range(2)]
    yield made
    for each in made:
        each.close()


def call(identity: str, *, fresh: bool = True, peer: str = "10.1.2.3") -> Call:
    return Call(identity=identity, kind="acrel-4g", peer=peer, detail="signal 23", fresh=fresh)


def dials_in(cast: Cast, identity: str = SERIAL) -> Gateway:
    gateway = wires.add_gateway(cast.site, code="G-4G", name="", identity=identity, actor=BY, at=AT)
    wires.add_line(gateway, code="1", transport="dial-in", port=0, baud=9600, actor=BY, at=AT)
    return gateway


def code_of(act: object) -> str:
    with pytest.raises(Refused) as refused:
        act()  # type: ignore[operator]
    return refused.value.code


def test_a_wrong_key_is_written_down_beside_the_strangers_and_decided_by_nobody(
    cast: Cast, mailboxes: list[PostgresMailbox]
) -> None:
    one, wrong = mailboxes[0], Call(identity="ANET-1", kind="acrel-gateway", peer="10.6.6.6", proved=False)
    gateway = wires.add_gateway(
        cast.site, code="G-A", name="", identity="ANET-1", secret="0123456789abcdef", actor=BY, at=AT
    )
    [known] = one.called(headend="one", calls=[wrong])
    assert (known.gateway_id, known.refused) == (gateway.pk, False), "he may try again"
    nobody = Call(identity="NOBODY", kind="acrel-gateway", peer="10.1.1.1", proved=False)
    one.called(headend="one", calls=[wrong, nobody])
    now = datetime.now(UTC)
    [row] = callers.not_proved(cast.site.pk, at=now)
    assert (row.identity, row.peer) == ("ANET-1", "10.6.6.6")
    assert [each.identity for each in callers.waiting()] == ["NOBODY"], "a name of no gateway is a stranger's"
    assert not callers.not_proved(cast.site.pk, at=now + timedelta(days=2)), "long ago"
    assert not callers.not_proved(cast.site.pk + 1, at=now), "of another site"


def test_a_known_caller_is_told_his_gateway_and_a_stranger_is_written_down_once(
    cast: Cast, mailboxes: list[PostgresMailbox]
) -> None:
    gateway, one = dials_in(cast), mailboxes[0]
    known = one.called(headend="one", calls=[call(SERIAL), call("STRANGER")])
    assert known == [
        Known(identity=SERIAL, gateway_id=gateway.pk, timezone=cast.site.timezone),
        Known(identity="STRANGER", gateway_id=None),
    ]
    one.called(headend="one", calls=[call("STRANGER", fresh=False, peer="10.9.9.9")])
    one.called(headend="one", calls=[call("STRANGER")])
    [row] = callers.waiting()
    assert (row.identity, row.kind, row.calls, row.detail) == ("STRANGER", "acrel-4g", 2, "signal 23")


def test_who_makes_names_up_fills_no_disk(
    cast: Cast, mailboxes: list[PostgresMailbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "MAX_STRANGERS_LISTED", 5)
    mailboxes[0].called(headend="one", calls=[call(f"S{number}") for number in range(4)])
    known = mailboxes[0].called(headend="one", calls=[call(f"T{number}") for number in range(4)])
    assert len(known) == 4 and all(each.gateway_id is None for each in known)
    assert Caller.objects.count() == 5
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_caller SET last_at = last_at - interval '20 days' WHERE identity LIKE 'S%%'")
    mailboxes[0].called(headend="one", calls=[call("T9")])
    assert sorted(Caller.objects.values_list("identity", flat=True)) == ["T0", "T9"], "the oldest made room"


def test_a_list_full_of_made_up_names_takes_who_calls_now(
    cast: Cast, mailboxes: list[PostgresMailbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a thousand names of an afternoon would keep a new meter out of sight for two weeks."""
    monkeypatch.setattr(mailbox, "MAX_STRANGERS_LISTED", 3)
    mailboxes[0].called(headend="one", calls=[call("GONE"), call("REFUSED"), call("HERE")])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_caller SET last_at = last_at - interval '2 minutes'")
    callers.refuse("REFUSED", site_id=cast.site.pk, actor="bob", at=NOON)
    mailboxes[0].called(headend="one", calls=[call("HERE", fresh=False), call("NEW"), call("NEWER")])
    assert sorted(Caller.objects.values_list("identity", flat=True)) == ["HERE", "NEW", "REFUSED"]


def test_the_lease_of_a_gateway_that_dials_in_goes_with_its_connection(
    cast: Cast, mailboxes: list[PostgresMailbox]
) -> None:
    gateway = dials_in(cast)
    one, two = mailboxes

    def owned(box: PostgresMailbox, headend: str, *held: int) -> dict[int, int]:
        return {lease.gateway_id: lease.epoch for lease in box.tick(headend=headend, held=held)}

    assert gateway.pk not in owned(one, "one"), "nobody's share"
    first = owned(one, "one", gateway.pk)
    assert first.keys() == {cast.gateway.pk, gateway.pk}
    assert gateway.pk not in owned(two, "two", gateway.pk), "who lives keeps it, whoever else is called"
    assert gateway.pk not in owned(one, "one"), "its connection is lost"
    second = owned(two, "two", gateway.pk)
    assert second[gateway.pk] == first[gateway.pk] + 1
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_heartbeat SET at = at - interval '7 s' WHERE part = 'headend:two'")
    third = owned(one, "one", gateway.pk)
    assert third[gateway.pk] == second[gateway.pk] + 1, "from one whose heart stopped it is taken within its lease"
    expire_leases()
    fourth = owned(two, "two", gateway.pk)
    assert fourth[gateway.pk] == third[gateway.pk] + 1, "and so is one that ran out"


def test_the_plan_says_how_the_caller_is_known(cast: Cast, mailboxes: list[PostgresMailbox]) -> None:
    gateway = dials_in(cast, "GATE 7")
    wires.edit_gateway(gateway, name="Roof", identity="GATE 8", heartbeat="hex:00ff", actor=BY, at=AT)
    [line] = mailboxes[0].plan(gateway_id=gateway.pk)
    assert (line.transport, line.identity, line.heartbeat, line.port) == ("dial-in", "GATE 8", "hex:00ff", 0)
    assert line.timezone == cast.site.timezone


def test_a_stranger_is_taken_over_with_his_meter_in_one_act(cast: Cast, mailboxes: list[PostgresMailbox]) -> None:
    mailboxes[0].called(headend="one", calls=[call(SERIAL)])
    told: dict[str, Any] = {"code": "G-4G", "name": "Roof", "baud": 9600, "actor": BY, "at": AT}
    wrong = {**told, "number": "26030001", "profile": "no-such", "unit": 1}
    assert code_of(lambda: callers.take_over(SERIAL, cast.site, **wrong)) == "meter_profile_unknown"
    assert not Gateway.objects.filter(code="G-4G").exists() and len(callers.waiting()) == 1, "nothing half done"
    right = {**wrong, "profile": "acrel-dtsy1352-4g"}
    gateway = callers.take_over(SERIAL, cast.site, **right)
    assert (gateway.identity, gateway.host) == (SERIAL, "")
    line = Line.objects.get(gateway=gateway)
    assert (line.transport, line.port) == ("dial-in", 0) and Meter.objects.get(line=line).number == "26030001"
    assert not callers.waiting()
    assert mailboxes[0].called(headend="one", calls=[call(SERIAL)])[0].gateway_id == gateway.pk
    assert code_of(lambda: callers.take_over(SERIAL, cast.site, **told)) == "caller_gone"


def test_a_refused_stranger_is_said_to_be_so_until_he_may_wait_again(
    cast: Cast, mailboxes: list[PostgresMailbox]
) -> None:
    one = mailboxes[0]
    one.called(headend="one", calls=[call("STRANGER")])
    callers.refuse("STRANGER", site_id=cast.site.pk, actor=BY, at=AT)
    assert one.called(headend="one", calls=[call("STRANGER")])[0].refused
    assert not callers.waiting() and [each.refused_by for each in callers.refused()] == [BY]
    callers.let_wait("STRANGER", site_id=cast.site.pk, actor=BY, at=AT)
    assert not one.called(headend="one", calls=[call("STRANGER")])[0].refused
    assert trail_of("caller", "STRANGER").count() == 2


def test_a_gateway_dials_in_or_is_connected_to_and_never_both(cast: Cast) -> None:
    def add(**told: Any) -> Gateway:
        return wires.add_gateway(cast.site, code="GX", name="", actor=BY, at=AT, **told)

    assert code_of(lambda: add()) == code_of(lambda: add(host="10.0.0.1", identity="X")) == "name_needed"
    assert code_of(lambda: add(identity="hex:0")) == "identity_malformed"
    assert code_of(lambda: add(identity="X", heartbeat="网")) == "heartbeat_malformed"
    gateway = dials_in(cast)
    assert code_of(lambda: add(identity=SERIAL)) == "identity_taken"

    def line(of: Gateway, transport: str) -> Line:
        return wires.add_line(of, code="2", transport=transport, port=502, baud=9600, actor=BY, at=AT)

    assert code_of(lambda: line(gateway, "dial-in")) == "dial_in_has_one_line"
    assert code_of(lambda: line(gateway, "modbus-tcp")) == "dial_in_has_no_host"
    assert code_of(lambda: line(cast.gateway, "dial-in")) == "dial_in_has_no_host"
    assert code_of(lambda: wires.edit_gateway(gateway, name="", host="10.0.0.1", actor=BY, at=AT)) == "name_needed"


def test_the_key_of_an_acrel_gateway_is_told_to_the_head_end_and_to_nobody_s_trail(
    cast: Cast, mailboxes: list[PostgresMailbox]
) -> None:
    gateway = wires.add_gateway(
        cast.site, code="GW", name="", identity="GW-001", secret="0123456789abcdef", sealed=False, actor=BY, at=AT
    )
    for port, medium in ((1, ""), (2, "radio")):
        wires.add_line(
            gateway, code=str(port), transport="acrel-gateway", port=port, baud=9600, medium=medium, actor=BY, at=AT
        )
    [known] = mailboxes[0].called(headend="one", calls=[call("GW-001")])
    assert (known.gateway_id, known.secret, known.sealed) == (gateway.pk, "0123456789abcdef", False)
    assert known.timezone == cast.site.timezone and "0123456789abcdef" not in repr(known)
    assert [(each.transport, each.port, each.medium) for each in mailboxes[0].plan(gateway_id=gateway.pk)] == [
        ("acrel-gateway", 1, ""), ("acrel-gateway", 2, "radio"),
    ]  # fmt: skip
    wires.edit_gateway(gateway, name="", identity="GW-001", secret="fedcba9876543210", actor=BY, at=AT)
    assert all("fedcba98" not in str(row.after) for row in trail_of("gateway", str(gateway.pk)))
    assert code_of(
        lambda: wires.add_line(gateway, code="3", transport="dial-in", port=0, baud=9600, actor=BY, at=AT)
    ) == "dial_in_has_no_host"
