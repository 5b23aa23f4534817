from django.db import migrations, models
from django.db.models import Q, UniqueConstraint

from prewatt.office.sqlfiles import functions_again, sql_file


class Migration(migrations.Migration):
    """What meters freeze at midnight, and the gaps that it fills."""

    dependencies = [("metering", "0016_enter_token")]
    operations = [
        migrations.CreateModel(
            name="Gap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("site_id", models.BigIntegerField()),
                ("circuit_id", models.BigIntegerField()),
                ("from_at", models.DateTimeField()),
                ("to_at", models.DateTimeField()),
                ("before_wh", models.BigIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("filled", "Filled"), ("partly", "Partly"), ("empty", "Empty")],
                        max_length=6,
                    ),
                ),
                ("next_day", models.DateField(null=True)),
                ("job_id", models.BigIntegerField(null=True)),
                ("tries", models.SmallIntegerField(default=0)),
                ("due_at", models.DateTimeField()),
                ("waits_until", models.DateTimeField()),
                ("freezes", models.SmallIntegerField(default=0)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["due_at"], name="gap_open", condition=Q(ended_at__isnull=True))],
                "constraints": [UniqueConstraint(name="gap_once", fields=["circuit_id", "from_at"])],
            },
        ),
        sql_file("metering", "0008_freezes"),
        functions_again("metering", "0003_absorb"),
    ]
