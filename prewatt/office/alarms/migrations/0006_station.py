from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alarms', '0005_notices'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='alarm',
            name='one_open_alarm',
        ),
        migrations.AddField(
            model_name='alarm',
            name='station_id',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddConstraint(
            model_name='alarm',
            constraint=models.UniqueConstraint(condition=models.Q(('cleared_at__isnull', True)), fields=('site_id', 'kind', 'circuit_id', 'line_id', 'station_id'), name='one_open_alarm', nulls_distinct=False),
        ),
    ]
