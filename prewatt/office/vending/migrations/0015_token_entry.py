import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("vending", "0014_money_purse"), ("tokens", "0003_tid_floor"), ("estate", "0006_dial_in")]
    operations = [
        migrations.CreateModel(
            name="TokenEntry",
            fields=[
                (
                    "request",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name="entry",
                        serialize=False, to="tokens.tokenrequest",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"), ("sending", "Sending"), ("entered", "Entered"),
                            ("refused", "Refused"), ("unclear", "Unclear"), ("stopped", "Stopped"),
                        ],
                        default="queued", max_length=8,
                    ),
                ),
                ("part", models.SmallIntegerField(default=0)),
                ("round", models.IntegerField(default=1)),
                ("ever_sent", models.BooleanField(default=False)),
                ("job_id", models.BigIntegerField(null=True)),
                ("code", models.CharField(blank=True, max_length=48)),
                ("actor", models.CharField(max_length=80)),
                ("asked_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                (
                    "circuit",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="estate.circuit"
                    ),
                ),
                ("sts_meter", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="tokens.stsmeter")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "sending")), fields=("sts_meter",),
                        name="token_entry_one_sending",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(models.Q(("state", "sending"), _negated=True), ("job_id__isnull", False),
                                           _connector="OR"),
                        name="token_entry_job",
                    ),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["queued", "sending"])), fields=["sts_meter"],
                        name="token_entry_open",
                    )
                ],
            },
        ),
    ]  # fmt: skip
