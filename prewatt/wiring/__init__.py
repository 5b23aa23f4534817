"""Assembly: settings, URLs, checks, the commands that start things. Nobody imports it."""
