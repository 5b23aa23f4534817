from django.db import migrations

from prewatt.office.sqlfiles import functions_again


class Migration(migrations.Migration):
    """An entry whose lists of transfers are null is refused as an empty one."""

    dependencies = [("ledger", "0004_running_balance")]
    operations = [functions_again("ledger", "0001_books")]
