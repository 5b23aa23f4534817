"""Prewatt: an open prepaid-electricity platform."""
