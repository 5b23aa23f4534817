"""How many files a process of ours may have open."""

import resource


def allow_files() -> None:
    """Each line and each caller is a socket: ask for as many files as we may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
