"""The counter for tests of its pages: time that stands still, a read meter, people logged in, a sale in one line."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from prewatt.office.staff.models import Operator
from prewatt.office.vending import deliveries
from prewatt.office.vending.models import Delivery, Sale, Shift
from prewatt.web.console import views_base
from tests.cast import NOON, Cast, assemble, lately_read
from tests.office.vending.scene import meter_says

READ = NOON - timedelta(seconds=12)


@dataclass(kw_only=True)
class Desk:
    """`at` is what the pages take for now."""

    cast: Cast
    shift: Shift
    at: datetime = NOON

    def client(self, operator: Operator, *, language: str = "en") -> Client:
        made = Client()
        made.force_login(operator)
        made.cookies["django_language"] = language
        return made

    @property
    def alice(self) -> Client:
        return self.client(self.cast.alice)

    @property
    def bob(self) -> Client:
        return self.client(self.cast.bob)

    @property
    def charlie(self) -> Client:
        return self.client(self.cast.charlie)

    def form(self, **typed: str) -> dict[str, str]:
        """The sell form as a person would have filled it."""
        return {"find": "A-101", "amount": "50", "tender": "cash", "request_key": "k1", "circuit": "", **typed}

    def sell(self, **typed: str) -> Sale:
        answer = self.alice.post("/console/sell", self.form(**typed))
        assert answer.status_code == 302, answer.content.decode()
        return Sale.objects.get(pk=int(answer["Location"].rsplit("/", 1)[1]))

    def said(self, sale: Sale, verdict: str, *, count: int = 6, balance: int = 154_350, code: str = "") -> Delivery:
        """The meter's outcome of a sale's order, as the mailbox would have stored it."""
        delivery = Delivery.objects.get(sale=sale)
        meter_says(
            delivery.pk, verdict, code=code, values=f'{{"purchase_count": {count}, "balance": {balance}, "relay": 1}}'
        )
        deliveries.settle(delivery.pk, at=NOON)
        delivery.refresh_from_db()
        return delivery


def make(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The cast at noon, shop 101 read twelve seconds ago, Alice's shift open at window 1 with 500.00."""
    monkeypatch.setattr(views_base, "timezone", SimpleNamespace(now=lambda: NOON))
    cast = assemble()
    lately_read(cast.shop_101, at=READ)
    shift = Shift.objects.create(till=cast.window, operator_id=cast.alice.pk, opened_at=NOON, float_minor=0)
    return Desk(cast=cast, shift=shift)


def text_of(answer: Any) -> str:  # the test client's response has no name of its own
    return str(answer.content.decode())
