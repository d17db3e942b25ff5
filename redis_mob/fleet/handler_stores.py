"""What a worker needs of a storage for its handlers to have all that a `StepContext` offers."""

from __future__ import annotations

from typing import TypedDict

from redis_mob.contracts import CheckpointStore, ConversationStore, ProgressStore
from redis_mob.fleet.spend_keeper import SpendServices
from redis_mob.storage import MobStorage


class HandlerStores(TypedDict):
    """The stores behind `ctx.report`, `ctx.once`, `ctx.conversation` and `ctx.spend`, by their names in `Worker`."""

    progress: ProgressStore
    checkpoints: CheckpointStore
    conversations: ConversationStore
    spending: SpendServices


def handler_stores(storage: MobStorage) -> HandlerStores:
    """The stores of a storage that a worker takes for its handlers. Each worker of a storage takes all of them."""
    return HandlerStores(
        progress=storage.progress,
        checkpoints=storage.checkpoints,
        conversations=storage.conversations,
        spending=SpendServices(storage.executions, storage.budgets, storage.pauses),
    )
