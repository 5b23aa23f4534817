import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("vending", "0011_carried"), ("tokens", "0002_digits"), ("estate", "0005_carrier")]
    operations = [
        migrations.AddField(
            "delivery",
            "token_request",
            models.ForeignKey(
                null=True, db_index=False, on_delete=django.db.models.deletion.PROTECT, to="tokens.tokenrequest"
            ),
        ),
    ]
