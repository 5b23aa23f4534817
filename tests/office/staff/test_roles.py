"""Who may do what: the full grid of roles and acts."""

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.models import Role
from prewatt.office.staff.roles import Act, may

ROLES = [Role.CASHIER, Role.MANAGER, Role.FINANCE, Role.ELECTRICIAN, Role.ADMINISTRATOR]
GRID = """
                   cashier manager finance electrician administrator
view                  x       x       x        x           x
sell                  x       x       .        .           .
shift                 x       x       .        .           .
shift_difference      .       x       .        .           .
reprint               x       x       x        .           .
rewrite               x       x       .        .           .
reverse               x       x       .        .           .
return_credit         .       x       .        .           .
refund                .       x       x        .           .
make_up_ask           x       x       .        x           .
make_up_agree         .       x       x        .           .
settle                .       x       .        .           .
open_contract         x       x       .        .           .
close_contract        .       x       .        .           .
read_now              x       x       .        x           x
relay                 .       x       .        x           .
tag                   .       x       .        x           .
meter_settings        .       x       .        x           x
estate                .       .       .        x           x
plans                 .       x       .        .           x
limits                .       x       .        .           x
alarms                x       x       .        x           x
books                 .       x       x        .           x
close_day             .       .       x        .           .
trail                 .       x       x        .           x
tokens                .       x       .        x           .
token_ask             x       x       .        x           .
token_agree           .       x       x        .           .
vault                 .       .       .        .           x
operators             .       .       .        .           x
"""
ROWS = [line.split() for line in GRID.strip().splitlines()[1:]]


def test_the_grid_names_every_act_once() -> None:
    assert [row[0] for row in ROWS] == [act.value for act in Act]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_role_may_do_what_the_grid_says(row: list[str]) -> None:
    for role, mark in zip(ROLES, row[1:], strict=True):
        actor = Actor(key="operator:1", name="x", role=role, operator_id=1)
        assert may(role, Act(row[0])) is (mark == "x"), (role, row[0])
        if mark == "x":
            actor.require(Act(row[0]))
        else:
            with pytest.raises(Refused, match="not_permitted"):
                actor.require(Act(row[0]))


def test_nobody_both_names_operators_and_sells() -> None:
    assert not [role for role in ROLES if may(role, Act.OPERATORS) and may(role, Act.SELL)]


def test_a_role_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="owner"):
        may("owner", Act.VIEW)
