"""Server settings by the size of the machine."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

_MIB = 1024 * 1024
_GIB_MIB = 1024
_BUFFERS_SHARE = 8  # an eighth of memory: the application lives on the same machine
_BUFFERS_MIN_MIB = 256
_BUFFERS_MAX_MIB = 2 * _GIB_MIB
_WAL_SHARE = 16  # of the free disk: the log must not be what fills it
_WAL_MIN_MIB = 256
_WAL_MAX_MIB = 8 * _GIB_MIB
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

ALWAYS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "synchronous_commit": "on",
    "random_page_cost": "1.1",
    "log_line_prefix": "%m [%p] ",
    "log_startup_progress_interval": "1s",  # a recovery that moves is seen to move
    "log_checkpoints": "off",
}
# Data that is thrown away needs no care for power loss; a killed process loses nothing either way.
EPHEMERAL: Mapping[str, str] = {
    "shared_buffers": "128MB",
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "1GB",
}


def memory_mib() -> int:
    """Physical memory, or what the container may use of it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in _CGROUP_LIMITS:
        try:
            text = Path(limit).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total // _MIB


def by_machine(data: Path) -> dict[str, str]:
    """Settings for a lasting database in `data`."""
    memory = memory_mib()
    buffers = min(max(memory // _BUFFERS_SHARE, _BUFFERS_MIN_MIB), _BUFFERS_MAX_MIB)
    free_mib = shutil.disk_usage(data).free // _MIB
    wal = min(max(free_mib // _WAL_SHARE, _WAL_MIN_MIB), _WAL_MAX_MIB)
    return {
        "shared_buffers": f"{buffers}MB",
        "effective_cache_size": f"{max(memory // 2, buffers)}MB",
        "max_wal_size": f"{wal}MB",
        "min_wal_size": f"{min(wal // 2, 512)}MB",
        "maintenance_work_mem": f"{min(max(memory // 32, 64), 512)}MB",
    }
