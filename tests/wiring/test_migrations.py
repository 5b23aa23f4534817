"""The quick look at migrations agrees with Django's own."""

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from prewatt.wiring import database, migrations


def test_what_lies_on_disk_is_what_django_would_apply() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    assert migrations.on_disk() == set(loader.disk_migrations)


@pytest.mark.django_db
def test_a_migrated_database_lacks_nothing() -> None:
    connection.ensure_connection()
    with database.connect(connection.connection.info.dsn) as outside:
        assert migrations.missing(outside) == set()


@pytest.mark.django_db
def test_an_empty_database_lacks_everything() -> None:
    connection.ensure_connection()
    with database.connect(connection.connection.info.dsn) as outside:
        outside.execute("SET search_path TO pg_temp")
        assert migrations.missing(outside) == migrations.on_disk()
