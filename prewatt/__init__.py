"""Prewatt: an open prepaid-electricity platform."""

__version__ = "0.1.0"
