"""What is wrong with an input, in one line and without the input itself."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from redis_mob.errors import shortened

_MOST_TOLD = 5
"""Problems of one input that a message tells; the others are counted."""


def problems(error: ValidationError) -> str:
    """`field.path: what is wrong`, joined by semicolons; never shows the rejected values, which may be secret."""
    all = error.errors(include_url=False, include_input=False)
    more = [f"and {len(all) - _MOST_TOLD} more"] if len(all) > _MOST_TOLD else []
    return "; ".join([*map(_one, all[:_MOST_TOLD]), *more])


def without_tag(problem: ErrorDetails) -> str:
    """What is wrong, without the one value that pydantic repeats: that which should tell the members of a union."""
    if problem["type"] != "union_tag_invalid" or "ctx" not in problem:
        return problem["msg"]
    told = problem["ctx"]
    return f"{told['discriminator'].strip(chr(39))} must be one of {told['expected_tags']}"


def _one(problem: ErrorDetails) -> str:
    path = shortened(".".join(map(str, problem["loc"])))  # a key of the input may be part of it
    what = shortened(without_tag(problem).removeprefix("Value error, "))
    return f"{path}: {what}" if path else what
