from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("metering", "0008_credit_hold"), ("estate", "0003_server_held_credit")]
    operations = [sql_file("metering", "0005_server_held")]
