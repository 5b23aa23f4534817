"""Old browsers are told so in words; everybody else is served."""

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from prewatt.web.ui.browsers import too_old, too_old_is_told

_W10 = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
NEW = {
    "Chrome": f"{_W10} {_BLINK} Chrome/111.0.0.0 Safari/537.36",
    "Edge": f"{_W10} {_BLINK} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
    "360 in its fast mode": f"{_W10} {_BLINK} Chrome/114.0.0.0 Safari/537.36 QIHU 360SE",
    "Firefox": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:113.0) Gecko/20100101 Firefox/113.0",
    "Safari": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.4 "
    "Safari/605.1.15",
    "a program": "curl/8.5.0",
    "nothing said": "",
    "the browser of the tests": f"Mozilla/5.0 (X11; Linux x86_64) {_BLINK} HeadlessChrome/156.0.0.0 Safari/537.36",
}
OLD = {
    "Internet Explorer 11": "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
    "Internet Explorer 8": "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)",
    "the last Chrome of Windows 7": f"Mozilla/5.0 (Windows NT 6.1) {_BLINK} Chrome/109.0.0.0 Safari/537.36",
    "a QQ browser of 2018": f"{_W10} {_BLINK} Chrome/53.0.2785.104 Safari/537.36 QQBrowser/10.3",
    "Firefox ESR 102": "Mozilla/5.0 (X11; Linux x86_64; rv:102.0) Gecko/20100101 Firefox/102.0",
    "Safari 15": "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6 Safari/605.1.15",
    "Safari 16.1": "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.1 Safari/605.1.15",
    "the Edge before Chromium": f"{_W10} {_BLINK} Chrome/64.0.3282.140 Safari/537.36 Edge/18.17763",
}


@pytest.mark.parametrize("agent", NEW.values(), ids=NEW.keys())
def test_these_are_served(agent: str) -> None:
    assert not too_old(agent)


@pytest.mark.parametrize("agent", OLD.values(), ids=OLD.keys())
def test_these_are_told(agent: str) -> None:
    assert too_old(agent)


@pytest.mark.parametrize(("path", "status"), [("/console/login", 403), ("/api/v1/books", 200), ("/healthz", 200)])
def test_pages_are_refused_in_words_and_nothing_else_is_touched(path: str, status: int) -> None:
    request = RequestFactory().get(path, HTTP_USER_AGENT=OLD["Internet Explorer 11"])
    answer = too_old_is_told(lambda request: HttpResponse("served"))(request)
    assert answer.status_code == status
    if status == 403:
        assert isinstance(answer, HttpResponse)
        assert b"browser_too_old" in answer.content and b"111" in answer.content and len(answer.content) > 512
        assert b"<script" not in answer.content
