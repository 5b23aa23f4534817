from django.db import migrations, models
from django.db.models import Q, UniqueConstraint


class Migration(migrations.Migration):
    dependencies = [("estate", "0005_carrier")]
    operations = [
        migrations.AlterField("gateway", "host", models.CharField(max_length=255, blank=True)),
        migrations.AddField("gateway", "identity", models.CharField(max_length=96, blank=True, db_default="", default="")),
        migrations.AddField("gateway", "heartbeat", models.CharField(max_length=96, blank=True, db_default="", default="")),
        migrations.AddConstraint(
            "gateway", UniqueConstraint(name="gateway_identity", fields=["identity"], condition=~Q(identity=""))
        ),
    ]
