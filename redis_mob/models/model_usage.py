"""What the calls of all runs of a flow have used, by the models that have answered (contract: budget-11)."""

from typing import NamedTuple

from pydantic import Field

from redis_mob.models.base import U64, Model, is_none

LONGEST_MODEL = 256
"""How many characters the name of a model has at most: what each model has used is counted for good."""


class UsedBy(NamedTuple):
    """Of which flow a call was, which model has answered, None if that is not known, and what it told of its tokens."""

    mob_id: str
    flow_id: str
    model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


class ModelUsageTotal(Model):
    """What the calls of a flow have used of a model since they are counted, also those of runs that are deleted.

    `calls` are those that were settled. `input_tokens` are all that the model was given, those of caches among them.
    `estimated_tokens` are those of calls that did not tell, and are not among the others. `cost` is in `currency`, None
    if it is not known.
    """

    mob_id: str
    flow_id: str
    model: str | None = Field(default=None, exclude_if=is_none)
    currency: str | None = Field(default=None, exclude_if=is_none)
    calls: U64 = 0
    input_tokens: U64 = 0
    output_tokens: U64 = 0
    cache_read_tokens: U64 = 0
    cache_write_tokens: U64 = 0
    estimated_tokens: U64 = 0
    cost: float = 0.0
