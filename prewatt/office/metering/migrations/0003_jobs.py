from django.db import migrations

from prewatt.office.sqlfiles import sql_file


class Migration(migrations.Migration):
    dependencies = [("metering", "0002_readings"), ("procrastinate", "0041_post_retry_failed_job")]
    operations = [sql_file("metering", "0002_jobs")]
