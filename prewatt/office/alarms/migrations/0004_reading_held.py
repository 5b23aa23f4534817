from django.db import migrations, models

from prewatt.office.alarms.models import AlarmKind


class Migration(migrations.Migration):
    dependencies = [("alarms", "0003_blackout")]
    operations = [
        migrations.AlterField(
            model_name="alarm",
            name="kind",
            field=models.CharField(choices=AlarmKind.choices, max_length=16),
        ),
    ]
