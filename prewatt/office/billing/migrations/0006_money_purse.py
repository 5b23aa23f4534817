from django.db import migrations

from prewatt.office.sqlfiles import functions_again


class Migration(migrations.Migration):
    """Purses that hold money are released by their balance."""

    dependencies = [("billing", "0005_release_again"), ("vending", "0014_money_purse")]
    operations = [functions_again("billing", "0003_release", "0004_purse_out")]
