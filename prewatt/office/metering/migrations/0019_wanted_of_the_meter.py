from django.db import migrations, models


class Migration(migrations.Migration):
    """What a parameter was before somebody wanted it otherwise may be known to nobody."""

    dependencies = [("metering", "0018_acceptance")]

    operations = [migrations.AlterField("wantedsetting", "before", models.BigIntegerField(null=True))]
