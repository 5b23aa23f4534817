from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("vending", "0002_sell")]
    operations = [sql_file("vending", "0002_settle")]
