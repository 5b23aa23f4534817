from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("metering", "0003_jobs")]
    operations = [sql_file("metering", "0003_absorb")]
