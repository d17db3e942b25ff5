"""What telemetry is on. Every hook looks here first, and does nothing while it finds None (contract: telemetry-1).

This module imports nothing of OpenTelemetry: an application that wants telemetry has imported it before.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis_mob.telemetry.instruments import Instruments
    from redis_mob.telemetry.spans import Spans

spans: Spans | None = None
"""Makes spans, once the application has set a provider of tracers."""

instruments: Instruments | None = None
"""Records metrics, once the application has set a provider of meters."""

wants_log_ids = False
"""Whether a filter of log records asks for the ids of run and step (see log_context)."""

is_broken = False
"""Whether the log has told that what the application has set raises (see broken)."""


def activate() -> None:
    """Use the providers that the application has set before this call.

    A fleet and a storage call it when they are made, a worker when it begins; a provider that is set later is used
    from the next such call on.
    """
    if (spans is None or instruments is None) and has_opentelemetry():
        _look()


def _look() -> None:
    global spans, instruments
    from redis_mob.telemetry import providers

    if spans is None:
        spans = providers.set_spans()
    if instruments is None:
        instruments = providers.set_instruments()


def has_opentelemetry() -> bool:
    """Whether this process has imported the API, without which no provider can be set."""
    return "opentelemetry" in sys.modules


def is_on() -> bool:
    """Whether calls of the store are observed."""
    return spans is not None or instruments is not None


def observes_attempts() -> bool:
    """Whether attempts of steps are observed."""
    return spans is not None or instruments is not None or wants_log_ids
