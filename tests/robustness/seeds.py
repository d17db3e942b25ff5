"""Random seeds of tests, which are shown when they fail."""

from __future__ import annotations

from random import Random


def new_seed() -> int:
    """A random one."""
    seed = Random().randrange(1_000_000)
    print(f"seed {seed}")
    return seed
