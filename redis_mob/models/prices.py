"""What models cost: the table that users give (contract: budget-6)."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from redis_mob.errors import shown
from redis_mob.models.base import Model, SortedDict, is_none
from redis_mob.models.budget import CURRENCY, MOST, MOST_COST, micro

PER = 1_000_000
"""Prices are those of so many tokens."""


def _not_below_zero(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
        raise ValueError(f"a price of {shown(value)} is below zero: give 0 for a model that costs nothing")
    return value


Price = Annotated[float, BeforeValidator(_not_below_zero), Field(ge=0, le=MOST_COST, allow_inf_nan=False)]


class ModelUse(Model):
    """The tokens of one request: `input_tokens` are all that the model was given, cached ones among them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def tokens(self) -> int:
        """All of them, as far as they can be counted."""
        return min(self.input_tokens + self.output_tokens, MOST)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Those of input and output, and those that were read from a cache and written to one."""
        return self.input_tokens, self.output_tokens, self.cache_read_tokens, self.cache_write_tokens


class ModelPrice(Model):
    """What a million tokens of a model cost; tokens read from a cache, or written to it, cost `input` unless given."""

    input: Price
    output: Price
    cache_read: Price | None = Field(default=None, exclude_if=is_none)
    cache_write: Price | None = Field(default=None, exclude_if=is_none)

    def most(self, tokens: int) -> int:
        """What so many tokens may cost, if all are of the dearest sort, in millionths, rounded up."""
        dearest = max(self.input, self.output, self.cache_read or 0, self.cache_write or 0)
        return min(-(-tokens * micro(dearest) // PER), MOST)

    def cost(self, use: ModelUse) -> int:
        """What so many tokens cost, in millionths of the currency, rounded up."""
        given = micro(self.input)
        cached = min(use.cache_read_tokens + use.cache_write_tokens, use.input_tokens)
        total = (
            (use.input_tokens - cached) * given
            + use.cache_read_tokens * (given if self.cache_read is None else micro(self.cache_read))
            + use.cache_write_tokens * (given if self.cache_write is None else micro(self.cache_write))
            + use.output_tokens * micro(self.output)
        )
        return min(-(-total // PER), MOST)


class Prices(Model):
    """Prices of models by name, in one currency."""

    currency: Annotated[str, Field(pattern=rf"^{CURRENCY}$")]
    models: SortedDict[ModelPrice] = SortedDict()
