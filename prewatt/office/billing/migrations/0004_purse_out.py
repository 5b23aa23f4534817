from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_release")]
    operations = [sql_file("billing", "0004_purse_out")]
