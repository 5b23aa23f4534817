"""Rules of the house, kept by reading the code."""
