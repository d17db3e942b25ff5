"""Small events for tests that do not care what exactly happened."""

from __future__ import annotations

from datetime import datetime

from redis_mob.models import (
    FlowCanceled,
    FlowCompleted,
    FlowFailed,
    ForkJobTerminal,
    MobEvent,
    MobEventKind,
    NewMobEvent,
    StepCompleted,
    StepFailed,
)

RUN = "0191a6a0-0000-4000-8000-000000000001"
OTHER_RUN = "0191a6a0-0000-4000-8000-000000000002"


def new_event(kind: MobEventKind, *, mob: str = "mob", timestamp: datetime | None = None) -> NewMobEvent:
    return NewMobEvent(mob_id=mob, timestamp=timestamp, kind=kind)


def numbered(number: int, *, mob: str = "mob", timestamp: datetime | None = None) -> NewMobEvent:
    """An event that tells itself apart from others by its number."""
    return new_event(StepCompleted(run_id=RUN, step_id=str(number)), mob=mob, timestamp=timestamp)


def number_of(event: MobEvent) -> int:
    assert isinstance(event.kind, StepCompleted)
    return int(event.kind.step_id)


def completed(run_id: str = RUN, flow_id: str = "review", *, mob: str = "mob") -> NewMobEvent:
    return new_event(FlowCompleted(run_id=run_id, flow_id=flow_id), mob=mob)


def failed(run_id: str = RUN, flow_id: str = "review", *, mob: str = "mob") -> NewMobEvent:
    return new_event(FlowFailed(run_id=run_id, flow_id=flow_id, reason="exit 1"), mob=mob)


def canceled(run_id: str = RUN, flow_id: str = "review", *, mob: str = "mob") -> NewMobEvent:
    return new_event(FlowCanceled(run_id=run_id, flow_id=flow_id), mob=mob)


def job_ended(job_id: str = "job", outcome: object = "done", *, child: str = "child", mob: str = "mob") -> NewMobEvent:
    kind = ForkJobTerminal(
        job_id=job_id,
        child=child,
        owner_session_id="0191a6a0-0000-4000-8000-000000000001",
        status="completed",
        outcome=outcome,
        result_digest="sha256:00",
    )
    return new_event(kind, mob=mob)


def step_failed(step_id: str = "build", reason: str = "exit 1", *, run_id: str = RUN, mob: str = "mob") -> NewMobEvent:
    return new_event(StepFailed(run_id=run_id, step_id=step_id, reason=reason), mob=mob)
