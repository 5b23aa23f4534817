from django.apps import AppConfig


class ChangesConfig(AppConfig):
    name = "prewatt.office.changes"
    label = "changes"
