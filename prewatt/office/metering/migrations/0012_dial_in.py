from django.db import migrations, models

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("metering", "0011_stated"), ("estate", "0006_dial_in")]
    operations = [
        migrations.CreateModel(
            "Caller",
            [
                ("identity", models.CharField(max_length=96, primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=16)),
                ("peer", models.CharField(max_length=64)),
                ("detail", models.CharField(max_length=255, blank=True)),
                ("headend", models.CharField(max_length=80)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("calls", models.IntegerField(default=1)),
                ("refused_at", models.DateTimeField(null=True)),
                ("refused_by", models.CharField(max_length=80, blank=True, db_default="", default="")),
            ],
        ),
        sql_file("metering", "0007_dial_in"),
    ]
