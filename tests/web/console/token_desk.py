"""The pages of tokens for their tests: the meter of shop 101, its vault open, people logged in, time that stands."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from prewatt.office.staff.models import Operator, Role, Scope
from prewatt.office.tokens import opened
from prewatt.office.tokens.models import TokenRequest
from prewatt.web.console import views_base
from tests.cast import OPENED
from tests.office.tokens.scene import NOON, Scene, scene


@dataclass(frozen=True, kw_only=True)
class TokenDesk:
    """`base` is the address of the meter's tokens."""

    scene: Scene
    base: str

    def client(self, operator: Operator, language: str = "en") -> Client:
        made = Client()
        made.force_login(operator)
        made.cookies["django_language"] = language
        return made

    @property
    def alice(self) -> Client:
        """Cashier."""
        return self.client(self.scene.cast.alice)

    @property
    def bob(self) -> Client:
        """Manager."""
        return self.client(self.scene.cast.bob)

    def somebody(self, name: str, role: Role, **scope: int) -> Client:
        """Another operator; of the whole site unless told otherwise."""
        made = Operator.objects.create(username=name, name=name.title(), role=role, created_at=OPENED, password="!")
        Scope.objects.create(operator=made, **(scope or {"site_id": self.scene.cast.site.pk}))
        return self.client(made)

    def made(self, what: str = "power-limit", **typed: str) -> TokenRequest:
        """A token that Bob asked for at the meter's page."""
        form = {"power": "2.5", "reason": "a larger shop", "request_key": "k1", **typed}
        answer = self.bob.post(f"{self.base}/new/{what}", form)
        assert answer.status_code == 302, text_of(answer)
        return TokenRequest.objects.get(pk=int(answer["Location"].rsplit("/", 1)[1]))


def make(monkeypatch: pytest.MonkeyPatch) -> TokenDesk:
    monkeypatch.setattr(views_base, "timezone", SimpleNamespace(now=lambda: NOON))
    stage = scene()
    monkeypatch.setattr(opened, "rack", lambda *, at: stage.rack)
    return TokenDesk(scene=stage, base=f"/console/meters/{stage.sts.meter_id}/tokens")


def text_of(answer: Any) -> str:  # the test client's response has no name of its own
    return str(answer.content.decode())
