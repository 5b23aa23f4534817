from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("estate", "0008_gateway_secret")]
    operations = [
        migrations.AddField("line", "medium", models.CharField(max_length=8, blank=True, db_default="", default="")),
    ]
