import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0020_times"), ("estate", "0006_dial_in")]
    operations = [
        migrations.AddField(model_name="jobrow", name="prices", field=models.JSONField(null=True)),
        migrations.CreateModel(
            name="WantedPrices",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("prices", models.JSONField()),
                ("swap_at", models.DateTimeField()),
                ("reason", models.CharField(max_length=255)),
                ("actor", models.CharField(max_length=80)),
                ("set_at", models.DateTimeField()),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="metering.jobrow"
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="estate.meter"
                    ),
                ),
            ],
            options={"indexes": [models.Index(fields=["meter", "-id"], name="wanted_prices_newest")]},
        ),
    ]
