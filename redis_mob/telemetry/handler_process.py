"""The span of an attempt in the process of an isolated handler, where the handler's module sets the providers."""

from __future__ import annotations

from redis_mob.telemetry import active, log_context

FLUSH_MILLISECONDS = 1000
"""How long the process waits at its end until its spans are exported."""


def current_traceparent() -> str | None:
    """The context of the current span, for another process; None if there is none."""
    if active.spans is None:
        return None
    from opentelemetry.trace import get_current_span

    from redis_mob.telemetry.spans import traceparent_of

    return traceparent_of(get_current_span())


def enter_attempt(traceparent: str | None, ids: log_context.LogIds) -> None:
    """Let all that this process does belong to an attempt; its module is imported, and has set its providers."""
    active.activate()
    if active.observes_attempts():
        log_context.current.set(ids)
    if traceparent is not None and active.spans is not None:
        from opentelemetry.context import attach

        from redis_mob.telemetry.spans import context_of

        attach(context_of(traceparent))


def flush() -> None:
    """Let what was told here be exported: the process ends, and its exporters with it."""
    if active.spans is None:
        return
    from opentelemetry.trace import get_tracer_provider

    # of the SDK, and not of the API
    force_flush = getattr(get_tracer_provider(), "force_flush", None)
    if force_flush is not None:
        force_flush(FLUSH_MILLISECONDS)
