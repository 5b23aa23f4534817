from django.db import migrations

from prewatt.office.sqlfiles import functions_again


class Migration(migrations.Migration):
    """A full list of strangers takes who calls now; jobs of prices and of sets that are disputed."""

    dependencies = [("metering", "0024_set_disputed")]
    operations = [functions_again("metering", "0002_jobs", "0007_dial_in")]
