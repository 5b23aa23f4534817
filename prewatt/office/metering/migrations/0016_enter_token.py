from django.db import migrations

from prewatt.office.sqlfiles import functions_again


class Migration(migrations.Migration):
    """A token whose entering was silent or unknown goes back into the queue, as credit does."""

    dependencies = [("metering", "0015_line_scan")]
    operations = [functions_again("metering", "0002_jobs", "0007_dial_in")]
