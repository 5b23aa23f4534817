from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [
        ("vending", "0001_initial"),
        ("ledger", "0002_books"),
        ("staff", "0002_audit"),
        ("metering", "0003_jobs"),
    ]
    operations = [sql_file("vending", "0001_sell")]
