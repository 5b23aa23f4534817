from django.db import migrations

from prewatt.office.sqlfiles import functions_again


class Migration(migrations.Migration):
    """What a clear-credit token took out of one loop of a meter is not given back for another one."""

    dependencies = [("vending", "0015_token_entry")]
    operations = [functions_again("vending", "0003_acts")]
