"""What each command writes with: the console of standard error, and texts that a terminal does not obey."""

from __future__ import annotations

import sys

from rich.console import Console

from redis_mob.models.printable import printable as printable


def stderr_console() -> Console:
    """Standard error; styled only if it is a terminal, even if the environment asks for colours."""
    return Console(stderr=True, force_terminal=sys.stderr is not None and sys.stderr.isatty(), highlight=False)
