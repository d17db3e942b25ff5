"""The outcome of an execution, and how the value of a handler is accepted (contract: engine-21)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic_core import to_json

from redis_mob.codec.executions import MILLISECOND
from redis_mob.errors import shown
from redis_mob.fleet.said import bounded
from redis_mob.fleet.schemas import check_schema
from redis_mob.models.base import MAX_VALUE_DEPTH, check_json
from redis_mob.models.execution import ReportedFailure, RunLaunch

MAX_OUTPUT_DEPTH = MAX_VALUE_DEPTH - 4
"""How deep an output may be nested: the flow's own output wraps it in four levels (all steps, step, list, target)."""

MAX_OUTPUT_BYTES = 1024 * 1024
"""How long an output may be as JSON, unless the limits of the definition say otherwise (contract: engine-41)."""

MOST_ASKS = 1_000
"""How many asks of one execution may be pending (contract: ask-8)."""

EXCERPT = 200
"""Characters of an unreadable answer that its failure shows."""

_FENCED = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned this value, any JSON."""

    output: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The execution failed. `error_class` names the exception, `detail` is any JSON value that the handler added.

    The next attempt comes after `retry_after`, at the earliest.
    """

    reason: str
    retryable: bool = True
    error_class: str | None = None
    detail: Any = None
    traceback: str | None = None
    retry_after: timedelta | None = None

    @classmethod
    def of(cls, failure: ReportedFailure) -> Failed:
        """The outcome as it was before it was stored."""
        return cls(
            failure.reason,
            failure.retryable,
            failure.error_class,
            failure.detail,
            failure.traceback,
            None if failure.retry_after_ms is None else failure.retry_after_ms * MILLISECOND,
        )

    def reported(self) -> ReportedFailure:
        """The outcome as it is stored until it is decided on."""
        return ReportedFailure(
            reason=self.reason,
            retryable=self.retryable,
            error_class=self.error_class,
            detail=self.detail,
            traceback=self.traceback,
            retry_after_ms=None if self.retry_after is None else -(-self.retry_after // MILLISECOND),
        )


@dataclass(frozen=True, slots=True)
class NewAsk:
    """An ask as a handler makes it (see `Ask`). `timeout_ms` is how long it waits for an answer, None for ever."""

    kind: str
    ordinal: int
    digest: str
    payload: Any
    value_schema: Any = None
    timeout_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Suspended:
    """The handler waits for answers to all of these, and is to run again when there is one.

    Without asks it is to run again as soon as its run, which a budget has paused, goes on.
    """

    asks: tuple[NewAsk, ...]


@dataclass(frozen=True, slots=True)
class Throttled:
    """The service that the handler calls asks to be left alone for so long, None if it did not say."""

    reason: str
    retry_after: timedelta | None = None


Outcome = Succeeded | Failed | Suspended | Throttled


def accepted(outcome: Outcome, step_id: str, launch: RunLaunch) -> Outcome:
    """The outcome with its value in the form that the step asks for: text parsed as JSON if it must be, schema checked.

    A value that is no JSON, cannot be parsed or does not fit makes a failed attempt that says why.
    """
    if isinstance(outcome, Suspended):
        problem = _unasked(outcome, launch)
        return outcome if problem is None else Failed(bounded(problem), retryable=False)
    if isinstance(outcome, Failed | Throttled):
        return outcome
    try:
        value = check_json(outcome.output, MAX_OUTPUT_DEPTH)
    except ValueError as error:
        # a mistake of the program, which it would make again
        return refused(step_id, error, retryable=False)
    try:
        if isinstance(value, str) and step_id in launch.parsed_steps:
            value = check_json(parsed_json(value), MAX_OUTPUT_DEPTH)
        if step_id in launch.schemas:
            check_schema(value, launch.schemas[step_id])
    except ValueError as error:
        # The same member may well answer in the right form next time.
        return refused(step_id, error, retryable=True)
    try:
        _check_size(value, launch)
    except ValueError as error:
        return refused(step_id, error, retryable=False)
    return Succeeded(value)


def _unasked(suspended: Suspended, launch: RunLaunch) -> str | None:
    """Why a handler cannot wait for what it asks; None if it can."""
    if len(suspended.asks) > MOST_ASKS:
        return f"it asks {len(suspended.asks):,} things at once, and may ask {MOST_ASKS:,}"
    for ask in suspended.asks:
        if (problem := too_long([ask.payload, ask.value_schema], most_bytes(launch), "ask with")) is not None:
            return f"the payload of the ask {shown(ask.kind)} is {problem}"
    return None


def _check_size(value: Any, launch: RunLaunch) -> None:
    if not isinstance(value, str | list | dict):
        return
    if (problem := too_long(value, most_bytes(launch), "return")) is not None:
        raise ValueError(f"it is {problem}")


def most_bytes(launch: RunLaunch) -> int:
    """How long an output, a payload or a published value of a run may be, as JSON."""
    return MAX_OUTPUT_BYTES if launch.max_output_bytes is None else launch.max_output_bytes


def too_long(value: Any, most: int, verb: str) -> str | None:
    """What to say of a value that has more bytes of JSON, None if it has not; `verb` is what is done with it."""
    length = len(to_json(value))
    if length <= most:
        return None
    return (
        f"{length:,} bytes of JSON, more than the {most:,} that limits.max_output_bytes allows; keep what is large "
        f"elsewhere, and {verb} where it is"
    )


def refused(step_id: str, error: ValueError, *, retryable: bool) -> Failed:
    """The failed attempt whose value cannot be the output of its step."""
    return Failed(bounded(f"the output of step {shown(step_id)} is refused: {error}"), retryable)


def parsed_json(text: str) -> Any:
    """The whole text as JSON, or else its first fenced block. Raises ValueError if it holds neither."""
    # Language models like to wrap JSON in prose and a fence. The whole text comes first: a fence may be inside of JSON.
    fenced = _FENCED.search(text)
    for candidate in (text, fenced[1] if fenced else None):
        if candidate is not None:
            try:
                return json.loads(candidate)
            except (ValueError, RecursionError):
                continue
    raise ValueError(f"it is no JSON: {text[:EXCERPT]!r}")
