"""The token reader: what twenty digits say, what the meter will answer to them, and why it may refuse."""

from typing import Any, Final

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_http_methods

from prewatt.core.refusals import Refused
from prewatt.core.sts.layout import TOKEN_DIGITS
from prewatt.office.estate.models import Meter
from prewatt.office.staff.actors import of_operator
from prewatt.office.tokens import listings
from prewatt.office.tokens.explaining import AN_HOUR, Reading
from prewatt.web.console.settings_fields import say
from prewatt.web.console.tokens_parts import meters, token_lines
from prewatt.web.console.tokens_slip import groups
from prewatt.web.console.tokens_words import both, code_words
from prewatt.web.console.views_base import Ask, console

TYPED_MOST: Final = 64
GOOD: Final = ("accept", "key_part_1", "key_part_2", "key_part_3", "key_part_4")


@require_http_methods(["GET", "HEAD", "POST"])
@console()
def page(ask: Ask) -> HttpResponse:
    """Type a token and, where it is known, the meter it was meant for. Digits travel in no address."""
    given = ask.request.POST if ask.request.method == "POST" else ask.request.GET
    typed = ask.request.POST.get("token", "")[:TYPED_MOST].strip()
    wanted = given.get("meter", "")[:TYPED_MOST].strip()
    digits = typed.replace(" ", "").replace("-", "").replace("\t", "")
    context: dict[str, object] = {"typed": typed, "wanted": wanted, "an_hour": AN_HOUR, "groups": groups(digits)}
    if ask.request.method != "POST" or not digits:
        return ask.page("tokens/explain.html", context)
    one = _meter(ask, wanted)
    if wanted and one is None:
        refused = Refused("sts_meter_unknown")
        return ask.page("tokens/explain.html", {**context, "refused": refused, "said": say(refused)}, status=422)
    try:
        context |= _told(ask, one, _read(ask, one, digits))
    except Refused as refused:
        return ask.page("tokens/explain.html", {**context, "refused": refused, "said": say(refused)}, status=422)
    return ask.page("tokens/explain.html", context)


def _meter(ask: Ask, text: str) -> Meter | None:
    """A meter by its number or its meter PAN, among those he may see and that take tokens."""
    if not text:
        return None
    rows = meters(ask).filter(sts__isnull=False)
    return rows.filter(number=text).first() or rows.filter(sts__meter_pan=text).first()


def _read(ask: Ask, one: Meter | None, digits: str) -> Reading:
    from prewatt.office.tokens import explaining, opened

    sts = listings.meter(one.pk) if one is not None else None
    return explaining.read(digits, sts, rack=opened.rack(at=ask.at), actor=of_operator(ask.operator), at=ask.at)


def _told(ask: Ask, one: Meter | None, found: Reading) -> dict[str, Any]:
    told, request = found.explanation, found.request
    if request is not None:
        request = listings.token(ask.site.id, meters(ask), request.pk)
    return {
        "title": both(told.title), "answer": both(told.answer.text), "answer_code": told.answer.code,
        "good": told.answer.code in GOOD, "unknown": told.answer.code == "unknown",
        "fields": [(both(each.text), _value(each.value)) for each in told.fields],
        "reasons": [both(each.text) for each in told.reasons], "notes": [both(each.text) for each in told.notes],
        "ours": token_lines(ask, [request])[0] if request is not None else None, "meter": one,
        "why_no_key": code_words(found.why_no_key) if found.why_no_key else "", "digits_wanted": TOKEN_DIGITS,
    }  # fmt: skip


def _value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


urlpatterns = [path("tokens/explain", page, name="tokens-explain")]
