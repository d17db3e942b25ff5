"""What the drivers of one worker share, and what they hand to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from redis_mob.contracts import ExecutionStore
from redis_mob.fleet.definitions import Definitions
from redis_mob.fleet.lease import LeasedExecution
from redis_mob.fleet.presence import Presence
from redis_mob.fleet.slots import Slots
from redis_mob.fleet.step_profile import StepProfile
from redis_mob.fleet.storage_clock import StorageClock
from redis_mob.kernel.context import ConditionContext
from redis_mob.models.execution import Queue
from redis_mob.models.flow_spec import Isolation
from redis_mob.models.run import MobRun


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


@dataclass(frozen=True, slots=True)
class Begun:
    """An execution that the worker has claimed and is to execute, and the run as it was when it was claimed."""

    held: LeasedExecution
    run: MobRun
    visible: ConditionContext
    profile: StepProfile
    isolation: Isolation | None
