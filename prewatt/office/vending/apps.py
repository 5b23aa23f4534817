from django.apps import AppConfig


class VendingConfig(AppConfig):
    name = "prewatt.office.vending"
    label = "vending"
