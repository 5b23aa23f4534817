"""The live stream: who may listen, what is told, how soon, and how it ends. Real database, ASGI in memory."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from prewatt.office.staff.models import Operator, Scope
from prewatt.web.stream.app import application, hub_here
from prewatt.web.stream.gate import origin_allowed, request_of
from prewatt.web.stream.hub import QUEUE_MOST, Hub
from tests.cast import Cast, assemble, lately_read

SOON_S = 30.0  # how fast it is, the benchmarks say
pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_S = 30
CONSOLE = "http://localhost:8000"


@pytest.fixture
def cast() -> Cast:
    cast = assemble()
    lately_read(cast.shop_101, at=timezone.now())
    return cast


def session_of(operator: Operator) -> str:
    client = Client()
    client.force_login(operator)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


class Tab:
    """One open EventSource."""

    def __init__(self, query: str, session: str, origin: str = CONSOLE) -> None:
        headers = [(b"host", b"localhost:8001"), (b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode())]
        if origin:
            headers.append((b"origin", origin.encode()))
        self.scope = {
            "type": "http", "method": "GET", "path": "/live", "query_string": query.encode(), "headers": headers,
            "server": ("127.0.0.1", 8001),
        }  # fmt: skip
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.over = asyncio.Event()
        self._leave = asyncio.Event()

    async def __aenter__(self) -> "Tab":
        self.task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._leave.set()
        await asyncio.wait_for(self.task, PATIENCE_S)

    async def _run(self) -> None:
        await application(self.scope, self._receive, self._send)
        self.over.set()

    async def _receive(self) -> dict[str, Any]:
        await self._leave.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        for block in message["body"].decode().split("\n\n"):
            if block.startswith("event: "):
                name, data = block.removeprefix("event: ").split("\ndata: ", 1)
                self.events.put_nowait((name, json.loads(data)))

    async def next(self, wanted: str) -> Any:
        """The data of the next event of a kind."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                name, data = await self.events.get()
                if name == wanted:
                    return data


def played(story: Callable[[], Awaitable[None]]) -> None:
    """Run a story with the hub of its loop, and end the hub."""

    async def whole() -> None:
        hub = hub_here()
        async with asyncio.timeout(PATIENCE_S):
            while hub._tasks and not hub.ready.is_set():
                await asyncio.sleep(0.01)
        try:
            await story()
        finally:
            await hub.stop()

    async_to_sync(whole)()


