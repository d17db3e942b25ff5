"""The worker that orders ask for, in the process of `redis-mob run` and in that of `redis-mob worker`."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from datetime import timedelta

from redis_mob.cli.worker_link import WorkerOrders
from redis_mob.fleet.duties import duties_of
from redis_mob.fleet.handler_stores import handler_stores
from redis_mob.fleet.step_context import Handler
from redis_mob.fleet.worker import Worker
from redis_mob.models.mob_retention import MobRetention
from redis_mob.security.sealing import SealKeyring
from redis_mob.storage import MobStorage, OpeningStorage


def storage_of(orders: WorkerOrders) -> OpeningStorage:
    """The storage that the worker serves, to be opened."""
    seal_keys = None if orders.seal_keys is None else SealKeyring.from_text(orders.seal_keys)
    return MobStorage.open(orders.url, namespace=orders.namespace, seal_key=seal_keys, durability=orders.durability)


def worker_of(orders: WorkerOrders, storage: MobStorage, handlers: Mapping[str, Handler]) -> Worker:
    """The worker; it executes the roles that these handlers are for. Raises as `Worker`."""
    return Worker(
        storage.executions,
        handlers,
        lease=timedelta(seconds=orders.lease),
        concurrency=orders.concurrency,
        mobs=(orders.mob,),
        release=orders.release,
        definitions=orders.definitions,
        max_orphaned_turns=orders.max_orphaned_turns,
        duties=duties_of(storage, MobRetention.model_validate_json(orders.retention).of_mob(orders.mob)),
        **handler_stores(storage),
    )


PYTHONS_OWN = gc.get_threshold()

LOOKS_FOR_GARBAGE = (5_000, 5, 2)
"""How many new objects, and how many looks through younger ones, the garbage collector of a worker waits for.

It takes two thirds of the time that it takes by Python's own numbers, and the process becomes no larger
(decision 0055).
"""


def look_less_for_garbage() -> None:
    """Take all that there is by now out of the sight of the garbage collector: modules, models, handlers.

    They stay as long as the process, and each look through them takes the event loop of a worker a tenth of a second.
    It looks less often, too, unless the handlers that were loaded have set how often it does.
    """
    gc.freeze()
    if gc.get_threshold() == PYTHONS_OWN:
        gc.set_threshold(*LOOKS_FOR_GARBAGE)
