from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("tokens", "0001_initial"), ("staff", "0002_audit")]
    operations = [sql_file("tokens", "0001_tokens")]
