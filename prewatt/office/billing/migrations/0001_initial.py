from django.db import migrations, models

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("estate", "0003_server_held_credit"),
        ("ledger", "0004_running_balance"),
        ("metering", "0002_readings"),
    ]
    operations = [
        migrations.CreateModel(
            name="Progress",
            fields=[
                ("supply_point_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("site_id", models.BigIntegerField()),
                ("circuit_id", models.BigIntegerField()),
                ("account_id", models.BigIntegerField()),
                ("valid_from", models.DateTimeField()),
                ("charged_at", models.DateTimeField(null=True)),
                ("charged_wh", models.BigIntegerField(null=True)),
                ("carried_minor", models.DecimalField(decimal_places=9, default=0, max_digits=20)),
                ("rollover_wh", models.BigIntegerField(null=True)),
                (
                    "held",
                    models.CharField(
                        blank=True,
                        choices=[("backward", "Backward"), ("jump", "Jump"), ("unpriced", "Unpriced")],
                        max_length=8,
                    ),
                ),
                ("held_at", models.DateTimeField(null=True)),
                ("held_wh", models.BigIntegerField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("charged_at__isnull", True), ("charged_wh__isnull", True))
                        | models.Q(("charged_at__isnull", False), ("charged_wh__isnull", False)),
                        name="progress_opened_whole",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("carried_minor__gte", 0), ("carried_minor__lt", 1)),
                        name="progress_carried",
                    ),
                ]
            },
        ),
        sql_file("billing", "0001_charges"),
    ]
