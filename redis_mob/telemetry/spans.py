"""Spans of runs: one for each start, one for each attempt of a step, and one for each call of the store within those.

No span outlives its process: what lasts longer is told by several, which have the stored context of the start as their
parent, and a link to the span before (contract: telemetry-2, telemetry-3; decision 0053).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TracerProvider,
    get_current_span,
    set_span_in_context,
)

from redis_mob.telemetry import names
from redis_mob.telemetry.broken import tell_broken
from redis_mob.version import __version__

MOST_SAID = 1024
"""Characters of what a handler says that one attribute holds."""

MOST_KNOWN = 4096
"""How many contexts are remembered."""

_TRACEPARENT = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

Attributes = Mapping[str, str | bool | int | float | Sequence[str]]


class Spans:
    """Makes spans with one tracer."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(names.SCOPE, __version__)

    def start_of_run(self, attributes: Attributes) -> Span:
        """The span of starting a run, within the current one."""
        return self._begun(_of_flow(attributes), None, SpanKind.PRODUCER, attributes)

    def start_of_child(self, attributes: Attributes, *, start: str | None, before: str | None) -> Span:
        """The span of a step that starts a run, in the run whose start has this context."""
        return self._begun(_of_flow(attributes), context_of(start), SpanKind.PRODUCER, attributes, _links(before))

    def attempt(self, step: str, attributes: Attributes, *, start: str | None, before: str | None) -> Span:
        """The span of one attempt of a step, in the run whose start has this context."""
        return self._begun(
            names.ATTEMPT_SPAN.format(step=step), context_of(start), SpanKind.CONSUMER, attributes, _links(before)
        )

    def end_of_run(self, attributes: Attributes, *, start: str | None, has_failed: bool) -> None:
        """Tell the end of the run whose start has this context, as a span without length."""
        name = names.END_SPAN.format(flow=attributes[names.FLOW_ID])
        span = self._begun(name, context_of(start), SpanKind.INTERNAL, attributes)
        if has_failed:
            span.set_status(Status(StatusCode.ERROR))
        end(span)

    def store_call(self, script: str) -> Span | None:
        """The span of a call of the store within the current span; None outside of all, as where a worker looks for
        work: such calls are told by metrics alone."""
        if not get_current_span().is_recording():
            return None
        attributes = {names.DB_SYSTEM_NAME: names.REDIS, names.DB_STORED_PROCEDURE_NAME: script}
        return self._begun(script, None, SpanKind.CLIENT, attributes)

    def client(self, name: str, attributes: Attributes) -> Span:
        """A span within the current one of what a handler asks another service."""
        return self._begun(name, None, SpanKind.CLIENT, attributes)

    def internal(self, name: str, attributes: Attributes, within: Context | None = None) -> Span:
        """A span of what happens in this process, within the current one unless it is said."""
        return self._begun(name, within, SpanKind.INTERNAL, attributes)

    def _begun(
        self,
        name: str,
        within: Context | None,
        kind: SpanKind,
        attributes: Attributes,
        links: Sequence[Link] | None = None,
    ) -> Span:
        """A span; one that tells nothing if a sampler or a processor of the application raises."""
        try:
            return self._tracer.start_span(name, within, kind, attributes, links)
        except Exception as error:  # noqa: BLE001 - of the application
            tell_broken(error)
            return INVALID_SPAN


def end(span: Span) -> None:
    """End a span, also if a processor of the application raises."""
    try:
        span.end()
    except Exception as error:  # noqa: BLE001 - of the application
        tell_broken(error)


def _of_flow(attributes: Attributes) -> str:
    return names.START_SPAN.format(flow=attributes[names.FLOW_ID])


def traceparent_of(span: Span) -> str | None:
    """The context of a span as it is stored: in the form of W3C Trace Context; None if it has none."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    stored = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    _remember(stored, context)
    return stored


_known: dict[str, SpanContext] = {}
"""Contexts that were made or read here: what follows an attempt comes soon, and often to the same worker."""


def _remember(stored: str, context: SpanContext) -> None:
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    _known[stored] = context


def span_context_of(traceparent: str) -> SpanContext | None:
    """The span that a stored context names; None if it cannot be read."""
    # not by the propagator of the API, which takes as long as all else of a link
    if (known := _known.get(traceparent)) is not None:
        return known
    if (parts := _TRACEPARENT.fullmatch(traceparent)) is None:
        return None
    trace, span, flags = (int(part, 16) for part in parts.groups())
    named = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(flags))
    if not named.is_valid:
        return None
    _remember(traceparent, named)
    return named


@lru_cache(maxsize=1024)
def context_of(traceparent: str | None) -> Context:
    """A stored context, in which spans may be made; an empty one if there is none, or it cannot be read."""
    named = None if traceparent is None else span_context_of(traceparent)
    return Context() if named is None else set_span_in_context(NonRecordingSpan(named), Context())


def _links(before: str | None) -> Sequence[Link] | None:
    named = None if before is None else span_context_of(before)
    return None if named is None else [Link(named)]


def fail(span: Span, error_type: str, reason: str | None = None) -> None:
    """Mark a span as failed, with what was said of it, bounded."""
    span.set_attribute(names.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR, None if reason is None else reason[:MOST_SAID]))
