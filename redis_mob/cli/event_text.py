"""Events as people read them: one line each."""

from __future__ import annotations

from redis_mob.cli.console import printable
from redis_mob.cli.run_tree import short
from redis_mob.cli.words import time_text
from redis_mob.models.events import MobEvent, MobEventKind, OperatorActionRecorded
from redis_mob.models.flow_events import (
    FlowCanceled,
    FlowCompleted,
    FlowFailed,
    FlowStarted,
    StepCompleted,
    StepDispatched,
    StepFailed,
    StepSkipped,
    StepTargetCompleted,
    StepTargetFailed,
    SupervisorEscalation,
    TopologyViolation,
)
from redis_mob.past.run_events import run_of

SHORT_ID = 8
"""Characters of the id of a run that a line has: it often is enough to find the run by."""

_NAMES = ("member", "agent_identity", "role", "a", "b", "local", "peer_name")
"""Fields of other kinds of events that say what they are about."""


def event_line(event: MobEvent) -> str:
    """Cursor, time, the beginning of the run's id, and what happened."""
    run_id = run_of(event)
    short_id = "-" * SHORT_ID if run_id is None else run_id[:SHORT_ID]
    return f"{event.cursor:>6}  {time_text(event.timestamp)}  {short_id}  {event_words(event.kind)}"


def event_words(kind: MobEventKind) -> str:
    """What happened, on one line."""
    match kind:
        case FlowStarted():
            words = f"flow {kind.flow_id} began"
        case FlowCompleted():
            words = f"flow {kind.flow_id} completed"
        case FlowFailed():
            words = f"flow {kind.flow_id} failed: {short(kind.reason)}"
        case FlowCanceled():
            words = f"flow {kind.flow_id} canceled"
        case StepDispatched():
            words = f"step {kind.step_id}[{kind.target.identity}] began"
        case StepTargetCompleted():
            words = f"step {kind.step_id}[{kind.target.identity}] completed"
        case StepTargetFailed():
            again = ", to be tried again" if kind.error is not None and not kind.error.terminal else ""
            words = f"step {kind.step_id}[{kind.target.identity}] failed{again}: {short(kind.reason)}"
        case StepCompleted():
            words = f"step {kind.step_id} completed"
        case StepFailed():
            words = f"step {kind.step_id} failed: {short(kind.reason)}"
        case StepSkipped():
            words = f"step {kind.step_id} skipped: {short(kind.reason)}"
        case SupervisorEscalation():
            words = f"step {kind.step_id} escalated to {kind.escalated_to}"
        case TopologyViolation():
            words = f"topology violation: {kind.from_role} to {kind.to_role}"
        case OperatorActionRecorded():
            words = f"operator used {kind.tool_name}"
        case _:
            names = [str(getattr(kind, name)) for name in _NAMES if isinstance(getattr(kind, name, None), str)]
            words = " ".join([kind.type.replace("_", " "), *names])
    return printable(words)
