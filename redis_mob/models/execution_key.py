"""Which execution of a run is meant."""

from __future__ import annotations

from typing import NamedTuple


class ExecutionKey(NamedTuple):
    """Which execution: the node of a frame, and the member that executes it."""

    frame_id: str
    node_id: str
    target: str

    @property
    def node(self) -> tuple[str, str]:
        """The node that it belongs to: frame id and node id."""
        return self.frame_id, self.node_id
