from django.db import migrations

from prewatt.office.sqlfiles import functions_again


class Migration(migrations.Migration):
    """An error that a meter told again is no good reading any more when its counter is back."""

    dependencies = [("metering", "0025_strangers")]
    operations = [functions_again("metering", "0003_absorb", "0006_stated")]
