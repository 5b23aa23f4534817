from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "prewatt.office.ledger"
    label = "ledger"
