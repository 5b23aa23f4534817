import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0012_dial_in")]
    operations = [
        migrations.CreateModel(
            name="MeterClock",
            fields=[
                (
                    "meter",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, primary_key=True, serialize=False,
                        to="estate.meter",
                    ),
                ),
                ("ahead_s", models.BigIntegerField()),
                ("read_at", models.DateTimeField()),
                ("asked_at", models.DateTimeField(null=True)),
                ("actor", models.CharField(blank=True, max_length=80)),
            ],
        ),
    ]  # fmt: skip
