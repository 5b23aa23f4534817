"""The stream for the browser tests, without the pulse and the supervision that `prewatt stream` adds."""

import django

django.setup(set_prefix=False)

from prewatt.web.stream import application  # noqa: E402  models need the set-up above

__all__ = ["application"]
