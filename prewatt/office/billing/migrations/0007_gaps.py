from django.db import migrations

from prewatt.office.sqlfiles import functions_again


class Migration(migrations.Migration):
    """A gap is charged when what its meter froze meanwhile was asked for."""

    dependencies = [("billing", "0006_money_purse"), ("metering", "0017_gaps")]
    operations = [functions_again("billing", "0002_sweep")]
