"""Comparing models to the last detail of their JSON."""

from __future__ import annotations

import json

from pydantic import BaseModel

from redis_mob.models.base import json_text


def exact(model: BaseModel) -> str:
    """One text for all models that hold the same: 1 is not 1.0, the order of keys does not matter."""
    return json_text(json.loads(model.model_dump_json()), sort_keys=True)