def notify(data: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('prewatt_live', %s)", [json.dumps(data)])


async def in_thread(work: Callable[[], None]) -> None:
    """Work on the ORM's connection, beside the loop."""
    from asgiref.sync import sync_to_async

    await sync_to_async(work, thread_sensitive=True)()


def test_a_change_shows_soon_and_only_the_changed_tile_travels(cast: Cast) -> None:
    key = session_of(cast.alice)

    async def story() -> None:
        async with Tab(f"site={cast.site.pk}&board=1&lang=zh-hans&since=9999999999", key) as tab:
            await tab.next("beat")

            def change() -> None:
                lately_read(cast.shop_101, at=timezone.now(), balance=9_000)
                notify({"site": cast.site.pk, "circuits": [cast.shop_101.pk, cast.shop_103.pk]})

            began = time.monotonic()
            await in_thread(change)
            told = await tab.next("tiles")
            assert time.monotonic() - began < SOON_S
            assert [each["id"] for each in told["tiles"]] == [cast.shop_101.pk]  # 103 did not change
            assert told["tiles"][0]["c"] == "alarm2" and told["tiles"][0]["v"] == "9.00"
            assert tab.headers[b"access-control-allow-origin"] == CONSOLE.encode()

    played(story)


def test_what_was_read_while_the_page_was_on_its_way_is_told_at_once(cast: Cast) -> None:
    key = session_of(cast.alice)

    async def story() -> None:
        async with Tab(f"site={cast.site.pk}&board=1&since={int(time.time()) - 5}", key) as tab:
            told = await tab.next("tiles")
            assert [each["id"] for each in told["tiles"]] == [cast.shop_101.pk]

    played(story)


def test_many_changes_of_a_second_are_one_message(cast: Cast) -> None:
    key = session_of(cast.alice)

    async def story() -> None:
        async with Tab(f"site={cast.site.pk}&board=1&since=9999999999", key) as tab:
            await tab.next("beat")

            def burst() -> None:
                for balance in range(20_000, 20_020):
                    lately_read(cast.shop_101, at=timezone.now(), balance=balance)
                    notify({"site": cast.site.pk, "circuits": [cast.shop_101.pk]})

            await in_thread(burst)
            last = [await tab.next("tiles")]
            while last[-1]["tiles"][0]["v"] != "20.01":  # 20,019 Wh, cut
                last.append(await tab.next("tiles"))
            assert len(last) <= 3

    played(story)


def test_a_settled_sale_reaches_pages_without_a_board(cast: Cast) -> None:
    key = session_of(cast.alice)

    async def story() -> None:
        async with Tab(f"site={cast.site.pk}", key) as tab:
            await tab.next("beat")
            await in_thread(lambda: notify({"site": cast.site.pk, "sale": 77}))
            assert await tab.next("sale") == {"sale": 77}

    played(story)


@pytest.mark.parametrize(
    ("query", "origin", "status"),
    [
        ("site={site}", CONSOLE, 200),
        ("site={site}", "http://evil.example:8000", 403),
        ("site={site}", "http://localhost:9999", 403),
        ("site={site}", "null", 403),
        ("site=999999", CONSOLE, 401),
        ("site=abc", CONSOLE, 400),
        ("", CONSOLE, 400),
    ],
)
def test_only_our_pages_listen_and_only_to_what_is_theirs(cast: Cast, query: str, origin: str, status: int) -> None:
    key = session_of(cast.alice)

    async def story() -> None:
        async with Tab(query.format(site=cast.site.pk), key, origin) as tab:
            async with asyncio.timeout(PATIENCE_S):
                while not tab.status:
                    await asyncio.sleep(0.01)
            assert tab.status == status
            assert (b"access-control-allow-origin" in tab.headers) == (status != 403)

    played(story)


@pytest.mark.parametrize("who", ["nobody", "charlie"])
def test_without_session_or_scope_nothing_is_told(cast: Cast, who: str) -> None:
    key = session_of(cast.charlie) if who == "charlie" else "forged"

    async def story() -> None:
        async with Tab(f"site={cast.site.pk}&board=1", key) as tab:
            await asyncio.wait_for(tab.over.wait(), PATIENCE_S)
            assert tab.status == 401 and tab.events.empty()

    played(story)


@pytest.mark.parametrize("end", ["logged out", "scope taken", "operator ended", "password changed"])
def test_the_stream_ends_with_the_session_before_anything_more_is_told(cast: Cast, end: str) -> None:
    key = session_of(cast.alice)

    def finish() -> None:
        if end == "logged out":
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM django_session WHERE session_key = %s", [key])
        elif end == "scope taken":
            Scope.objects.filter(operator=cast.alice).delete()
        elif end == "operator ended":
            Operator.objects.filter(pk=cast.alice.pk).update(is_active=False)
        else:
            Operator.objects.filter(pk=cast.alice.pk).update(password="another")
        lately_read(cast.shop_101, at=timezone.now(), balance=1)
        notify({"site": cast.site.pk, "circuits": [cast.shop_101.pk]})

    async def story() -> None:
        async with Tab(f"site={cast.site.pk}&board=1&since=9999999999", key) as tab:
            await tab.next("beat")
            await in_thread(finish)
            await asyncio.wait_for(tab.over.wait(), PATIENCE_S)
            names = []
            while not tab.events.empty():
                names.append(tab.events.get_nowait()[0])
            assert names[-1] == "ended" and "tiles" not in names

    played(story)


def test_a_lost_database_connection_is_taken_up_again(cast: Cast) -> None:
    key = session_of(cast.alice)

    def cut() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def change(balance: int) -> None:
        lately_read(cast.shop_101, at=timezone.now(), balance=balance)
        notify({"site": cast.site.pk, "circuits": [cast.shop_101.pk]})

    async def story() -> None:
        async with Tab(f"site={cast.site.pk}&board=1&since=9999999999", key) as tab:
            await tab.next("beat")
            await in_thread(cut)
            await asyncio.sleep(2.5)  # the retry waits a second
            await in_thread(lambda: change(33_000))
            told = await tab.next("tiles")
            while told["tiles"][0]["v"] != "33.00":
                told = await tab.next("tiles")

    played(story)


@pytest.mark.parametrize(
    "payload", ["", "x", "[]", "{}", '{"site": "a"}', '{"site": 1, "circuits": 5}', '{"site": null}']
)
def test_a_notification_nobody_understands_is_left_out(payload: str) -> None:
    async def take() -> None:
        hub = Hub()
        hub.take(payload)
        assert not hub._wake.is_set()

    asyncio.run(take())


def test_a_listener_who_does_not_read_is_let_go() -> None:
    async def crowd() -> None:
        from prewatt.web.stream.hub import Listener

        hub = Hub()
        slow = Listener(session="s", operator=1, site=1, language="en", board=True, since_s=0)
        hub.listeners.add(slow)
        for _beat in range(QUEUE_MOST + 5):
            hub._put(slow, b"x")
        assert slow not in hub.listeners and slow.queue.qsize() <= QUEUE_MOST

    asyncio.run(crowd())


def test_an_origin_named_by_the_installation_may_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_of("GET", "/live", [(b"host", b"live.example"), (b"origin", b"https://desk.example")])
    assert not origin_allowed(request, 8001)
    monkeypatch.setenv("PREWATT_ORIGINS", "https://desk.example")
    assert origin_allowed(request, 8001)
