from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("metering", "0023_also_read")]
    operations = [
        migrations.AddIndex(
            model_name="jobrow",
            index=models.Index(
                fields=["meter_id"], name="job_set_disputed",
                condition=Q(intent__in=["write_prices", "write_schedule"], verdict="disputed"),
            ),
        ),
    ]
