import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0009_server_held")]
    operations = [
        migrations.CreateModel(
            name="WantedSetting",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("quantity", models.CharField(max_length=32)),
                ("value", models.BigIntegerField()),
                ("before", models.BigIntegerField()),
                ("reason", models.CharField(max_length=255)),
                ("actor", models.CharField(max_length=80)),
                ("set_at", models.DateTimeField()),
                (
                    "circuit",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="estate.circuit"
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="metering.jobrow"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["circuit", "quantity", "-id"], name="wanted_setting_newest")],
            },
        ),
    ]
