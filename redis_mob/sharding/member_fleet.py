"""The fleet in one namespace of several: its runs have ids that tell where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.slots import Slots
from redis_mob.fleet.step_context import Handler
from redis_mob.fleet.typed.binding import BoundHandler
from redis_mob.models.definition import MobDefinition
from redis_mob.models.mob_retention import MobRetention
from redis_mob.models.prices import Prices
from redis_mob.sharding.run_ids import random_run_id, run_id_of_key
from redis_mob.storage import MobStorage


@dataclass(frozen=True, slots=True)
class FleetTerms:
    """What a fleet is made of, in every namespace: the arguments of `Fleet`."""

    definition: MobDefinition
    handlers: Mapping[str, Handler | BoundHandler]
    members: Mapping[str, int]
    lease: timedelta
    release: str | None
    retention: MobRetention | None
    prices: Prices | None


class MemberFleet(Fleet):
    """A fleet as any other, in the namespace of a number; with `slots`, its workers share these with others."""

    def __init__(self, storage: MobStorage, terms: FleetTerms, number: int, slots: Slots | None = None) -> None:
        super().__init__(
            storage,
            terms.definition,
            terms.handlers,
            members=terms.members,
            lease=terms.lease,
            release=terms.release,
            retention=terms.retention,
            prices=terms.prices,
        )
        self._number = number
        self._shared_slots = slots

    def _run_id(self, flow_id: str, key: str | None) -> str | None:
        if key is None:
            return random_run_id(self._number)
        return run_id_of_key(self._number, self._definition.id, flow_id, key)
