"""The console's addresses: each page group keeps its own list, this file joins those that exist."""

from importlib import import_module
from importlib.util import find_spec

from django.urls import URLPattern

# A module joins the console when it stands; its import also adds its entry to the menu.
MODULES = (
    "door", "overview", "live", "sell", "sales", "shift", "acts", "acts_of_sale", "receipts", "customers",
    "contracts", "contracts_held", "openings", "openings_by_token", "changes", "circuits", "circuits_room",
    "meters", "profiles", "profiles_edit", "tries", "meters_address", "meter_days", "marks", "meter_settings",
    "meter_times", "meter_prices", "swaps", "lines", "scans", "acceptance", "alarms", "restored", "reports",
    "settings", "plans", "operators", "safety", "companies", "imports", "trail", "tokens", "tokens_explain",
    "tokens_vault", "tokens_campaigns", "tokens_routes", "tokens_proposals", "tokens_meter", "tokens_make",
    "tokens_shown",
)  # fmt: skip

urlpatterns: list[URLPattern] = [
    pattern
    for name in MODULES
    if find_spec(f"prewatt.web.console.{name}")
    for pattern in import_module(f"prewatt.web.console.{name}").urlpatterns
]
