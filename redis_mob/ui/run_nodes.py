"""The nodes of a run that is described, each with the frame that it is in. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from redis_mob.kernel.seeds import root_frame_id
from redis_mob.operations.run_description import NodeDescription, RunDescription, StepDescription


def nodes_of(run: RunDescription) -> Iterator[tuple[str, NodeDescription]]:
    """Each node behind the id of its frame, in the order of the tree."""
    yield from _nodes(run.nodes, root_frame_id(run.run_id))


def steps_of(run: RunDescription, step_id: str, frame_id: str | None = None) -> list[tuple[str, StepDescription]]:
    """A step in each frame that it is in, or in one, behind the id of the frame."""
    return [
        (frame, node)
        for frame, node in nodes_of(run)
        if isinstance(node, StepDescription) and node.step_id == step_id and frame_id in (None, frame)
    ]


def _nodes(nodes: tuple[NodeDescription, ...], frame_id: str) -> Iterator[tuple[str, NodeDescription]]:
    for node in nodes:
        yield frame_id, node
        if not isinstance(node, StepDescription):
            for iteration in node.iterations:
                yield from _nodes(iteration.nodes, iteration.frame_id)
