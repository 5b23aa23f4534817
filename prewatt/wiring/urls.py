"""Every address, by face. A face that is not built yet is not listed."""

from django.urls import include, path
from django.views.generic import RedirectView

from prewatt.web.api.app import api
from prewatt.web.ui import assets
from prewatt.wiring.health import healthz

urlpatterns = [
    path("", RedirectView.as_view(url="/console/")),
    path("static/<path:name>", assets.serve),
    path("healthz", healthz),
    path("api/v1/", api.urls),
    path("console/", include("prewatt.web.console.urls")),
]

handler400 = "prewatt.web.ui.errors.bad_request"
handler403 = "prewatt.web.ui.errors.forbidden"
handler404 = "prewatt.web.ui.errors.not_found"
handler500 = "prewatt.web.ui.errors.server_error"
