from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("estate", "0001_initial")]
    operations = [sql_file("estate", "0001_contract_number")]
