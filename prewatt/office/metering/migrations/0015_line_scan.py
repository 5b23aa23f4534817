import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q, UniqueConstraint


class Migration(migrations.Migration):
    dependencies = [("metering", "0014_partitions_again"), ("estate", "0006_dial_in")]
    operations = [
        migrations.CreateModel(
            name="LineScan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("site_id", models.BigIntegerField()),
                ("plan", models.JSONField()),
                ("state", models.CharField(max_length=8)),
                ("code", models.CharField(blank=True, max_length=32)),
                ("asked", models.IntegerField(default=0)),
                ("total", models.IntegerField(default=0)),
                ("found", models.JSONField(default=list)),
                ("stop_asked", models.BooleanField(default=False)),
                ("epoch", models.BigIntegerField(default=0)),
                ("actor", models.CharField(max_length=80)),
                ("created_at", models.DateTimeField()),
                ("begun_at", models.DateTimeField(null=True)),
                ("said_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("gateway", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="estate.gateway")),
                ("line", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="estate.line")),
            ],
            options={
                "constraints": [
                    UniqueConstraint(
                        name="one_scan_per_line", fields=["line"], condition=Q(state__in=["waiting", "running"])
                    )
                ],
            },
        ),
    ]
