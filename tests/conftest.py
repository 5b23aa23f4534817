"""Shared by all tests: how hypothesis runs. The throw-away database is started by tests/pytest_prewatt.py."""

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, settings

# Two shared cores make single examples slow now and then; that says nothing about the code.
settings.register_profile("prewatt", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("prewatt")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """Between tests everything is emptied, also what the database itself protects and what the ORM does not know.

    The books refuse TRUNCATE by triggers, as they should; a test run's superuser may step around them.
    """
    from django.db.backends.base.operations import BaseDatabaseOperations
    from django.db.backends.postgresql.operations import DatabaseOperations

    def flush(operations: BaseDatabaseOperations, sql_list: Iterable[str]) -> None:
        with operations.connection.cursor() as cursor:
            cursor.execute(
                "SELECT string_agg(format('%I', c.relname), ', ') FROM pg_class c"
                " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
                " AND c.relname NOT IN ('django_migrations', 'django_content_type')"
            )
            [tables] = cursor.fetchone()
            cursor.execute(f"SET session_replication_role = replica; TRUNCATE {tables} RESTART IDENTITY CASCADE")
            cursor.execute("SET session_replication_role = origin")

    DatabaseOperations.execute_sql_flush = flush  # type: ignore[assignment]
