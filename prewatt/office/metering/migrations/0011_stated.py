from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("metering", "0010_wanted_setting")]
    operations = [sql_file("metering", "0006_stated")]
