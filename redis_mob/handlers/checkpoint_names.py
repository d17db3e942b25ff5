"""Under which names the handlers of agents keep what models and tools have given."""

from __future__ import annotations

from hashlib import blake2b

from redis_mob.models.checkpoint import LONGEST_NAME

MODEL_REQUEST = "model_request"
"""The name of the checkpoints of requests to the model, or what it begins with."""


def tool_call_name(tool: str, call_id: str) -> str:
    """The name of the checkpoint of a call, by the id that the model gave it: calls of one turn run in any order."""
    name = f"tool {tool} {call_id}"
    if len(name.encode()) <= LONGEST_NAME:
        return name
    return f"tool {blake2b(name.encode(), digest_size=16).hexdigest()}"
