"""Shared by all tests: how hypothesis runs. The throw-away database is started by tests/pytest_prewatt.py."""

from hypothesis import HealthCheck, settings

from tests.system import in_ci

# Two shared cores make single examples slow now and then; that says nothing about the code.
settings.register_profile("prewatt", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("prewatt-ci", parent=settings.get_profile("prewatt"), max_examples=200)
settings.load_profile("prewatt-ci" if in_ci() else "prewatt")
