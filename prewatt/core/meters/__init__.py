"""Meters: quantities, profiles, jobs, and the drivers that turn a job into a conversation."""

from prewatt.core.meters.catalogue import catalogue
from prewatt.core.meters.profile import Profile, load

__all__ = ["Profile", "catalogue", "load"]
