import django.db.models.deletion
from django.db import migrations, models
from django.db.models import CheckConstraint, Q


class Migration(migrations.Migration):
    dependencies = [("estate", "0004_taken_over")]
    operations = [
        migrations.AlterField(
            "meter", "line",
            models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="estate.line"),
        ),
        migrations.AlterField("meter", "unit", models.SmallIntegerField(default=0)),
        migrations.AddConstraint(
            "meter", CheckConstraint(name="meter_unit_where_line", condition=Q(line__isnull=False) | Q(unit=0))
        ),
        migrations.AddField(
            "supplypoint",
            "carrier",
            models.CharField(
                max_length=8, choices=[("network", "Network"), ("token", "Token")], default="network",
                db_default="network",
            ),
        ),
        migrations.AddConstraint(
            "supplypoint",
            CheckConstraint(
                name="supply_point_token_in_meter",
                condition=~Q(carrier="token") | Q(custody="meter", credit_unit="Wh", prepaid=True),
            ),
        ),
    ]  # fmt: skip
