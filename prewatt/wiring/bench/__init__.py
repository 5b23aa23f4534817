"""The figures of `prewatt bench`, measured on a throw-away database. The face is `parts.bench.run`."""
