from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("estate", "0007_profile_version")]
    operations = [
        migrations.AddField("gateway", "secret", models.CharField(max_length=16, blank=True, db_default="", default="")),
        migrations.AddField("gateway", "sealed", models.BooleanField(db_default=True, default=True)),
    ]
