"""The demo site: loaded once into an empty database, played by the simulator ever after."""

from prewatt.wiring.demo.load import load

__all__ = ["load"]
