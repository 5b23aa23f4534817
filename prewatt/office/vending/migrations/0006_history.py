from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("vending", "0005_acts")]
    operations = [sql_file("vending", "0005_history")]
