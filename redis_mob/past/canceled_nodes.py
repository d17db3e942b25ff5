"""Which nodes of a run that was canceled are told as canceled, and which as skipped. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from redis_mob.models.flow import NodeStatus
from redis_mob.models.flow_spec import FrameStepSpec
from redis_mob.models.transition import NodeKey
from redis_mob.past.frame_replay import Frame

_RANK = {NodeStatus.SKIPPED: 1, NodeStatus.CANCELED: 2, NodeStatus.COMPLETED: 3, NodeStatus.FAILED: 4}
"""Which end of a node counts for its step, of several."""


def told_as_skipped(frames: Mapping[str, Frame], untold: Counter[str]) -> set[NodeKey]:
    """The nodes that are skipped by what the log tells: the steps that it does not tell had not come to that."""
    left, told = untold.copy(), set[NodeKey]()
    for key, status in reversed(list(_statuses(frames))):
        if status is NodeStatus.SKIPPED:
            step_id = next(frames[key[0]].plan.steps_of(key[1]), "")
            if left[step_id] > 0:
                left[step_id] -= 1
            else:
                told.add(key)
    return told


def skipped_by_cancel(frames: Mapping[str, Frame], before: set[NodeKey]) -> list[NodeKey]:
    """The nodes that are skipped of steps that no other node decides, as the run is canceled (contract: kernel-39).

    `before` are those that were skipped earlier.
    """
    best: Counter[str] = Counter()
    skipped: list[tuple[NodeKey, str]] = []
    for key, status in _statuses(frames):
        plan = frames[key[0]].plan
        is_step = isinstance(plan.nodes[key[1]], FrameStepSpec)
        counts = status is not NodeStatus.SKIPPED or key in before
        for step_id in plan.steps_of(key[1], deep=True) if is_step or status is NodeStatus.SKIPPED else ():
            if is_step and status is NodeStatus.SKIPPED:
                skipped.append((key, step_id))
            if counts:
                best[step_id] = max(best[step_id], _RANK[status])
    return [key for key, step_id in skipped if best[step_id] in (0, _RANK[NodeStatus.CANCELED])]


def _statuses(frames: Mapping[str, Frame]) -> Iterator[tuple[NodeKey, NodeStatus]]:
    for frame_id, frame in frames.items():
        for node_id, status in frame.status.items():
            yield (frame_id, node_id), status
