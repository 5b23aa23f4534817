from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("staff", "0001_initial")]
    operations = [sql_file("staff", "0001_audit")]
