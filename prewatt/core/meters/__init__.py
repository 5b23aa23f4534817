"""Meters: quantities, profiles, jobs, and the drivers that turn a job into a conversation."""
