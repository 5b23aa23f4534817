from django.db import migrations, models

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_sale_indexes")]
    operations = [
        migrations.CreateModel(
            name="RunningBalance",
            fields=[
                ("account_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("site_id", models.BigIntegerField()),
                ("balance_minor", models.BigIntegerField()),
                ("updated_at", models.DateTimeField()),
            ],
        ),
        sql_file("ledger", "0002_running"),
    ]
