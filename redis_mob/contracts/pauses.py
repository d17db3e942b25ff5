"""What the store promises about pauses: of runs, flows and mobs."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from redis_mob.models.pause import Pause, PauseChange


@runtime_checkable
class PauseStore(Protocol):
    """Pauses runs, flows and mobs: once such a call has returned, no commit begins an execution of them.

    All methods raise as those of `MobRunStore` do (contract: operations-120).
    """

    async def pause_run(self, run_id: str, reason: str | None = None) -> PauseChange:
        """Pause a run. Raises NotFoundError if there is no such run, or no fleet has started it."""
        ...

    async def resume_run(self, run_id: str) -> PauseChange:
        """Resume a run. Raises as `pause_run`."""
        ...

    async def pause_flow(self, mob_id: str, flow_id: str | None = None, reason: str | None = None) -> PauseChange:
        """Pause a flow, or a whole mob without one: its runs, also those that are started after it.

        What a flow has waiting is to be put aside then by `set_aside`; if it is not, workers do it as they come to it.
        """
        ...

    async def resume_flow(self, mob_id: str, flow_id: str | None = None) -> PauseChange:
        """Resume a flow or a whole mob. What a flow had aside comes back by `bring_back`, or by workers."""
        ...

    async def set_aside(self, mob_id: str, flow_id: str, after: str | None = None) -> str | None:
        """Put aside a part of what a paused flow has waiting (contract: operations-122).

        Returns what the next call is to go on `after`, None at the end.
        """
        ...

    async def bring_back(self, mob_id: str, flow_id: str) -> bool:
        """Bring back a part of what a flow that was resumed had waiting; whether more is left."""
        ...

    async def pauses(self) -> tuple[Pause, ...]:
        """The flows and mobs that are paused, by name; a run tells itself whether it is."""
        ...
