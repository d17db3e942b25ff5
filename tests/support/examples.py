"""How many examples property tests try."""

from __future__ import annotations

import os


def examples(usual: int) -> int:
    """As many as usual, unless REDIS_MOB_EXAMPLES says otherwise: a few in `make quick`, many in `make soak`."""
    return int(os.environ.get("REDIS_MOB_EXAMPLES", usual))
