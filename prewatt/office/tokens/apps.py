from django.apps import AppConfig


class TokensConfig(AppConfig):
    name = "prewatt.office.tokens"
    label = "tokens"
