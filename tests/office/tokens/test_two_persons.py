"""Clear credit and credit that nobody paid for: one person asks, another agrees."""

import pytest

from prewatt.core.refusals import Refused
from prewatt.core.sts import Answer, ManagementKind
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.models import ApiKey, AuditRow
from prewatt.office.tokens import issuing, proposals
from prewatt.office.tokens.asks import Ask, ManagementAsk
from prewatt.office.tokens.models import TokenProposal, TokenRequest
from tests.office.tokens.scene import NOON, Scene, credit, scene

pytestmark = pytest.mark.django_db
CLEAR = ManagementAsk(kind=ManagementKind.CLEAR_CREDIT)


@pytest.fixture
def play() -> Scene:
    return scene()


def proposed(play: Scene, what: Ask = CLEAR, *, register: int | None = 500, reason: str = "moved out") -> TokenProposal:
    return proposals.propose(
        play.sts, what, request_key="p1", reason=reason, register_tenths=register, actor=play.bob, at=NOON
    )


def test_nothing_is_made_until_another_person_agrees_and_then_once(play: Scene) -> None:
    proposal = proposed(play)
    assert not TokenRequest.objects.exists()
    asked = proposals.agree(proposal, actor=play.dan, at=NOON)
    again = proposals.agree(proposal, actor=play.dan, at=NOON)
    assert (again.request_id, again.fresh, TokenRequest.objects.count()) == (asked.request_id, False, 1)

    keypad = play.keypad()
    assert keypad.enter(play.made(credit(), "paid")[0], 0).answer is Answer.ACCEPT
    [digits] = issuing.issue(asked.request_id, rack=play.rack, at=NOON)
    assert keypad.enter(digits, 1).answer is Answer.ACCEPT and keypad.state.registers[0] == 0
    assert {"tokens.propose", "tokens.ask"} <= set(AuditRow.objects.values_list("action", flat=True))


def test_free_credit_takes_two_as_well(play: Scene) -> None:
    asked = proposals.agree(proposed(play, credit(free=True), register=None), actor=play.dan, at=NOON)
    assert play.keypad().enter(issuing.issue(asked.request_id, rack=play.rack, at=NOON)[0], 0).answer is Answer.ACCEPT


def test_nobody_agrees_with_himself_not_even_by_an_api_key(play: Scene) -> None:
    proposal = proposed(play)
    own_key = Actor(key="key:1", name="till", role=play.bob.role, operator_id=play.bob.operator_id)
    for actor in (play.bob, own_key):
        with pytest.raises(Refused, match="token_second_person"):
            proposals.agree(proposal, actor=actor, at=NOON)
    assert not TokenRequest.objects.exists() and not ApiKey.objects.exists()


def test_what_was_declined_stays_declined(play: Scene) -> None:
    proposal = proposed(play)
    proposals.decline(proposal, reason="no evidence", actor=play.dan, at=NOON)
    with pytest.raises(Refused, match="proposal_decided"):
        proposals.agree(proposal, actor=play.dan, at=NOON)
    assert not TokenRequest.objects.exists()


@pytest.mark.parametrize(
    ("code", "what", "register", "reason"),
    [
        ("token_evidence_needed", CLEAR, None, "moved out"),
        ("token_reason_needed", CLEAR, 5, "  "),
        ("token_takes_one", credit(), None, "x"),
        ("token_amount_zero", credit(0, free=True), None, "x"),
    ],
)
def test_what_cannot_be_proposed(play: Scene, code: str, what: Ask, register: int | None, reason: str) -> None:
    with pytest.raises(Refused, match=code):
        proposed(play, what, register=register, reason=reason)
    assert not TokenProposal.objects.exists()


def test_roles_hold(play: Scene) -> None:
    proposal = proposed(play)
    with pytest.raises(Refused, match="not_permitted"):
        proposals.agree(proposal, actor=play.alice, at=NOON)
    with pytest.raises(Refused, match="not_permitted"):
        proposals.propose(play.sts, CLEAR, request_key="p2", reason="x", register_tenths=1, actor=play.eva, at=NOON)


def test_the_same_key_gives_the_same_proposal(play: Scene) -> None:
    assert proposed(play).pk == proposed(play).pk
    with pytest.raises(Refused, match="token_message_reused"):
        proposed(play, reason="something else")
