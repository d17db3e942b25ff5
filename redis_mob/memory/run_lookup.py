"""Finds the run that a caller names."""

from __future__ import annotations

from redis_mob.errors import NotFoundError, ValidationError
from redis_mob.memory.namespace import Namespace
from redis_mob.models import MobRun
from redis_mob.models.base import canonical_run_id


def run_key(run_id: str) -> str:
    """The one spelling of a run's id. Raises ValidationError for what is no id."""
    try:
        return canonical_run_id(run_id)
    except ValueError as error:
        raise ValidationError(f"a run is named by its id: {error}") from None


def existing_run(content: Namespace, run_id: str) -> MobRun:
    """The run of this id. Raises NotFoundError."""
    run = content.runs.get(run_key(run_id))
    if run is None:
        raise NotFoundError.of_run(run_id, content.name)
    return run
