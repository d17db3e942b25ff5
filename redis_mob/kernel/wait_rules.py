"""Rules for steps that wait for a signal (contract: definition-22)."""

from __future__ import annotations

from collections.abc import Iterator

from redis_mob.errors import shown
from redis_mob.kernel.diagnostics import Diagnostic
from redis_mob.models.flow_spec import FlowSpec, FlowStepSpec
from redis_mob.models.subflow import RESERVED

MOST_BYTES_OF_NAME = 256
"""How long the name of a signal may be, in UTF-8."""

_OF_MEMBERS = (
    "dispatch_mode",
    "collection_policy",
    "timeout_ms",
    "expected_schema_ref",
    "allowed_tools",
    "blocked_tools",
    "output_format",
    "retry",
    "isolation",
    "for_each",
    "max_parallel",
    "concurrency",
    "rate",
)
"""What a step says of its members, of which one that waits has none."""


def validate_waits(flow: FlowSpec, location: str) -> Iterator[Diagnostic]:
    """Findings about the steps of a flow that wait for a signal."""
    schemas: dict[str, tuple[str, str | None]] = {}
    for step_id, wait in flow.waits.items():
        here = f"{location}.{step_id}"
        yield from _no_members(flow.steps[step_id], here)
        length = len(wait.signal.encode(errors="replace"))
        if not 0 < length <= MOST_BYTES_OF_NAME:
            yield _invalid(
                f"a signal needs a name of 1 to {MOST_BYTES_OF_NAME} bytes, not {shown(wait.signal)}",
                f"{here}.wait_for.signal",
            )
        if wait.signal.startswith(RESERVED):
            yield _invalid(
                f"the name {shown(wait.signal)} is reserved: signals that begin with {RESERVED!r} are the engine's",
                f"{here}.wait_for.signal",
            )
        if wait.timeout_ms == 0:
            yield _invalid(
                "a step that waits for 0 ms waits for nothing; give at least 1", f"{here}.wait_for.timeout_ms"
            )
        # Which of the steps will take a signal is not known when it is sent, and then its payload is checked.
        first, schema = schemas.setdefault(wait.signal, (step_id, wait.schema_ref))
        if schema != wait.schema_ref:
            yield _invalid(
                f"the steps {shown(first)} and {shown(step_id)} wait for signal {shown(wait.signal)} with different "
                "schemas; any of them may take it: give both the same, or use two names",
                f"{here}.wait_for.schema",
            )


def _no_members(step: FlowStepSpec, location: str) -> Iterator[Diagnostic]:
    if step.role:
        yield _invalid(
            f"the step waits for a signal, so that no member of {shown(step.role)} is asked; leave the role out",
            f"{location}.role",
        )
    fields = FlowStepSpec.model_fields
    given = [name for name in _OF_MEMBERS if getattr(step, name) != fields[name].default]
    if given:
        yield _invalid(
            f"the step waits for a signal and has no members: {', '.join(given)} would mean nothing", location
        )


def _invalid(message: str, location: str) -> Diagnostic:
    return Diagnostic("wait_invalid", message, location)
