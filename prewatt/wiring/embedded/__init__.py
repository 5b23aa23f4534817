"""The embedded PostgreSQL: found, initialised, started, watched and stopped by our own code.

The face is `EmbeddedPostgres`; the package the binaries come in is never imported, because its own life-cycle code
leaves servers behind and opens parent directories to everybody.
"""

from prewatt.wiring.embedded.binaries import Binaries, find_binaries
from prewatt.wiring.embedded.server import EmbeddedPostgres

__all__ = ["Binaries", "EmbeddedPostgres", "find_binaries"]
