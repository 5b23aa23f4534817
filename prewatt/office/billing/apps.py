from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "prewatt.office.billing"
    label = "billing"
