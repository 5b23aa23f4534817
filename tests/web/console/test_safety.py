"""The log-in made safe: waits, a password of one's own, the second factor, sessions that end."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import timezone

from prewatt.core import totp
from prewatt.office.staff import guard, operators, second_factor, sessions
from prewatt.office.staff.models import CompanyRule, LoginGuard, Operator, OperatorSession, Role, Scope
from prewatt.web.console import presence
from tests.cast import OPENED, Cast, assemble

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse"
SETTINGS = "/console/settings"


@pytest.fixture
def cast() -> Cast:
    cast = assemble()
    alice = Operator.objects.get(pk=cast.alice.pk)
    operators.set_password(alice, PASSWORD, actor=None, at=OPENED)
    return replace(cast, alice=alice)


@pytest.fixture
def ada(cast: Cast) -> Operator:
    made: Operator = Operator.objects.create(
        username="ada", name="Ada", role=Role.ADMINISTRATOR, created_at=OPENED, password="!"
    )
    Scope.objects.create(operator=made, company_id=cast.company.pk)
    return made


def enter(client: Client, password: str = PASSWORD, username: str = "alice", **more: str) -> tuple[int, str]:
    """The status, and where it leads or which code it shows."""
    answer = client.post("/console/login", {"username": username, "password": password, **more})
    text = answer.content.decode()
    return answer.status_code, answer.get("Location") or text.split('data-code="')[1].split('"')[0]


def code_now(operator: Operator, later_s: int = 0) -> str:
    secret = bytes(Operator.objects.get(pk=operator.pk).totp_secret)
    return totp.hotp(secret, totp.step_of(int(timezone.now().timestamp()) + later_s))


def as_(operator: Operator) -> Client:
    client = Client()
    client.force_login(operator)
    client.cookies["django_language"] = "en"
    return client


# ---------------------------------------------------------------- guessing


@pytest.mark.parametrize("username", ["alice", "nobody"])
def test_after_five_wrong_passwords_even_the_right_one_has_to_wait(cast: Cast, client: Client, username: str) -> None:
    for _ in range(guard.FREE["pair"]):
        assert enter(client, "wrong", username) == (422, "login_refused")
    assert enter(client, PASSWORD, username) == (429, "login_blocked")
    LoginGuard.objects.update(blocked_until=None)
    expected = (302, "/console/") if username == "alice" else (422, "login_refused")
    assert enter(client, PASSWORD, username) == expected


def test_the_same_work_is_done_for_a_name_that_nobody_has(
    cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib.auth.hashers import Argon2PasswordHasher

    hashed: list[str] = []

    def counted(name: str) -> None:
        real = getattr(Argon2PasswordHasher, name)

        def count(*arguments: object) -> object:
            hashed.append(name)
            return real(*arguments)

        monkeypatch.setattr(Argon2PasswordHasher, name, count)

    counted("verify")
    counted("encode")
    Operator.objects.filter(username="bob").update(is_active=False, password=make_password(PASSWORD))
    work = []
    for username in ("alice", "nobody", "bob"):
        hashed.clear()
        assert enter(client, "wrong", username) == (422, "login_refused")
        work.append(len(hashed))
    assert work == [1, 1, 1]


def test_an_older_hash_is_made_anew_when_its_owner_logs_in(cast: Cast, client: Client) -> None:
    from argon2 import PasswordHasher, Type

    weak = "argon2" + PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1, type=Type.ID).hash(PASSWORD)
    Operator.objects.filter(username="alice").update(password=weak)
    assert enter(client) == (302, "/console/")
    stored = Operator.objects.get(username="alice").password
    assert stored != weak and "$m=102400," in stored
    assert client.get("/console/ping").status_code == 204


def test_the_address_behind_a_proxy_is_believed_of_named_proxies_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(forwarded: str) -> HttpRequest:
        return RequestFactory().get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="127.0.0.1")

    assert presence.address_of(asked("203.0.113.9")) == "127.0.0.1"
    monkeypatch.setenv("PREWATT_PROXIES", "127.0.0.1, 10.0.0.1")
    assert presence.address_of(asked("6.6.6.6, 203.0.113.9, 10.0.0.1")) == "203.0.113.9"
    assert presence.address_of(asked("")) == "127.0.0.1"
    monkeypatch.delenv("PREWATT_PROXIES")
    monkeypatch.setenv("PREWATT_PUBLIC_URL", "https://power.example")
    assert presence.address_of(asked("6.6.6.6, 203.0.113.9")) == "203.0.113.9"


# ---------------------------------------------------------------- a password of one's own


def test_a_password_that_another_chose_opens_one_page_only(cast: Cast, ada: Operator, client: Client) -> None:
    page = f"{SETTINGS}/operators/{cast.alice.pk}"
    assert as_(ada).post(page, {"what": "password", "password": "chosen by ada"}).status_code == 302
    assert enter(client, "chosen by ada", next="/console/live") == (302, "/console/live")
    for address in ("/console/live", "/console/", "/console/sell"):
        assert client.get(address)["Location"] == f"{SETTINGS}/password"
    part = client.get("/console/find?q=101", headers={"HX-Request": "true"})
    assert part.status_code == 403 and part["HX-Redirect"] == f"{SETTINGS}/password"
    assert "data-test" in client.get(f"{SETTINGS}/password").content.decode()
    typed = {"present": "chosen by ada", "new": "my own horse", "again": "my own horse"}
    assert client.post(f"{SETTINGS}/password", typed)["Location"] == "/console/"
    assert client.get("/console/live").status_code == 200


def test_a_new_password_ends_the_other_sessions_and_not_this_one(cast: Cast) -> None:
    here, there = Client(), Client()
    assert enter(here)[0] == enter(there)[0] == 302
    typed = {"present": PASSWORD, "new": "another horse", "again": "another horse"}
    assert here.post(f"{SETTINGS}/password", typed).status_code == 302
    assert here.get("/console/ping").status_code == 204 and there.get("/console/ping").status_code == 302
    assert "another" not in here.get(f"{SETTINGS}/sessions").content.decode()
    assert len(sessions.live_of(cast.alice.pk, at=timezone.now())) == 1


# ---------------------------------------------------------------- the second factor


def enrol(client: Client, operator: Operator) -> str:
    """Through the pages, as a person does; the answer with the recovery codes."""
    page = f"{SETTINGS}/second-factor"
    assert "<svg" not in client.get(page).content.decode().split('class="pw-narrow"')[1]
    assert client.post(page, {"what": "begin"}).status_code == 302
    shown = client.get(page).content.decode()
    assert 'class="pw-qr"><svg' in shown and " style=" not in shown.split('class="pw-qr">')[1].split("</svg>")[0]
    secret = bytes(Operator.objects.get(pk=operator.pk).totp_secret)
    assert totp.base32(secret) == shown.split('data-test="totp-key">')[1].split("<")[0].replace(" ", "")
    assert client.post(page, {"what": "confirm", "code": "12"}).status_code == 422
    done = client.post(page, {"what": "confirm", "code": code_now(operator)})
    assert done.status_code == 200 and 'data-test="recovery-codes"' in done.content.decode()
    assert 'data-test="recovery-codes"' not in client.get(page).content.decode(), "once"
    return done.content.decode()


def test_enrolled_through_the_page_the_log_in_asks_for_the_code(cast: Cast, client: Client) -> None:
    codes = enrol(as_(cast.alice), cast.alice)
    assert enter(client, next="/console/live") == (302, "/console/login/code")
    assert client.get("/console/ping").status_code == 302, "the password alone opens nothing"
    wrong = client.post("/console/login/code", {"code": "12"})
    assert wrong.status_code == 422 and b'data-code="code_wrong"' in wrong.content
    answer = client.post("/console/login/code", {"code": code_now(cast.alice, later_s=30)})
    assert answer["Location"] == "/console/live" and client.get("/console/ping").status_code == 204
    recovery = codes.split('data-test="recovery-codes"><li>')[1].split("<")[0]
    other = Client()
    enter(other)
    assert other.post("/console/login/code", {"code": recovery}).status_code == 302
    again = Client()
    enter(again)
    assert again.post("/console/login/code", {"code": recovery}).status_code == 422


def test_codes_cannot_be_guessed_and_nobody_comes_by_the_second_step_alone(cast: Cast, client: Client) -> None:
    assert client.get("/console/login/code")["Location"] == "/console/login"
    enrol(as_(cast.alice), cast.alice)
    enter(client)
    for _ in range(guard.FREE["code"]):
        assert client.post("/console/login/code", {"code": "12"}).status_code == 422
    right = client.post("/console/login/code", {"code": code_now(cast.alice, later_s=30)})
    assert right.status_code == 429 and b'data-code="login_blocked"' in right.content
    operators.set_password(cast.alice, "another horse", actor=None, at=OPENED)
    assert client.get("/console/login/code")["Location"] == "/console/login", "the password has changed meanwhile"


def test_the_rule_of_the_company_sends_the_money_roles_to_enrol(cast: Cast) -> None:
    CompanyRule.objects.create(company_id=cast.company.pk, second_factor=True)
    electrician: Operator = Operator.objects.create(
        username="wei", name="Wei", role=Role.ELECTRICIAN, created_at=OPENED, password="!"
    )
    Scope.objects.create(operator=electrician, site_id=cast.site.pk)
    assert as_(electrician).get("/console/live").status_code == 200
    client = as_(cast.alice)
    assert client.get("/console/live")["Location"] == f"{SETTINGS}/second-factor"
    enrol(client, cast.alice)
    assert client.get("/console/live").status_code == 200
    off = client.post(f"{SETTINGS}/second-factor", {"what": "off", "code": code_now(cast.alice, later_s=30)})
    assert off.status_code == 422 and b'data-code="second_factor_needed"' in off.content


def test_an_administrator_takes_off_what_a_lost_telephone_held(cast: Cast, ada: Operator, client: Client) -> None:
    enrol(as_(cast.alice), cast.alice)
    page = f"{SETTINGS}/operators/{cast.alice.pk}"
    assert as_(ada).post(page, {"what": "factor_off"}).status_code == 302
    assert enter(client) == (302, "/console/")
    assert not second_factor.is_on(Operator.objects.get(pk=cast.alice.pk))


# ---------------------------------------------------------------- sessions


def test_an_administrator_sees_the_sessions_of_an_operator_and_ends_them(cast: Cast, ada: Operator) -> None:
    client = Client(headers={"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Chrome/130.0 Safari/537.36"})
    enter(client)
    page = f"{SETTINGS}/operators/{cast.alice.pk}"
    assert "Chrome, Windows" in as_(ada).get(page).content.decode()
    [session] = OperatorSession.objects.filter(operator=cast.alice)
    assert as_(ada).post(page, {"what": "session", "session": str(session.pk)}).status_code == 302
    assert client.get("/console/ping").status_code == 302
    for _ in range(guard.FREE["pair"]):
        enter(Client(), "wrong")
    assert as_(ada).post(page, {"what": "forgive"}).status_code == 302
    assert enter(Client()) == (302, "/console/")


def test_a_session_nobody_uses_ends_and_what_a_page_asks_by_itself_is_no_use(
    cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(client)
    start = timezone.now()

    def later(minutes: int) -> None:
        monkeypatch.setattr("prewatt.web.console.views_base.timezone.now", lambda: start + timedelta(minutes=minutes))

    later(100)
    assert client.get("/console/ping").status_code == 204
    assert client.get("/console/find?q=101", headers={"HX-Request": "true"}).status_code == 200
    later(121)
    assert client.get("/console/ping").status_code == 302
    assert OperatorSession.objects.get().ended_why == "idle"


def test_a_session_in_use_lives_a_shift_and_no_longer(
    cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(client)
    start = timezone.now()
    for hours in range(1, 12):
        monkeypatch.setattr(
            "prewatt.web.console.views_base.timezone.now", lambda hours=hours: start + timedelta(hours=hours)
        )
        assert client.get("/console/shift").status_code == 200, hours
    monkeypatch.setattr("prewatt.web.console.views_base.timezone.now", lambda: start + timedelta(hours=12, minutes=1))
    assert client.get("/console/shift").status_code == 302
    assert OperatorSession.objects.get().ended_why == "age"


def test_one_ends_ones_other_sessions_and_finally_ones_own(cast: Cast) -> None:
    here, there = Client(), Client()
    enter(here)
    enter(there)
    page = f"{SETTINGS}/sessions"
    assert here.post(page, {"what": "others"}).status_code == 302
    assert there.get("/console/ping").status_code == 302
    [mine] = sessions.live_of(cast.alice.pk, at=timezone.now())
    assert here.post(page, {"what": "session", "session": str(mine.pk)})["Location"] == "/console/login"
    assert here.get("/console/ping").status_code == 302
    assert as_(cast.alice).post(page, {"what": "session", "session": "999"}).status_code == 422
