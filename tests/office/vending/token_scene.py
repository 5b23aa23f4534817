"""A keypad meter in a room of its own, never online, supplied by token; the software vault and the people of tokens."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from prewatt.core.sts import VirtualMeter
from prewatt.office.changes.by_token import Registers, TokenOpening, TokenTerms, open_by_token
from prewatt.office.estate import wires
from prewatt.office.estate.models import Circuit, Contract, Customer, SupplyPoint
from prewatt.office.ledger import books
from prewatt.office.staff.actors import Actor
from prewatt.office.tokens import meters, opened
from prewatt.office.tokens.models import StsMeter
from prewatt.office.tokens.rack import Rack
from prewatt.office.vending.audits import audit_books
from prewatt.office.vending.models import Delivery, Shift
from prewatt.office.vending.sales import SaleResult, SellCommand, sell
from tests.office.tokens import scene as sts_scene
from tests.office.tokens.scene import NOON, attributes

OPENED = NOON - timedelta(days=1)


@dataclass
class TokenScene:
    """What the tests act with. `rack` is what the office finds open."""

    tokens: sts_scene.Scene
    sts: StsMeter
    circuit: Circuit
    contract: Contract
    supply: SupplyPoint
    shift: Shift
    vaults: Rack
    site_id: int
    rack: Rack = field(default_factory=Rack)  # empty: the vault is closed

    @property
    def alice(self) -> Actor:
        return self.tokens.alice

    @property
    def bob(self) -> Actor:
        return self.tokens.bob

    def sell(self, key: str = "k1", amount_minor: int = 5000, at: datetime = NOON, **changes: object) -> SaleResult:
        return sell(self.command(key, amount_minor, at, **changes))

    def command(self, key: str = "k1", amount_minor: int = 5000, at: datetime = NOON, **changes: object) -> SellCommand:
        """Alice sells 50 yuan for cash at her window."""
        given: dict[str, object] = {
            "key": key, "contract_number": self.contract.number, "circuit_id": self.circuit.pk,
            "till_id": self.shift.till_id, "amount_minor": amount_minor, "actor": self.alice, "at": at, **changes,
        }  # fmt: skip
        return SellCommand(**given)  # type: ignore[arg-type]

    def keypad(self) -> VirtualMeter:
        self.sts.refresh_from_db()
        return sts_scene.Scene(
            cast=self.tokens.cast, sts=self.sts, old=self.tokens.old, new=self.tokens.new, vault=self.tokens.vault,
            rack=self.vaults, alice=self.alice, bob=self.bob, dan=self.tokens.dan, eva=self.tokens.eva,
        ).keypad()  # fmt: skip

    def lock_vault(self) -> None:
        self.rack = Rack()

    def unlock_vault(self) -> None:
        self.rack = self.vaults

    def agree(self) -> None:
        """The books agree with the rows, and debits with credits."""
        found = books.books(self.tokens.cast.company.pk)
        assert found.debit_minor == found.credit_minor
        assert audit_books([self.site_id]) == []

    def books(self) -> tuple[int, int, int]:
        """(in delivery, deferred income, cash), minor units."""
        found = books.books(self.tokens.cast.company.pk)
        return found.in_delivery_minor, found.deferred_income_minor, found.cash_minor


def delivery_of(result: SaleResult) -> Delivery:
    return Delivery.objects.get(sale=result.sale)


def build(
    patch: pytest.MonkeyPatch, *, hoarding_limit: int = 0, registers: Registers | None = None, at: datetime = OPENED,
    **sts: object,
) -> TokenScene:  # fmt: skip
    tokens = sts_scene.scene()
    cast = tokens.cast
    room = cast.shop_103.room
    meter = wires.add_keypad_meter(
        cast.site, number="360311000777", profile="pilot-spm9511", room=room, actor=tokens.eva.key, at=at
    )
    registered = meters.register(meter, attributes(777, **sts), actor=tokens.eva, at=at)
    circuit = Circuit.objects.get(meter=meter)
    customer = Customer.objects.create(company=cast.company, name="Wang Student")
    opening = open_by_token(
        TokenOpening(
            key="o1", circuit=circuit, customer=customer, contract=None, registers=registers,
            terms=TokenTerms(plan=cast.plan, hoarding_limit=hoarding_limit), till=cast.window, actor=tokens.bob,
            at=at,
        )
    )  # fmt: skip
    shift = Shift.objects.create(till=cast.window, operator_id=tokens.alice.operator_id, opened_at=at)
    made = TokenScene(
        tokens=tokens, sts=registered, circuit=circuit, contract=opening.contract, supply=opening.supply_point,
        shift=shift, vaults=tokens.rack, site_id=cast.site.pk,
    )  # fmt: skip
    made.unlock_vault()
    patch.setattr(opened, "rack", lambda *, at: made.rack)
    return made
