"""Meters: quantities, profiles, jobs, and the drivers that turn a job into a conversation."""

from prewatt.core.meters.catalogue import catalogue
from prewatt.core.meters.codes import BLOCKS_CLOSING
from prewatt.core.meters.profile import Custody, Profile, load

__all__ = ["BLOCKS_CLOSING", "Custody", "Profile", "catalogue", "load"]
