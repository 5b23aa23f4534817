"""The simulated site: faithful prepaid meters behind real Modbus bytes, with their own accounting.

`run` is the whole process; `load_site` reads the site file; `day_w`, `power_w` and `load_curve` say what a load
draws; `World` with `SimulatedLine.answer` plays the same meters in memory under a virtual clock; a `CardReader` is
what reads the cards in their slots.
"""

from prewatt.field.simulator.card_slot import CardRead, CardReader
from prewatt.field.simulator.fields import Load, LoadKind, SiteError
from prewatt.field.simulator.line import SimulatedLine
from prewatt.field.simulator.process import PortTaken, Ready, replay, run
from prewatt.field.simulator.site import FORMAT, Site, load_site, site_from
from prewatt.field.simulator.store import Store, StoreDamaged
from prewatt.field.simulator.town import day_w, load_curve, power_w
from prewatt.field.simulator.world import World

__all__ = [
    "FORMAT",
    "CardRead",
    "CardReader",
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
    "day_w",
    "load_curve",
    "load_site",
    "power_w",
    "replay",
    "run",
    "site_from",
]
