from django.apps import AppConfig


class MeteringConfig(AppConfig):
    name = "prewatt.office.metering"
    label = "metering"
