"""What a request to a model may use, before that is known (contract: budget-8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
