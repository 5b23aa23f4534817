"""The assembly as a Django app: it brings no table, only the system checks."""

from django.apps import AppConfig
from django.core import checks as registry

from prewatt.wiring import checks


class WiringConfig(AppConfig):
    """Registers the checks."""

    name = "prewatt.wiring"

    def ready(self) -> None:
        for check in checks.ALL:
            registry.register(check, "prewatt")
