from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("vending", "0004_opening")]
    operations = [sql_file("vending", "0003_acts"), sql_file("vending", "0004_shifts")]
