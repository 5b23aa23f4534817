"""What a page may load, and where its live stream is."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from prewatt.web.ui.csp import ContentSecurityPolicyMiddleware, host_without_port, stream_origin


def ask(host: str = "counter.example:8000") -> HttpRequest:
    return RequestFactory().get("/console/", HTTP_HOST=host)


@pytest.mark.parametrize(
    ("environment", "origin"),
    [
        ({}, "http://counter.example:8001"),
        ({"PREWATT_STREAM_PORT": "9100"}, "http://counter.example:9100"),
        ({"PREWATT_STREAM_URL": "https://live.example/"}, "https://live.example"),
    ],
)
def test_the_stream_is_where_it_is_told_else_on_the_next_port(
    environment: dict[str, str], origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PREWATT_STREAM_PORT", "PREWATT_STREAM_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert stream_origin(ask()) == origin


@pytest.mark.parametrize(
    ("host", "name"), [("[::1]:8000", "[::1]"), ("a.example:80", "a.example"), ("a.example", "a.example")]
)
def test_a_host_loses_its_port(host: str, name: str) -> None:
    assert host_without_port(host) == name


def test_every_answer_carries_a_policy_without_inline_or_eval() -> None:
    answer = ContentSecurityPolicyMiddleware(lambda request: HttpResponse())(ask())
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "style-src 'self';" in policy
    assert "unsafe" not in policy and "connect-src 'self' http://counter.example:8001" in policy


def test_a_view_may_keep_its_own_policy() -> None:
    own = HttpResponse(headers={"Content-Security-Policy": "default-src 'none'"})
    assert (
        ContentSecurityPolicyMiddleware(lambda request: own)(ask())["Content-Security-Policy"] == "default-src 'none'"
    )
