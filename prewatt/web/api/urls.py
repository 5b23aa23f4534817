"""Addresses of the third-party API, below /api/v1/."""

from prewatt.web.api.app import api

urlpatterns, app_name = api.urls[0], api.urls[1]
