"""How the deletion of a run begins."""

from __future__ import annotations

from enum import StrEnum


class DeletionStart(StrEnum):
    """What came of beginning to delete a run.

    It is GONE, by this call or before, and what is left of it can be deleted. Or it is NOT_OVER, or UNTOLD, since its
    parent does not know of its end yet; then nothing has happened. Or a run that had its id before is still being
    deleted: that must be finished first, and then it begins AGAIN.
    """

    GONE = "gone"
    NOT_OVER = "not over"
    UNTOLD = "untold"
    AGAIN = "again"
