"""Customers (用户)."""

from datetime import datetime

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.office.estate import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.estate.initials import initials
from prewatt.office.estate.models import Company, Customer
from prewatt.office.staff.audit import audit


def add_customer(
    company: Company, *, name: str, phone: str, customer_class: str, actor: str, at: datetime
) -> Customer:
    """A new customer. Refuses name_needed."""
    if not name.strip():
        raise Refused("name_needed")
    with transaction.atomic():
        customer = Customer.objects.create(
            company=company, name=name.strip(), initials=initials(name), phone=phone.strip(),
            customer_class=customer_class.strip(),
        )  # fmt: skip
        audit(
            at=at, actor=actor, action="estate.customer_add", site_id=None, object_type="customer",
            object_id=str(customer.pk), after={"name": name, "phone": phone, "class": customer_class},
        )  # fmt: skip
    return customer


def edit_customer(
    customer: Customer, *, name: str, phone: str, customer_class: str, actor: str, at: datetime
) -> Customer:
    """Change what is known of a customer. Refuses name_needed."""
    if not name.strip():
        raise Refused("name_needed")
    before = {"name": customer.name, "phone": customer.phone, "class": customer.customer_class}
    with transaction.atomic():
        customer.name, customer.phone, customer.customer_class = name.strip(), phone.strip(), customer_class.strip()
        customer.initials = initials(name)
        customer.save(update_fields=["name", "initials", "phone", "customer_class"])
        audit(
            at=at, actor=actor, action="estate.customer_edit", site_id=None, object_type="customer",
            object_id=str(customer.pk), before=before,
            after={"name": name, "phone": phone, "class": customer_class},
        )  # fmt: skip
    return customer
