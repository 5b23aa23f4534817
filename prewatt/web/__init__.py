"""Faces: console, third-party API, live stream."""
