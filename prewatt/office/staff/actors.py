"""Who acts: the value that every verb of the office takes."""

from dataclasses import dataclass

from prewatt.core.refusals import Refused
from prewatt.office.staff import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.staff.models import ApiKey, Operator, Role
from prewatt.office.staff.roles import Act, may


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A member of staff, or a third party's key that acts as one.

    `key` goes into the trail and before request keys ("operator:7", "key:3"); `name` is printed.
    """

    key: str
    name: str
    role: Role
    operator_id: int

    def require(self, act: Act) -> None:
        """Raises Refused `not_permitted` unless the role may do it."""
        if not may(self.role, act):
            raise Refused("not_permitted", role=self.role.value, act=act.value)


def of_operator(operator: Operator) -> Actor:
    """The actor of a signed-in operator. Raises Refused `operator_inactive`."""
    if not operator.is_active:
        raise Refused("operator_inactive")
    return Actor(key=f"operator:{operator.pk}", name=operator.name, role=Role(operator.role), operator_id=operator.pk)


def of_key(key: ApiKey) -> Actor:
    """The actor of an API key: acts as its operator, under its own name. Raises Refused `operator_inactive`."""
    if not key.operator.is_active:
        raise Refused("operator_inactive")
    return Actor(key=f"key:{key.pk}", name=key.name, role=Role(key.operator.role), operator_id=key.operator_id)
