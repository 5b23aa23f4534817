from django.apps import AppConfig


class AlarmsConfig(AppConfig):
    name = "prewatt.office.alarms"
    label = "alarms"
