from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]
    operations = [sql_file("ledger", "0001_books")]
