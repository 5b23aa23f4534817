"""Errors of the API: one shape, a status for each code, the reader's language."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import get_language_from_request
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from prewatt.core.refusals import Refused, Text, register
from prewatt.office.vending.errors import CONFLICT, NOT_FOUND

PREFIX: Final = "/api/"

register(
    {
        "malformed": Text(
            en="The request is malformed at {where}: {what}. Nothing was done.",
            zh="请求有误，位置 {where}：{what}。什么都没有做。",
        ),
        "body_not_json": Text(en="The body is not JSON. Nothing was done.", zh="请求体不是 JSON。什么都没有做。"),
        "cursor_malformed": Text(en="This cursor was not made here.", zh="这个 cursor 不是这里给出的。"),
        "method_not_allowed": Text(
            en="This address does not take that method. Nothing was done.", zh="该地址不支持此方法。什么都没有做。"
        ),
        "unexpected": Text(
            en="Something went wrong on our side. Ask what became of it, or send it again with the same key.",
            zh="系统出了差错。请先查询结果，或用同一个请求键重发。",
        ),
        "database_away": Text(
            en="The database does not answer. Ask what became of it, or send it again with the same key.",
            zh="数据库没有应答。请先查询结果，或用同一个请求键重发。",
        ),
        "not_found": Text(en="There is no such thing, or you may not see it.", zh="没有这个对象，或您无权查看。"),
    }
)

_STATUS: Final = {
    HTTPStatus.BAD_REQUEST: {"malformed", "body_not_json", "cursor_malformed", "key_required"},
    HTTPStatus.UNAUTHORIZED: {"key_invalid", "operator_inactive"},
    HTTPStatus.NOT_FOUND: {"not_found", "circuit_unknown"} | NOT_FOUND,
    HTTPStatus.CONFLICT: {
        "reversal_not_last", "sale_refunded", "tag_exists", "close_blocked_maintenance_tag", "close_blocked_overload",
        "close_blocked_malicious_load", "close_blocked_tamper", "close_blocked_hand_opened",
    }
    | CONFLICT,
    HTTPStatus.SERVICE_UNAVAILABLE: {"storage_full"},
}  # fmt: skip
STATUS: Final = {code: int(status) for status, codes in _STATUS.items() for code in codes}


def status_of(code: str) -> int:
    """422 for whatever was understood and refused; the exceptions are listed above."""
    return STATUS.get(code, int(HTTPStatus.UNPROCESSABLE_ENTITY))


def body(refused: Refused, request: HttpRequest) -> dict[str, Any]:
    language = get_language_from_request(request)
    return {"error": {"code": refused.code, "message": refused.message(language), "retry": refused.retry}}


_PLAIN: Final = {
    HTTPStatus.BAD_REQUEST: ("malformed", False),
    HTTPStatus.NOT_FOUND: ("not_found", False),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", False),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("unexpected", False),
    HTTPStatus.SERVICE_UNAVAILABLE: ("database_away", True),
}


def one_shape(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: what fails under the API before or behind its views answers in the API's shape, not with a page."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        told = _PLAIN.get(HTTPStatus(response.status_code))
        if told is None or not request.path.startswith(PREFIX) or "json" in response.get("Content-Type", ""):
            return response
        code, retry = told
        shaped = JsonResponse(body(Refused(code, retry=retry), request), status=response.status_code)
        if "Allow" in response:
            shaped["Allow"] = response["Allow"]
        return shaped

    return answer


def install(api: NinjaAPI) -> None:
    """Make every way to fail answer in the one shape."""

    def answer(request: HttpRequest, refused: Refused) -> HttpResponse:
        return api.create_response(request, body(refused, request), status=status_of(refused.code))

    def malformed(request: HttpRequest, error: ValidationError) -> HttpResponse:
        first = error.errors[0] if error.errors else {}
        where = ".".join(str(part) for part in first.get("loc", ())[1:]) or "body"
        return answer(request, Refused("malformed", where=where, what=str(first.get("msg", ""))[:200]))

    def http(request: HttpRequest, error: HttpError) -> HttpResponse:
        return answer(request, Refused("body_not_json" if error.status_code == 400 else "malformed"))

    api.add_exception_handler(Refused, answer)  # type: ignore[arg-type]
    api.add_exception_handler(ValidationError, malformed)  # type: ignore[arg-type]
    api.add_exception_handler(HttpError, http)  # type: ignore[arg-type]
    api.add_exception_handler(Http404, lambda request, _: answer(request, Refused("not_found")))
    api.add_exception_handler(AuthenticationError, lambda request, _: answer(request, Refused("key_invalid")))
