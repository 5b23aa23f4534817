from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("changes", "0001_swap")]
    operations = [
        migrations.AddField("swap", "handed", models.JSONField(default=list)),
        migrations.AddField("swap", "handed_at", models.DateTimeField(null=True)),
        # of meters exchanged before nothing is told anew: people have done so
        migrations.RunSQL("UPDATE changes_swap SET handed_at = at", migrations.RunSQL.noop),
        migrations.AddIndex(
            "swap",
            models.Index(
                condition=models.Q(("handed_at__isnull", True)), fields=["id"], name="swap_to_hand_over"
            ),
        ),
    ]
