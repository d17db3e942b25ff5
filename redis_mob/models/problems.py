"""What is wrong with an input, in one line and without the input itself."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails


def problems(error: ValidationError) -> str:
    """`field.path: what is wrong`, joined by semicolons; never shows the rejected values, which may be secret."""
    return "; ".join(map(_one, error.errors(include_url=False, include_context=False, include_input=False)))


def _one(problem: ErrorDetails) -> str:
    path = ".".join(map(str, problem["loc"]))
    what = problem["msg"].removeprefix("Value error, ")
    return f"{path}: {what}" if path else what
