import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("estate", "0005_carrier"),
        ("metering", "0011_stated"),
        ("billing", "0004_purse_out"),
        ("vending", "0011_carried"),
    ]
    operations = [
        migrations.CreateModel(
            name="Swap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("site_id", models.BigIntegerField()),
                ("reason", models.CharField(max_length=255)),
                ("evidence", models.CharField(blank=True, max_length=255)),
                ("request_key", models.CharField(max_length=160)),
                ("actor", models.CharField(max_length=80)),
                ("actor_name", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
                ("new_meter", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="estate.meter")),
                ("old_meter", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="estate.meter")),
                ("till", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="vending.till")),
            ],
        ),
        migrations.CreateModel(
            name="SwapPart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("index", models.SmallIntegerField()),
                ("state", models.CharField(choices=[("opening", "Opening"), ("carrying", "Carrying"), ("done", "Done"), ("not_opened", "Not Opened"), ("not_carried", "Not Carried")], max_length=11)),
                ("final_at", models.DateTimeField()),
                ("final_wh", models.BigIntegerField()),
                ("stated", models.BooleanField()),
                ("first_wh", models.BigIntegerField(null=True)),
                ("credit", models.BigIntegerField(default=0)),
                ("value_minor", models.BigIntegerField(default=0)),
                ("carried_minor", models.DecimalField(decimal_places=9, default=0, max_digits=20)),
                ("act", models.CharField(blank=True, max_length=9)),
                ("tries", models.SmallIntegerField(default=0)),
                ("done_at", models.DateTimeField(null=True)),
                ("delivery", models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="vending.delivery")),
                ("new_circuit", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="estate.circuit")),
                ("new_supply", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="estate.supplypoint")),
                ("old_supply", models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="estate.supplypoint")),
                ("opening", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="vending.opening")),
                ("swap", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="parts", to="changes.swap")),
            ],
        ),
        migrations.AddConstraint(
            model_name="swap",
            constraint=models.UniqueConstraint(fields=("request_key",), name="swap_request"),
        ),
        migrations.AddConstraint(
            model_name="swap",
            constraint=models.UniqueConstraint(fields=("old_meter",), name="swap_once"),
        ),
        migrations.AddIndex(
            model_name="swappart",
            index=models.Index(condition=models.Q(("state__in", ["opening", "carrying"])), fields=["id"], name="swap_at_work"),
        ),
        migrations.AddConstraint(
            model_name="swappart",
            constraint=models.UniqueConstraint(fields=("swap", "index"), name="swap_part"),
        ),
        migrations.AddConstraint(
            model_name="swappart",
            constraint=models.CheckConstraint(condition=models.Q(("credit__gte", 0), ("value_minor__gte", 0)), name="swap_credit_positive"),
        ),
    ]
