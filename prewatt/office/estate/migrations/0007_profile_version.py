import django.db.models.deletion
from django.db import migrations, models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("estate", "0006_dial_in"), ("ledger", "0002_books")]
    operations = [
        migrations.CreateModel(
            "ProfileVersion",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=40)),
                ("version", models.SmallIntegerField()),
                ("based_on", models.CharField(blank=True, max_length=48)),
                ("note", models.CharField(max_length=255)),
                ("text", models.TextField()),
                ("actor", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField()),
                ("company", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="estate.company")),
                ("site", models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="estate.site")),
            ],
        ),
        migrations.AddConstraint(
            "profileversion", UniqueConstraint(name="profile_version", fields=["code", "version"])
        ),
        migrations.AddConstraint(
            "profileversion", CheckConstraint(name="profile_version_from_one", condition=Q(version__gte=1))
        ),
        sql_file("estate", "0002_profile_version"),
    ]
