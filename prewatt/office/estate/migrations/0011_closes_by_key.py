from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('estate', '0010_station'),
    ]

    operations = [
        migrations.AddField(
            model_name='site',
            name='closes_by_key',
            field=models.BooleanField(default=False, db_default=False),
        ),
    ]
