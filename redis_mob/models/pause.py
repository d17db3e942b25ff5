"""What is paused: a run, a flow or a mob, of which nothing new begins."""

from enum import StrEnum

from pydantic import Field

from redis_mob.models.base import Model, RunId, Timestamp, is_none


class PauseScope(StrEnum):
    """What a pause is about."""

    RUN = "run"
    FLOW = "flow"
    MOB = "mob"


class PauseChange(StrEnum):
    """What came of pausing or resuming: it was DONE, or it was so ALREADY and stays as it was, or the run is OVER."""

    DONE = "done"
    ALREADY = "already"
    OVER = "over"


class Pause(Model):
    """That something is paused, since when by the fleet's clock, and why, if that was said.

    Of a run all of the ids are there, of a flow the first two, of a mob the first one.
    """

    mob_id: str
    flow_id: str | None = Field(default=None, exclude_if=is_none)
    run_id: RunId | None = Field(default=None, exclude_if=is_none)
    since: Timestamp
    reason: str | None = Field(default=None, exclude_if=is_none)

    @property
    def scope(self) -> PauseScope:
        """What it is about."""
        if self.run_id is not None:
            return PauseScope.RUN
        return PauseScope.MOB if self.flow_id is None else PauseScope.FLOW

    def includes(self, mob_id: str, flow_id: str) -> bool:
        """Whether the runs of a flow are paused by it; that of one run is about no flow."""
        return self.run_id is None and self.mob_id == mob_id and self.flow_id in (None, flow_id)
