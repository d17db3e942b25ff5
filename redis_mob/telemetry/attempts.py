"""What telemetry tells of one attempt of a step: its span, its metrics, and the ids in the log."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import Token
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

from redis_mob.telemetry import active, log_context, names
from redis_mob.telemetry.store_calls import MOST_OF_ERROR_TYPE

if TYPE_CHECKING:
    from opentelemetry.trace import Span

COMPLETED = "completed"
LEASE_LOST = "lease_lost"
HANDED_BACK = "handed_back"


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt, from its claim on. `waited` is for how many seconds it could have begun; None if that says nothing,
    as of one that was taken over."""

    ids: log_context.LogIds
    labels: dict[str, str]
    span: Span | None
    waited: float | None
    is_limited: bool
    is_over: bool = field(default=False, init=False)
    _began: float = field(default=0.0, init=False)
    _in_context: Any = field(default=None, init=False)
    _in_log: Token[log_context.LogIds | None] | None = field(default=None, init=False)

    @property
    def traceparent(self) -> str | None:
        """The context of its span, as it is stored; None without one."""
        if self.span is None:
            return None
        from redis_mob.telemetry.spans import traceparent_of

        return traceparent_of(self.span)

    def begin(self) -> None:
        """Its handler is about to be called: in the current context, which becomes that of the handler."""
        self._began = perf_counter()
        self._in_log = log_context.current.set(self.ids)
        if (instruments := active.instruments) is not None:
            if self.waited is None:
                instruments.count(names.STEP_REDELIVERED, self.labels)
            else:
                instruments.record(names.STEP_SCHEDULE_TO_START, self.waited, self.labels)
                if self.is_limited:
                    instruments.record(names.LIMIT_WAIT, self.waited, self.labels)
        if self.span is not None:
            from opentelemetry.context import attach
            from opentelemetry.trace import set_span_in_context

            self._in_context = attach(set_span_in_context(self.span))

    def end(self, status: str, error_type: str | None = None, reason: str | None = None) -> None:
        """Its handler has ended: as completed, failed, suspended or throttled; or it was taken away."""
        self.is_over = True
        if error_type is not None:
            error_type = error_type[:MOST_OF_ERROR_TYPE]
        if (instruments := active.instruments) is not None:
            labels = {**self.labels, names.STATUS: status}
            if error_type is not None:
                labels[names.ERROR_TYPE] = error_type
            instruments.record(names.STEP_DURATION, perf_counter() - self._began, labels)
        if error_type == LEASE_LOST:
            self.refused()
        if self.span is not None:
            from opentelemetry.context import detach

            from redis_mob.telemetry.spans import end, fail

            if status != COMPLETED:
                self.span.set_attribute(names.OUTCOME, status)
            if error_type is not None:
                fail(self.span, error_type, reason)
            end(self.span)
            detach(self._in_context)
        if self._in_log is not None:
            log_context.current.reset(self._in_log)

    def refused(self) -> None:
        """It is not its worker's any more: that was known before it ended, or else its outcome was refused."""
        if (instruments := active.instruments) is not None:
            instruments.count(names.LEASE_LOST, self.labels)


@contextmanager
def outside_of_spans() -> Generator[None]:
    """A block in which no span is current: what a worker does belongs to its runs, and not to what has started it."""
    if active.spans is None:
        yield
        return
    from opentelemetry.context import Context, attach, detach

    before = attach(Context())
    try:
        yield
    finally:
        detach(before)


def attempt_of(
    ids: log_context.LogIds,
    labels: dict[str, str],
    attributes: Mapping[str, str | bool | int],
    *,
    start: str | None,
    before: str | None,
    waited: float | None,
    is_limited: bool,
) -> Attempt:
    """An attempt that is about to be claimed, in the run whose start has this context, after the span `before`."""
    spans = active.spans
    span = None if spans is None else spans.attempt(ids.step_id, attributes, start=start, before=before)
    return Attempt(ids, labels, span, waited, is_limited)
