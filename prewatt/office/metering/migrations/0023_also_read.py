import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("estate", "0011_closes_by_key"), ("metering", "0022_marks")]
    operations = [
        migrations.CreateModel(
            name="AlsoRead",
            fields=[
                (
                    "circuit",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, primary_key=True, serialize=False,
                        to="estate.circuit",
                    ),
                ),
                ("at", models.DateTimeField()),
                ("said", models.JSONField()),
            ],
        ),
    ]  # fmt: skip
