"""Tells in a note, and not by a warning of Python, that secrets were stored without a seal key."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from redis_mob.cli.endings import say
from redis_mob.errors import UnsealedSecretsWarning

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def unsealed_told(console: Console, secrets: str) -> Generator[None]:
    """A block that stores secrets, whose name begins the note: "the secret is"."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnsealedSecretsWarning)
        try:
            yield
        finally:
            if any(issubclass(one.category, UnsealedSecretsWarning) for one in caught):
                say(
                    console,
                    f"note: {secrets} stored as it is, for all who can read the server; --seal-keys seals it",
                )
