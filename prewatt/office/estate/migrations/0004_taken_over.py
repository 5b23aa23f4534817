from django.db import migrations, models
from django.db.models import Q, UniqueConstraint


class Migration(migrations.Migration):
    dependencies = [("estate", "0003_server_held_credit")]
    operations = [
        migrations.AddField("customer", "reference", models.CharField(max_length=32, blank=True, default="")),
        migrations.AlterField("customer", "reference", models.CharField(max_length=32, blank=True)),
        migrations.AddConstraint(
            "customer",
            UniqueConstraint(name="customer_reference", fields=["company", "reference"], condition=~Q(reference="")),
        ),
        migrations.AddField("contract", "opened_on", models.DateField(null=True)),
    ]
