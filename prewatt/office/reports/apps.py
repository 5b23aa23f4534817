from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "prewatt.office.reports"
    label = "reports"
