"""In and out of the console, its languages, and its error pages."""

from dataclasses import replace

import pytest
from django.test import Client

from prewatt.office.staff.models import Operator
from prewatt.web.console.menu import MENU, MenuEntry, add, entries_for
from tests.cast import Cast, assemble

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    cast = assemble()
    alice = Operator.objects.get(pk=cast.alice.pk)
    alice.set_password("correct horse")
    alice.save(update_fields=["password"])
    return replace(cast, alice=alice)


def enter(client: Client, password: str, **more: str) -> int:
    return client.post("/console/login", {"username": "alice", "password": password, **more}).status_code


def test_the_right_password_opens_the_page_that_was_wanted(cast: Cast, client: Client) -> None:
    answer = client.post("/console/login", {"username": "alice", "password": "correct horse", "next": "/console/live"})
    assert answer.status_code == 302 and answer["Location"] == "/console/live"
    assert client.get("/console/login").status_code == 302


def test_a_wrong_name_and_a_wrong_password_hear_the_same(cast: Cast, client: Client) -> None:
    wrong = client.post("/console/login", {"username": "alice", "password": "wrong"})
    unknown = client.post("/console/login", {"username": "nobody", "password": "wrong"})
    assert wrong.status_code == unknown.status_code == 422
    for answer in (wrong, unknown):
        assert 'data-code="login_refused"' in answer.content.decode()


def test_an_ended_operator_and_an_endless_password_stay_outside(cast: Cast, client: Client) -> None:
    assert enter(client, "x" * 100_000) == 422
    Operator.objects.filter(username="alice").update(is_active=False)
    assert enter(client, "correct horse") == 422


@pytest.mark.parametrize("foreign", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_nobody_is_sent_to_another_host(cast: Cast, client: Client, foreign: str) -> None:
    answer = client.post("/console/login", {"username": "alice", "password": "correct horse", "next": foreign})
    assert answer["Location"] == "/console/"


def test_logging_out_ends_the_session(cast: Cast, client: Client) -> None:
    client.force_login(cast.alice)
    assert client.get("/console/ping").status_code == 204
    assert client.get("/console/logout").status_code == 405  # a link may not log anybody out
    assert client.post("/console/logout").status_code == 302
    assert client.get("/console/ping").status_code == 302


def test_a_part_of_a_page_sends_the_whole_browser_to_the_log_in(client: Client) -> None:
    answer = client.get("/console/ping", headers={"HX-Request": "true"})
    assert answer.status_code == 401 and answer["HX-Redirect"] == "/console/login"


def test_pages_are_chinese_whatever_the_browser_asks_until_the_reader_chooses(cast: Cast, client: Client) -> None:
    client.force_login(cast.alice)
    chinese = client.get("/console/", headers={"Accept-Language": "en"})
    assert 'lang="zh-Hans"' in chinese.content.decode() and chinese["Content-Language"] == "zh-hans"
    answer = client.post("/console/language", {"language": "en", "next": "/console/live"})
    assert answer["Location"] == "/console/live"
    english = client.get("/console/").content.decode()
    assert 'lang="en"' in english and "Who runs out today" not in english.split("<main")[0]
    assert client.post("/console/language", {"language": "xx"}).status_code == 400


def test_a_site_that_is_not_his_cannot_be_chosen(cast: Cast, client: Client) -> None:
    client.force_login(cast.alice)
    for wanted in ("999", "", "abc", "9" * 30):
        assert client.post("/console/site", {"site": wanted}).status_code == 404
    assert client.post("/console/site", {"site": str(cast.site.pk)}).status_code == 302


@pytest.mark.parametrize(("language", "words"), [("zh-hans", "没有这个页面"), ("en", "There is no such page")])
def test_a_missing_page_says_so_in_the_reader_s_language(client: Client, language: str, words: str) -> None:
    client.cookies["django_language"] = language
    answer = client.get("/console/no-such-page")
    assert answer.status_code == 404 and words in answer.content.decode() and "not_found" in answer.content.decode()


def test_an_old_form_is_refused_with_words(cast: Cast) -> None:
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/console/login", {"username": "alice", "password": "correct horse"})
    assert answer.status_code == 403 and "form_expired" in answer.content.decode()


def test_the_menu_lists_what_exists_for_the_role_and_no_place_twice() -> None:
    kept = list(MENU)
    try:
        entry = MenuEntry(place=990, url="/console/x", label="X", icon="home", key="x", roles=frozenset({"manager"}))
        add(entry)
        add(entry)  # the same module imported twice changes nothing
        assert [each.url for each in entries_for("manager")].count("/console/x") == 1
        assert "/console/x" not in [each.url for each in entries_for("cashier")]
        with pytest.raises(AssertionError):
            add(MenuEntry(place=990, url="/console/y", label="Y", icon="home", key="y"))
    finally:
        MENU[:] = kept


def test_static_files_are_cached_for_a_year_under_their_hash_only(client: Client) -> None:
    from prewatt.web.ui.assets import address

    named = client.get(address("ui/prewatt.css"), headers={"Accept-Encoding": "gzip"})
    assert named.status_code == 200 and "immutable" in named["Cache-Control"]
    assert named["Content-Encoding"] == "gzip" and len(named.content) < 20_000
    plain = client.get("/static/ui/prewatt.css")
    assert plain["Cache-Control"] == "no-cache"
    assert client.get("/static/ui/prewatt.css", headers={"If-None-Match": plain["ETag"]}).status_code == 304
    for climbing in ("/static/../settings.py", "/static/ui/nothing.css", "/static/%00", "/static/ui"):
        assert client.get(climbing).status_code == 404
