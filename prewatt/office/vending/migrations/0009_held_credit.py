from django.db import migrations, models

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [
        ("vending", "0008_sale_indexes"),
        ("ledger", "0004_running_balance"),
        ("estate", "0003_server_held_credit"),
    ]
    operations = [
        migrations.AddField("delivery", "credit_account_id", models.BigIntegerField(null=True)),
        sql_file("vending", "0006_held"),
    ]
