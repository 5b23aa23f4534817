from django.db import migrations, models

from prewatt.office.sqlfiles import functions_again, sql_file


class Migration(migrations.Migration):
    dependencies = [("tokens", "0002_digits")]
    operations = [
        migrations.CreateModel(
            name="TidFloor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("until", models.DateTimeField()),
                ("set_at", models.DateTimeField()),
            ],
        ),
        sql_file("tokens", "0002_tid_floor"),
        functions_again("tokens", "0001_tokens"),
    ]
