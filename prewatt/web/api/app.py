"""The third-party API, version 1: what it is called, who may call it, how it fails."""

from ninja import NinjaAPI

from prewatt import __version__
from prewatt.web.api import errors, estate, sales, statements
from prewatt.web.api.door import KeyDoor

api = NinjaAPI(
    title="Prewatt API",
    version=__version__,
    description="Sell prepaid electricity and watch it arrive. Amounts are integers of the minor unit.",
    urls_namespace="api_v1",
    auth=KeyDoor(),
)
errors.install(api)
api.add_router("", estate.router)
api.add_router("", sales.router)
api.add_router("", statements.router)
