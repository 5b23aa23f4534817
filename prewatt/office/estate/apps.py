from django.apps import AppConfig


class EstateConfig(AppConfig):
    name = "prewatt.office.estate"
    label = "estate"
