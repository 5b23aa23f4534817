"""The WSGI application of pages and API, loaded by `prewatt web` before its workers are forked."""

import os

import django
from django.core.handlers.wsgi import WSGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "prewatt.wiring.settings")
django.setup(set_prefix=False)
application = WSGIHandler()
