from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial"), ("metering", "0004_absorb"), ("staff", "0002_audit")]
    operations = [sql_file("billing", "0002_sweep")]
