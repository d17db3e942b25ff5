"""Starts that are gathered in one run: by which key, and how long it waits for the last of them (decision 0039)."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

SHORTEST_DEBOUNCE = timedelta(milliseconds=1)
"""The least time that a run may wait for the next start of its key."""


class Debounce(NamedTuple):
    """The run of a `key` begins `after` the last start under it, at the latest `most` after the first one.

    A key counts for one mob and flow of a namespace.
    """

    key: str
    after: timedelta
    most: timedelta | None = None
