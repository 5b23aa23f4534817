"""The processes of Prewatt, one module each: what `prewatt web`, `stream`, `headend`, ... run."""
