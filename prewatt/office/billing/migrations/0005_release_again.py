from django.db import migrations

from prewatt.office.sqlfiles import functions_again


class Migration(migrations.Migration):
    """Databases of before November 21st know no supply by token."""

    dependencies = [("billing", "0004_purse_out"), ("estate", "0005_carrier")]
    operations = [functions_again("billing", "0003_release", "0004_purse_out")]
