"""What is paused, and what goes on."""

from __future__ import annotations

from redis_mob.codec.arguments import text
from redis_mob.models.pause import Pause, PauseChange
from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.pausing import pause_flow, pause_run, resume_flow, resume_run


class PauseAdmin(AdminBase):
    """Pauses runs, flows and mobs, and lets them go on."""

    async def pause(self, run_id: str, reason: str | None = None) -> PauseChange:
        """Let nothing new begin in a run until it is resumed; what is under way ends (contract: operations-120).

        Once this has returned, no execution begins of the run, or of runs of its steps. It can be cancelled, deleted
        and sent signals, and its deadlines do not wait (contract: operations-125). Raises NotFoundError if there is no
        such run, or no fleet has started it.
        """
        return await pause_run(self._storage, text("run_id", run_id), reason)

    async def resume(self, run_id: str) -> PauseChange:
        """Let a run go on that was paused by itself, and those of its steps. Raises as `pause`."""
        return await resume_run(self._storage, text("run_id", run_id))

    async def pause_flow(self, mob_id: str, flow_id: str, reason: str | None = None) -> bool:
        """Pause all runs of a flow, also those that are started after it; False if it was paused before.

        If this was interrupted, calling it again goes on (contract: operations-122).
        """
        return await pause_flow(self._storage, mob_id, text("flow_id", flow_id), reason)

    async def resume_flow(self, mob_id: str, flow_id: str) -> bool:
        """Let a flow go on, but for runs of it that are paused by themselves; False if it was not paused."""
        return await resume_flow(self._storage, mob_id, text("flow_id", flow_id))

    async def pause_mob(self, mob_id: str, reason: str | None = None) -> bool:
        """Pause all runs of a mob, also those that are started after it; False if it was paused before."""
        return await pause_flow(self._storage, mob_id, None, reason)

    async def resume_mob(self, mob_id: str) -> bool:
        """Let a mob go on, but for what of it is paused by itself; False if it was not paused."""
        return await resume_flow(self._storage, mob_id, None)

    async def pauses(self) -> tuple[Pause, ...]:
        """The flows and mobs that are paused, by name. A run tells by itself whether it is."""
        return await self._storage.pauses.pauses()
