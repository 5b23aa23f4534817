from django.db import migrations

from prewatt.office.sqlfiles import functions_again


class Migration(migrations.Migration):
    """A doubted reading opens nothing, and what a purse leaves at its end becomes income."""

    dependencies = [("billing", "0008_doubts")]
    operations = [functions_again("billing", "0002_sweep", "0003_release", "0004_purse_out")]
