import django.db.models.deletion
from django.db import migrations, models

from prewatt.office.sqlfiles import functions_again


class Migration(migrations.Migration):
    """Purses that hold money: what they were read back to drain by, and a recount that knows their unit."""

    dependencies = [("vending", "0013_functions_again"), ("estate", "0005_carrier")]
    operations = [
        migrations.CreateModel(
            name="PursePrice",
            fields=[
                (
                    "supply_point",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, primary_key=True, serialize=False,
                        to="estate.supplypoint",
                    ),
                ),
                ("price", models.DecimalField(decimal_places=6, max_digits=12)),
                ("read_at", models.DateTimeField()),
            ],
        ),
        functions_again("vending", "0007_recount"),
    ]  # fmt: skip
