from django.db import migrations, models

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("vending", "0010_recount")]
    operations = [
        migrations.AlterField(
            model_name="delivery",
            name="origin",
            field=models.CharField(
                choices=[
                    ("sale", "Sale"),
                    ("make_up", "Make Up"),
                    ("return", "Return"),
                    ("clear", "Clear"),
                    ("swap", "Swap"),
                ],
                max_length=8,
            ),
        ),
        sql_file("vending", "0008_carried"),
    ]
