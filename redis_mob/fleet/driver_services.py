"""What the drivers of one worker share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from redis_mob.contracts import ConversationStore, ExecutionStore
from redis_mob.fleet.definitions import Definitions
from redis_mob.fleet.presence import Presence
from redis_mob.fleet.slots import Slots
from redis_mob.fleet.storage_clock import StorageClock
from redis_mob.models.execution import Queue


@dataclass(frozen=True, slots=True)
class Services:
    """What the drivers of one worker share."""

    store: ExecutionStore
    definitions: Definitions
    clock: StorageClock
    slots: Slots
    presence: Presence
    serves: Callable[[Queue], bool]
    random: Random
    conversations: ConversationStore | None = None
