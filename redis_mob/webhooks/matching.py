"""Which events a webhook is told."""

from __future__ import annotations

from redis_mob.contracts import MobRunStore
from redis_mob.models.events import MobEvent, flow_of_kind
from redis_mob.models.webhook import Webhook

MOST_KNOWN = 10_000
"""Runs whose flows are remembered."""


def lane_of(event: MobEvent) -> str:
    """What is told in order: the events of a run, or those of a mob that are about no run."""
    return event.run_id or f"mob {event.mob_id}"


class Matcher:
    """Tells which events a webhook is told. An event does not say itself of which flow its run is."""

    def __init__(self, webhook: Webhook, runs: MobRunStore) -> None:
        self._webhook = webhook
        self._runs = runs
        self._flows: dict[str, str | None] = {}

    async def lets_pass(self, event: MobEvent) -> bool:
        """Whether it is told; of a run that is gone it is not known whether it was of the flow."""
        wanted = self._webhook
        if wanted.mob_id not in (None, event.mob_id):
            return False
        if wanted.kinds is not None and event.kind.type not in wanted.kinds:
            return False
        return wanted.flow_id is None or await self._flow_of(event) == wanted.flow_id

    async def _flow_of(self, event: MobEvent) -> str | None:
        flow_id, run_id = flow_of_kind(event.kind), event.run_id
        if run_id is None:
            return flow_id
        if run_id not in self._flows:
            if flow_id is None:
                run = await self._runs.get_run(run_id)
                flow_id = None if run is None else run.flow_id
            if len(self._flows) >= MOST_KNOWN:
                del self._flows[next(iter(self._flows))]
            self._flows[run_id] = flow_id
        return self._flows[run_id]
