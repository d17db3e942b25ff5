"""What a request to a model may use, before that is known (contract: budget-8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis_mob.fleet.spending import Spend
from redis_mob.models.budget import MOST

BYTES_OF_A_TOKEN = 3
"""Texts have four bytes a token or so: a guess that is too high lets a call wait, one that is too low lets it go on."""

OUTPUT_TOKENS = 1_000
"""How many tokens an answer is taken for whose length is not bounded."""

BOUNDS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
"""Settings of a request that bound the tokens of its answer."""


def estimated_tokens(request: bytes, settings: Mapping[str, Any]) -> int:
    """About how many tokens a request and its answer have, at most."""
    bounds = (settings.get(name) for name in BOUNDS)
    output = next((most for most in bounds if isinstance(most, int) and most > 0), OUTPUT_TOKENS)
    return len(request) // BYTES_OF_A_TOKEN + 1 + output


def tell_use(
    call: Spend, input_tokens: Any, output_tokens: Any, *, read: Any = 0, written: Any = 0, model: str | None = None
) -> None:
    """Tell what a request has used, as its provider has reported it: `read` and `written` of the input from a cache.

    What is no report, since one of the two is missing or a number makes no sense, is not told: then what was put aside
    counts, marked as estimated. The answer is paid, and is not to be lost for that.
    """
    if count_of(input_tokens) and count_of(output_tokens):  # none comes of no tokens
        call.used(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=count_of(read),
            cache_write_tokens=count_of(written),
            model=model,
        )


def count_of(reported: Any) -> int:
    """A number of tokens as a provider has reported it; 0 for what is none."""
    is_number = isinstance(reported, int) and not isinstance(reported, bool)
    return reported if is_number and 0 <= reported <= MOST else 0
