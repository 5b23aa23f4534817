from django.apps import AppConfig


class UiConfig(AppConfig):
    name = "prewatt.web.ui"
    label = "ui"
