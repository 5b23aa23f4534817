import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('estate', '0009_line_medium'),
    ]

    operations = [
        migrations.CreateModel(
            name='Station',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=16)),
                ('name', models.CharField(max_length=64)),
                ('place', models.CharField(blank=True, max_length=120)),
                ('equipment', models.CharField(blank=True, max_length=255)),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='estate.site')),
            ],
        ),
        migrations.AddField(
            model_name='gateway',
            name='station',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='estate.station'),
        ),
        migrations.AddConstraint(
            model_name='station',
            constraint=models.UniqueConstraint(fields=('site', 'code'), name='station_code'),
        ),
    ]
