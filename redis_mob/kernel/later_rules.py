"""Rules for what later releases of meerkat say in definitions, and fleets cannot do (contract: definition-25)."""

from __future__ import annotations

from collections.abc import Iterator

from redis_mob.kernel.diagnostics import Diagnostic
from redis_mob.models.base import U64_MAX
from redis_mob.models.definition import SupervisorSpec
from redis_mob.models.flow_spec import FailurePolicy, FlowSpec, FrameSpec, RepeatUntilSpec


def validate_supervisor_time(supervisor: SupervisorSpec | None) -> Iterator[Diagnostic]:
    """A finding about a time that is none."""
    given = None if supervisor is None else supervisor.meerkat_timeout_ms
    if given is not None and not (type(given) is int and 0 <= given <= U64_MAX):
        yield _unsupported("it is no number of milliseconds", "supervisor.escalation_turn_timeout_ms")


def validate_failure_policies(location: str, flow: FlowSpec) -> Iterator[Diagnostic]:
    """Findings about steps and nodes whose failure is to mean nothing."""
    for step_id, step in flow.steps.items():
        yield from _policy(step.failure_policy, f"{location}.steps.{step_id}")
    if flow.root is not None:
        yield from _frame(flow.root, f"{location}.root")


def _frame(frame: FrameSpec, location: str) -> Iterator[Diagnostic]:
    for node_id, node in frame.nodes.items():
        here = f"{location}.nodes.{node_id}"
        yield from _policy(node.failure_policy, here)
        if isinstance(node, RepeatUntilSpec):
            yield from _frame(node.body, f"{here}.body")


def _policy(policy: FailurePolicy | None, location: str) -> Iterator[Diagnostic]:
    if policy is FailurePolicy.CONTINUE:
        yield _unsupported(
            "a fleet cannot go on after the failure of a node; leave it out, or catch the failure in the handler",
            f"{location}.failure_policy",
        )


def _unsupported(message: str, location: str) -> Diagnostic:
    return Diagnostic("unsupported", message, location)
