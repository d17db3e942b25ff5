"""Pauses in memory."""

from __future__ import annotations

from collections.abc import Iterable

from redis_mob.codec.arguments import optional_valid_text, valid_text
from redis_mob.codec.executions import encode_execution
from redis_mob.codec.pauses import checked_reason
from redis_mob.contracts import PauseStore
from redis_mob.errors import NotDrivenError, ValidationError, shown
from redis_mob.memory.namespace import Access, Namespace
from redis_mob.memory.run_lookup import existing_run
from redis_mob.memory.schedule import Schedule
from redis_mob.models import MobRun
from redis_mob.models.execution import ExecutionKey, may_stand_aside
from redis_mob.models.pause import Pause, PauseChange
from redis_mob.models.transition import RunView
from redis_mob.notifications.run_messages import run_message


class MemoryPauseStore(PauseStore):
    """The contract's `PauseStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def pause_run(self, run_id: str, reason: str | None = None) -> PauseChange:
        content, said = self._access.content, checked_reason(reason)
        run = _driven(content, run_id)
        if run.status.is_terminal:
            return PauseChange.OVER
        if run.run_id in content.paused_runs:
            return PauseChange.ALREADY
        content.paused_runs[run.run_id] = Pause(
            mob_id=run.mob_id,
            flow_id=run.flow_id,
            run_id=run.run_id,
            since=content.clock.now(),
            reason=said or None,
        )
        content.schedule.set_aside({run.run_id})
        content.run_wake_ups.send(run_message(run.run_id, is_due=False))
        return PauseChange.DONE

    async def resume_run(self, run_id: str) -> PauseChange:
        content = self._access.content
        run = _driven(content, run_id)
        if run.status.is_terminal:
            return PauseChange.OVER
        if content.paused_runs.pop(run.run_id, None) is None:
            return PauseChange.ALREADY
        if (run.mob_id, run.flow_id) not in content.pauses:
            content.schedule.bring_back({run.run_id})
        content.run_wake_ups.send()
        return PauseChange.DONE

    async def pause_flow(self, mob_id: str, flow_id: str | None = None, reason: str | None = None) -> PauseChange:
        content = self._access.content
        mob, flow = valid_text("mob_id", mob_id), optional_valid_text("flow_id", flow_id)
        said = checked_reason(reason)
        if (mob, flow) in content.pauses:
            return PauseChange.ALREADY
        now = content.clock.now()
        content.pauses[mob, flow] = Pause(mob_id=mob, flow_id=flow, since=now, reason=said or None)
        return PauseChange.DONE

    async def resume_flow(self, mob_id: str, flow_id: str | None = None) -> PauseChange:
        content = self._access.content
        mob, flow = valid_text("mob_id", mob_id), optional_valid_text("flow_id", flow_id)
        if content.pauses.pop((mob, flow), None) is None:
            return PauseChange.ALREADY
        if flow is not None:
            content.schedule.bring_back(_runs_of(content, mob, flow) - content.paused_runs.keys())
        content.run_wake_ups.send()
        return PauseChange.DONE

    async def set_aside(self, mob_id: str, flow_id: str, after: str | None = None) -> str | None:
        content = self._access.content
        mob, flow = valid_text("mob_id", mob_id), valid_text("flow_id", flow_id)
        if optional_valid_text("after", after) is not None:  # all of it happens at once
            raise ValidationError(f"after must be what set_aside has returned, not {shown(after)}")
        if (mob, flow) in content.pauses:
            content.schedule.set_aside(_runs_of(content, mob, flow))
        return None

    async def bring_back(self, mob_id: str, flow_id: str) -> bool:
        _ = self._access.content
        for name, value in (("mob_id", mob_id), ("flow_id", flow_id)):
            valid_text(name, value)
        return False  # it has happened with the resuming

    async def pauses(self) -> tuple[Pause, ...]:
        found = self._access.content.pauses.values()
        return tuple(sorted(found, key=lambda pause: (pause.mob_id, pause.flow_id or "", pause.flow_id is not None)))


def put_aside(content: Namespace, view: RunView, keys: Iterable[ExecutionKey]) -> bool:
    """See `ExecutionStore.put_aside`."""
    run = existing_run(content, view.run.run_id)
    if not content.pauses_of(run):
        return False
    stored = content.executions.get(run.run_id, {})
    for key in keys:
        read, now = view.executions.get(key), stored.get(key)
        if read is None or now is None or not may_stand_aside(read, view.now):
            continue
        entry = Schedule.entry(run, key, read, view.launch)
        if encode_execution(read) == encode_execution(now) and not content.schedule.is_held(entry):
            content.schedule.put_back(entry, is_aside=content.is_aside(run))
            if entry.gates:
                content.run_wake_ups.send()  # its limits have room again
    return True


def _driven(content: Namespace, run_id: str) -> MobRun:
    run = existing_run(content, run_id)
    if run.run_id not in content.launches:
        raise NotDrivenError(run.run_id)
    return run


def _runs_of(content: Namespace, mob_id: str, flow_id: str) -> set[str]:
    return {run_id for run_id, run in content.runs.items() if (run.mob_id, run.flow_id) == (mob_id, flow_id)}
