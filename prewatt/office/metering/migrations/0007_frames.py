from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0006_decided")]
    operations = [migrations.AddField(model_name="jobrow", name="frames", field=models.JSONField(null=True))]
