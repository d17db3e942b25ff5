"""What a backup, a restore or a move has done to a namespace; it stands behind its epoch (lua/lib/namespace_state)."""

from __future__ import annotations

from typing import NamedTuple

MOVE = "move:"
"""Begins the id of a move in the state of both its namespaces; that of a restore has no such beginning."""

GIVEN_UP = "-"
"""Stands for the id of a restoring that never ends (lua/backup/give_up_restore)."""


class NamespaceState(NamedTuple):
    """`stands` is backup, changes, restoring or moved, and empty if nothing was done.

    `id` is that of the backup, restore or move, and `more` what stands behind it: of a moved namespace its new place.
    """

    stands: str = ""
    id: str = ""
    more: str = ""

    @property
    def is_of_move(self) -> bool:
        """Whether a move has done it."""
        return self.id.startswith(MOVE)


UNTOUCHED = NamespaceState()


def state_in(epoch: bytes | None) -> NamespaceState:
    """The state that stands in the field `epoch` of `meta`."""
    stands, _, rest = (epoch or b"").partition(b" ")[2].decode(errors="replace").partition(" ")
    id, _, more = rest.partition(" ")
    return NamespaceState(stands, id, more)
