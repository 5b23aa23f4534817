from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("metering", "0007_frames")]
    operations = [sql_file("metering", "0004_credit_hold")]
