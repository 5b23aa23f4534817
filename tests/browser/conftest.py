"""A real Chromium before a real server, for every test of a page.

`page` is a browser page that fails the test at its end when something was asked of another host, when the content
security policy was broken, or when a script threw. `login("cashier")` logs that page in without the form. `mall` is the
scene of `scene.py`; a test that wants other rows writes its own. `axe(page)` gives the findings, which must be none.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import polib
import pytest
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection
from django.utils import timezone
from django.utils.translation import trans_real
from playwright.sync_api import Browser, Page, Request, sync_playwright

from prewatt.office.staff.models import Operator
from prewatt.web.ui import vendor
from tests.browser.scene import Scene, assemble
from tests.system import need

# Playwright keeps an event loop running in this thread; Django would call the ORM unsafe there.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
STREAM_START_S = 20
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

Login = Callable[[str], Operator]
Axe = Callable[[Page], list[str]]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of this directory. It ends with them: Playwright keeps an event loop running in this
    thread, and no test elsewhere could run one of its own.
    """
    chromium = need("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session", autouse=True)
def _translations() -> None:
    """The .mo files, which set-up compiles and git does not keep."""
    for folder in django_settings.LOCALE_PATHS:
        for source in Path(folder).rglob("*.po"):
            polib.pofile(str(source)).save_as_mofile(str(source.with_suffix(".mo")))
    trans_real._translations.clear()  # type: ignore[attr-defined]  # an older catalogue may be loaded already


@pytest.fixture
def mall(live_server: object) -> Scene:
    """The scene of the sheets, read some seconds ago. Committed: the server reads on a connection of its own."""
    return assemble(timezone.now())


@pytest.fixture
def console(live_server: object) -> str:
    """The address of the console under test, without a slash at its end."""
    return str(live_server.url)  # type: ignore[attr-defined]


@pytest.fixture
def page(browser: Browser, console: str) -> Iterator[Page]:
    """A page at 1440 x 900 that ends its test when it was not clean."""
    faults: list[str] = []
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=console, locale="zh-CN",
                                  timezone_id="Asia/Shanghai")  # fmt: skip
    one = context.new_page()

    def asked(request: Request) -> None:
        host = urlsplit(request.url).hostname
        if host not in ("localhost", "127.0.0.1", None):
            faults.append(f"asked another host: {request.url}")

    one.on("request", asked)
    one.on("pageerror", lambda error: faults.append(f"script: {error}"))
    one.on("console", lambda said: faults.append(f"policy: {said.text}") if "Content Security" in said.text else None)
    one.add_init_script(
        "document.addEventListener('securitypolicyviolation', e => console.error('Content Security: '"
        " + e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sourceFile + ':' + e.lineNumber))"
    )
    yield one
    context.close()
    assert not faults, faults


@pytest.fixture
def login(page: Page, console: str) -> Login:
    """Log the page in as the operator whose user name is given, by a session made on the server's side."""

    def as_(username: str) -> Operator:
        operator: Operator = Operator.objects.get(username=username)
        engine = import_module(django_settings.SESSION_ENGINE)
        session = engine.SessionStore()
        session[SESSION_KEY] = str(operator.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = operator.get_session_auth_hash()
        session.create()
        page.context.add_cookies([
            {"name": django_settings.SESSION_COOKIE_NAME, "value": session.session_key or "", "url": console}
        ])  # fmt: skip
        return operator

    return as_


@pytest.fixture
def english(page: Page, console: str) -> None:
    """The page speaks English."""
    page.context.add_cookies([{"name": django_settings.LANGUAGE_COOKIE_NAME, "value": "en", "url": console}])


@pytest.fixture
def axe() -> Axe:
    """What axe finds on a page (WCAG 2.2 A and AA), as `rule: target`. The policy stays in force: axe is evaluated."""
    source = (vendor.TEST_VENDOR / "axe.min.js").read_text(encoding="utf-8")

    def findings(page: Page) -> list[str]:
        page.evaluate(source)
        result = page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", AXE_TAGS)
        return [f"{each['id']}: {node['target']} {node['failureSummary']}"
                for each in result["violations"] for node in each["nodes"]]  # fmt: skip

    return findings


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def stream(console: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The live stream as a process of its own, on the test's database; its address."""
    port = _free_port()
    address = f"http://localhost:{port}"
    given = connection.settings_dict
    dsn = f"postgresql://{given['USER']}@/{given['NAME']}?host={given['HOST']}"
    environment = {
        **os.environ, "PREWATT_DATABASE_URL": dsn, "PREWATT_PORT": str(urlsplit(console).port),
        "DJANGO_SETTINGS_MODULE": "prewatt.wiring.settings",
    }  # fmt: skip
    monkeypatch.setenv("PREWATT_STREAM_URL", address)
    process = subprocess.Popen(
        [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port),
         "--no-ws", "--log-level", "error", "tests.browser.stream_process:application"],
        env=environment,
    )  # fmt: skip
    try:
        limit = time.monotonic() + STREAM_START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < limit, "the stream did not start"
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
