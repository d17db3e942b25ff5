"""Debounce keys and times: checked, and as the stores have them."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from redis_mob.codec.arguments import duration, instance, valid_text
from redis_mob.errors import ValidationError, shown
from redis_mob.models.authority import RunFlow
from redis_mob.models.debounce import SHORTEST_DEBOUNCE, Debounce
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus

_LEDGERS = slice(1, 8)
"""The parts of a run, as `encode_run` gives them, that only a run has which has begun, or takes something over."""


def checked_debounce(debounce: object) -> Debounce:
    """The same, if a run can be started by it. Raises ValidationError."""
    key, after, most = instance("debounce", debounce, Debounce)
    valid_text("debounce_key", key)
    if duration("debounce", after) < SHORTEST_DEBOUNCE:
        raise ValidationError(f"debounce must be at least a millisecond, not {shown(after)}")
    if most is not None and duration("debounce_most", most) < after:
        raise ValidationError(
            f"debounce_most, {shown(most)}, must not be shorter than debounce, {shown(after)}: the first start alone "
            "already waits that long"
        )
    return Debounce(key, after, most)


def debounce_digest(run: MobRun, key: str) -> str:
    """What stands for mob, flow and key among the entries. JSON keeps them apart: no two lists have the same text."""
    return blake2b(json.dumps([run.mob_id, run.flow_id, key]).encode(), digest_size=16).hexdigest()


def require_not_begun(run: MobRun, parts: list[Any]) -> None:
    """Raises ValidationError for a run that cannot take the place of one which has not begun."""
    seeds_only = all(isinstance(one, RunFlow) for one in run.flow_authority_inputs)
    if run.status is not MobRunStatus.PENDING or any(parts[_LEDGERS]) or not seeds_only:
        raise ValidationError(f"run must be one that has not begun, and takes nothing over, not {run.run_id}")


def named(run: MobRun, run_id: str) -> MobRun:
    """A run that has not begun under another id, which its first input says too."""
    inputs = tuple(
        one.model_copy(update={"payload": one.payload.model_copy(update={"run_id": run_id})})
        for one in run.flow_authority_inputs
        if isinstance(one, RunFlow)
    )
    return run.model_copy(update={"run_id": run_id, "flow_authority_inputs": inputs})


def whole_milliseconds(time: timedelta) -> int:
    """A time as the scripts take it."""
    return time // timedelta(milliseconds=1)
