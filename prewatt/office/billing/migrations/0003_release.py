from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_sweep"), ("vending", "0009_held_credit")]
    operations = [sql_file("billing", "0003_release")]
