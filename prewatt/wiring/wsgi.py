"""The WSGI application of pages and API, as granian's workers load it."""

import os

import django
from django.core.handlers.wsgi import WSGIHandler

from prewatt.wiring.processes import die_with_server

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "prewatt.wiring.settings")
die_with_server()
django.setup(set_prefix=False)
application = WSGIHandler()
