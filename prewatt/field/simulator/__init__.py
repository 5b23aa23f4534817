"""The simulated site: faithful prepaid meters behind real Modbus bytes, with their own accounting.

`run` is the whole process; `load_site` reads the site file; `load_curve` is what a load used in the past;
`World` with `SimulatedLine.answer` plays the same meters in memory under a virtual clock.
"""

from prewatt.field.simulator.line import SimulatedLine
from prewatt.field.simulator.process import PortTaken, Ready, run
from prewatt.field.simulator.site import Load, LoadKind, Site, SiteError, load_site, site_from
from prewatt.field.simulator.store import Store, StoreDamaged
from prewatt.field.simulator.town import load_curve
from prewatt.field.simulator.world import World

__all__ = [
    "Load",
    "LoadKind",
    "PortTaken",
    "Ready",
    "SimulatedLine",
    "Site",
    "SiteError",
    "Store",
    "StoreDamaged",
    "World",
    "load_curve",
    "load_site",
    "run",
    "site_from",
]
