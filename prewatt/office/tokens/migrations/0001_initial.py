import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("estate", "0004_taken_over"),
    ]

    operations = [
        migrations.CreateModel(
            name="VaultSeal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=12)),
                ("salt", models.BinaryField()),
                ("scrypt_log_n", models.SmallIntegerField()),
                ("probe", models.BinaryField()),
                ("made_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="StoredKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sgc", models.CharField(max_length=6)),
                ("krn", models.SmallIntegerField()),
                ("kt", models.SmallIntegerField()),
                ("ken", models.SmallIntegerField()),
                ("dkga", models.CharField(max_length=2)),
                ("base_date", models.SmallIntegerField()),
                (
                    "provider",
                    models.CharField(
                        choices=[("sealed", "Sealed"), ("pkcs11", "Pkcs11"), ("module", "Module")], max_length=8
                    ),
                ),
                ("sealed", models.BinaryField(default=b"")),
                ("label", models.CharField(blank=True, max_length=64)),
                ("check_value", models.CharField(max_length=6)),
                ("tokens_a_day", models.IntegerField(null=True)),
                ("tenths_a_day", models.BigIntegerField(null=True)),
                ("money_e5_a_day", models.BigIntegerField(null=True)),
                ("added_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "company",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="estate.company"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="KeyDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("tokens", models.IntegerField(default=0)),
                ("tenths", models.BigIntegerField(default=0)),
                ("money_e5", models.BigIntegerField(default=0)),
                ("key", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="tokens.storedkey")),
            ],
        ),
        migrations.CreateModel(
            name="Campaign",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("request_key", models.CharField(max_length=96, unique=True)),
                ("digest", models.CharField(max_length=64)),
                ("name", models.CharField(max_length=64)),
                ("new_ti", models.CharField(blank=True, max_length=2)),
                ("with_next_purchase", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[("draft", "Draft"), ("running", "Running"), ("paused", "Paused"), ("ended", "Ended")],
                        default="draft",
                        max_length=8,
                    ),
                ),
                ("actor", models.CharField(max_length=80)),
                ("made_at", models.DateTimeField()),
                ("site", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="estate.site")),
                ("new_key", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="tokens.storedkey")),
            ],
        ),
        migrations.CreateModel(
            name="StsMeter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("meter_pan", models.CharField(max_length=18)),
                ("ea", models.CharField(max_length=2)),
                ("tct", models.CharField(default="02", max_length=2)),
                ("dkga", models.CharField(max_length=2)),
                ("sgc", models.CharField(max_length=6)),
                ("ti", models.CharField(max_length=2)),
                ("krn", models.SmallIntegerField()),
                ("kt", models.SmallIntegerField()),
                ("ken", models.SmallIntegerField(default=255)),
                ("base_date", models.SmallIntegerField()),
                ("three_tokens", models.BooleanField(default=False)),
                ("credit_kind", models.SmallIntegerField(default=0)),
                ("revision", models.IntegerField(default=1)),
                ("changed_at", models.DateTimeField()),
                (
                    "meter",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="sts", to="estate.meter"
                    ),
                ),
                ("site", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="estate.site")),
            ],
        ),
        migrations.CreateModel(
            name="TokenProposal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("request_key", models.CharField(max_length=96, unique=True)),
                ("digest", models.CharField(max_length=64)),
                ("content", models.JSONField()),
                ("reason", models.CharField(max_length=255)),
                ("register_tenths", models.BigIntegerField(null=True)),
                ("asked_by", models.BigIntegerField()),
                ("asked_at", models.DateTimeField()),
                (
                    "decision",
                    models.CharField(
                        choices=[("open", "Open"), ("agreed", "Agreed"), ("declined", "Declined")],
                        default="open",
                        max_length=8,
                    ),
                ),
                ("decided_by", models.BigIntegerField(null=True)),
                ("decided_at", models.DateTimeField(null=True)),
                ("sts_meter", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="tokens.stsmeter")),
            ],
        ),
        migrations.CreateModel(
            name="TokenRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message_id", models.CharField(max_length=96)),
                ("digest", models.CharField(max_length=64)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("credit", "Credit"),
                            ("free_credit", "Free Credit"),
                            ("management", "Management"),
                            ("clear_credit", "Clear Credit"),
                            ("test", "Test"),
                            ("key_change", "Key Change"),
                        ],
                        max_length=12,
                    ),
                ),
                ("content", models.JSONField()),
                ("carried", models.BigIntegerField(null=True)),
                ("meter_pan", models.CharField(max_length=18)),
                ("ea", models.CharField(max_length=2)),
                ("ti", models.CharField(max_length=2)),
                ("base_date", models.SmallIntegerField(null=True)),
                ("tid", models.IntegerField(null=True)),
                ("rnd", models.SmallIntegerField(null=True)),
                ("reference", models.CharField(blank=True, max_length=64)),
                ("reason", models.CharField(blank=True, max_length=255)),
                ("actor", models.CharField(max_length=80)),
                ("asked_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("made", "Made"),
                            ("refused", "Refused"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="waiting",
                        max_length=9,
                    ),
                ),
                ("tries", models.IntegerField(default=0)),
                ("code", models.CharField(blank=True, max_length=64)),
                ("made_at", models.DateTimeField(null=True)),
                ("entered_at", models.DateTimeField(null=True)),
                ("entered_how", models.CharField(blank=True, max_length=32)),
                (
                    "key",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="requests",
                        to="tokens.storedkey",
                    ),
                ),
                (
                    "new_key",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="key_changes",
                        to="tokens.storedkey",
                    ),
                ),
                (
                    "proposal",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="request",
                        to="tokens.tokenproposal",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="estate.site"),
                ),
                (
                    "sts_meter",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="tokens.stsmeter"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CampaignMeter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("not_issued", "Not Issued"),
                            ("issued", "Issued"),
                            ("delivered", "Delivered"),
                            ("entered", "Entered"),
                            ("confirmed", "Confirmed"),
                            ("refused", "Refused"),
                        ],
                        default="not_issued",
                        max_length=10,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=64)),
                ("changed_at", models.DateTimeField()),
                (
                    "campaign",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="meters",
                        to="tokens.campaign",
                    ),
                ),
                ("sts_meter", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="tokens.stsmeter")),
                (
                    "request",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="campaign_meter",
                        to="tokens.tokenrequest",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="storedkey",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)),
                fields=("sgc", "krn", "kt", "dkga", "base_date", "ken"),
                name="stored_key_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="storedkey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("provider", "sealed"), models.Q(("sealed", b""), _negated=True)),
                    models.Q(
                        models.Q(("provider", "sealed"), _negated=True),
                        ("sealed", b""),
                        models.Q(("label", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="stored_key_somewhere",
            ),
        ),
        migrations.AddConstraint(
            model_name="keyday",
            constraint=models.UniqueConstraint(fields=("key", "day"), name="key_day_once"),
        ),
        migrations.AddIndex(
            model_name="stsmeter",
            index=models.Index(fields=["site", "id"], name="sts_meter_site"),
        ),
        migrations.AddConstraint(
            model_name="stsmeter",
            constraint=models.UniqueConstraint(fields=("meter_pan",), name="sts_meter_pan_once"),
        ),
        migrations.AddConstraint(
            model_name="tokenproposal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("decided_by__isnull", True),
                    models.Q(("decided_by", models.F("asked_by")), _negated=True),
                    _connector="OR",
                ),
                name="proposal_two_persons",
            ),
        ),
        migrations.AddConstraint(
            model_name="tokenproposal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at__isnull", True), ("decided_by__isnull", True), ("decision", "open")),
                    models.Q(
                        models.Q(("decision", "open"), _negated=True),
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="proposal_decided_whole",
            ),
        ),
        migrations.AddIndex(
            model_name="tokenrequest",
            index=models.Index(fields=["sts_meter", "-id"], name="token_of_meter"),
        ),
        migrations.AddIndex(
            model_name="tokenrequest",
            index=models.Index(condition=models.Q(("state", "waiting")), fields=["id"], name="token_waiting"),
        ),
        migrations.AddIndex(
            model_name="tokenrequest",
            index=models.Index(condition=models.Q(("kind", "credit")), fields=["reference"], name="token_reference"),
        ),
        migrations.AddConstraint(
            model_name="tokenrequest",
            constraint=models.UniqueConstraint(fields=("message_id",), name="token_message_once"),
        ),
        migrations.AddConstraint(
            model_name="tokenrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("tid__isnull", False)), fields=("meter_pan", "tid"), name="token_tid_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="tokenrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ["free_credit", "clear_credit"]), _negated=True),
                    ("proposal__isnull", False),
                    _connector="OR",
                ),
                name="token_two_persons",
            ),
        ),
        migrations.AddConstraint(
            model_name="tokenrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ["test", "key_change"]), ("rnd__isnull", True), ("tid__isnull", True)),
                    models.Q(
                        models.Q(("kind__in", ["test", "key_change"]), _negated=True),
                        ("key__isnull", False),
                        ("rnd__gte", 0),
                        ("rnd__lte", 15),
                        ("tid__gte", 0),
                        ("tid__lte", 16777215),
                    ),
                    _connector="OR",
                ),
                name="token_tid_where_timed",
            ),
        ),
        migrations.AddIndex(
            model_name="campaignmeter",
            index=models.Index(fields=["campaign", "state", "id"], name="campaign_meter_state"),
        ),
        migrations.AddConstraint(
            model_name="campaignmeter",
            constraint=models.UniqueConstraint(fields=("campaign", "sts_meter"), name="campaign_meter_once"),
        ),
    ]
