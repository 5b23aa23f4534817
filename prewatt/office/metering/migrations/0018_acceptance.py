import django.db.models.deletion
from django.db import migrations, models

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("metering", "0017_gaps"), ("estate", "0006_dial_in"), ("ledger", "0002_books")]
    operations = [
        migrations.CreateModel(
            name="Acceptance",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("accepted_by", models.CharField(max_length=80)),
                ("remark", models.CharField(blank=True, max_length=500)),
                ("data", models.JSONField()),
                ("actor", models.CharField(max_length=80)),
                ("at", models.DateTimeField()),
                ("line", models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="estate.line")),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="estate.site"
                    ),
                ),
            ],
            options={
                "db_table": "metering_acceptance",
                "indexes": [models.Index(fields=["site", "-id"], name="acceptance_newest")],
            },
        ),
        sql_file("metering", "0009_acceptance"),
    ]
