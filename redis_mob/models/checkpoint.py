"""Checkpoints: what calls within a handler gave, kept so that a later attempt need not make them again."""

from redis_mob.models.base import U32, JsonValue, Model

MOST_CHECKPOINTS = 1_000_000
"""Records that the index of a run may have, checkpoints of all its executions among them."""

LONGEST_NAME = 256
"""Bytes of the name of a checkpoint, in UTF-8."""


class Checkpoint(Model):
    """The result of one call within the handler of an execution (contract: checkpoint-1).

    The calls of one `name` are told apart by their `ordinal`, from 0, in the order in which the handler makes them.
    `arguments` is a digest of what the call was made with.
    """

    name: str
    ordinal: U32
    arguments: str
    value: JsonValue | None = None
