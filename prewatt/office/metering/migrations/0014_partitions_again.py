from django.db import migrations

from prewatt.office.sqlfiles import functions_again


class Migration(migrations.Migration):
    """Databases of before November 21st made partitions without looking whether somebody reads."""

    dependencies = [("metering", "0013_meter_clock")]
    operations = [functions_again("metering", "0001_readings")]
