from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("estate", "0002_contract_number")]
    operations = [
        migrations.AddField("supplypoint", "credit_account_id", models.BigIntegerField(null=True)),
        migrations.AddField("supplypoint", "opening_wh", models.BigIntegerField(null=True)),
        migrations.AddField("supplypoint", "opening_at", models.DateTimeField(null=True)),
    ]
