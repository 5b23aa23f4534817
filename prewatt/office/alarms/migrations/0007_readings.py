from django.db import migrations, models

from prewatt.office.alarms.models import AlarmKind


class Migration(migrations.Migration):
    dependencies = [("alarms", "0006_station"), ("metering", "0022_marks")]
    operations = [
        migrations.AlterField(
            model_name="alarm",
            name="kind",
            field=models.CharField(choices=AlarmKind.choices, max_length=16),
        ),
    ]
