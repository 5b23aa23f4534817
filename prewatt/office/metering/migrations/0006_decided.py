from django.db import migrations, models

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("metering", "0005_sale_indexes")]
    operations = [
        migrations.AddField(
            model_name="relaywish",
            name="decided",
            field=models.CharField(choices=[("closed", "Closed"), ("open", "Open")], max_length=6, null=True),
        ),
        migrations.AddField(
            model_name="relaywish",
            name="decided_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="relaywish",
            name="decided_cause",
            field=models.CharField(blank=True, default="", max_length=24),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name="relaywish",
            constraint=models.CheckConstraint(
                condition=models.Q(("decided__isnull", True), ("decided_at__isnull", True))
                | models.Q(("decided__isnull", False), ("decided_at__isnull", False)),
                name="wish_decided_whole",
            ),
        ),
        sql_file("metering", "0002_jobs"),  # functions alone: superseded relay commands and tags at the claim
    ]
