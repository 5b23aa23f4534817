from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "prewatt.office.payments"
    label = "payments"
