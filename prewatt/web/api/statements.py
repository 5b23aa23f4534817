"""Statements: what a contract had, paid and used."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Router
from ninja.params.functions import Query
from pydantic import BeforeValidator

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Contract
from prewatt.office.estate.scope import visible_to
from prewatt.office.reports import statements
from prewatt.web.api import schemas
from prewatt.web.api.door import caller

router = Router(tags=["estate"])
ERRORS = {400: schemas.Error, 401: schemas.Error, 404: schemas.Error, 422: schemas.Error}


def _sent(given: object) -> object:
    """Left empty is left out; the plus of a time zone that came unescaped arrives as a blank."""
    return (given.strip().replace(" ", "+") or None) if isinstance(given, str) else given


Edge = Annotated[schemas.InstantIn | None, BeforeValidator(_sent)]


@router.get("/contracts/{number}/statement", response={200: schemas.StatementOut, **ERRORS}, by_alias=True)
def get_statement(
    request: HttpRequest,
    number: str,
    begins: Edge = Query(None, alias="from"),  # noqa: B008
    ends: Edge = Query(None, alias="to"),  # noqa: B008
) -> schemas.StatementOut:
    """What a contract had, paid, got back and used, and what is left. Without `from`: since it was first supplied;
    without `to`: until now. Lines are per circuit, price and local day; `to` is exclusive."""
    who = caller(request)
    found = visible_to(who.operator, Contract).filter(number=number)
    contract = found.first() if "\0" not in number else None
    if contract is None:
        raise Refused("contract_unknown")
    made = statements.statement(contract, begins=begins, ends=ends, at=who.at)
    return schemas.StatementOut.model_validate(statements.as_dict(made))
