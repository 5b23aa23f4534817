"""Rules: pure Python. No Django, no IO, no clock, no chance."""
