from django.apps import AppConfig


class StaffConfig(AppConfig):
    name = "prewatt.office.staff"
    label = "staff"
