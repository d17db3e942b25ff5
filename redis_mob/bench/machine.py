"""On what machine something was measured."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

import hiredis
import redis

from redis_mob.version import __version__


def machine() -> dict[str, Any]:
    """What figures depend on, apart from the server; the load is that of the last minute, before the measurement."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "redis_mob": __version__,
        "redis-py": redis.__version__,
        "hiredis": hiredis.__version__,
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    """The name of the processor, as the kernel tells it."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    named = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return named[1] if named else platform.machine()
