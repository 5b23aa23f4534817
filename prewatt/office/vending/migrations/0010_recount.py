from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("vending", "0009_held_credit"), ("metering", "0008_credit_hold")]
    operations = [sql_file("vending", "0007_recount")]
