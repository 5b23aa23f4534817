from django.db import migrations

from prewatt.office.sqlfiles import functions_again


class Migration(migrations.Migration):
    """Nothing is billed behind a counter that fell or leapt before a person said what happened."""

    dependencies = [("billing", "0007_gaps"), ("metering", "0022_marks")]
    operations = [functions_again("billing", "0002_sweep", "0003_release", "0004_purse_out")]
