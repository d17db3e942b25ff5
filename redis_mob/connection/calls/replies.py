"""What the reply codes of the scripts mean; lua/lib/replies.lua lists the same codes."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from redis_mob.errors import CasConflictError, InternalError, MobStoreError, NotFoundError, RunAlreadyExistsError


class Reply(IntEnum):
    """The codes that all scripts share."""

    WON = 1
    LOST = 0
    NOT_FOUND = -1
    EXISTS = -2
    CONFLICT = -3
    NO_STEP = -4


def won(reply: Any, run_id: str, namespace: str, detail: str = "") -> bool:
    """True if a script won its compare, False if it lost; every other code becomes the error that it stands for."""
    if reply in (Reply.WON, Reply.LOST):
        return bool(reply)
    raise _error(Reply(reply), run_id, namespace, detail)


def _error(reply: Reply, run_id: str, namespace: str, detail: str) -> MobStoreError:
    match reply:
        case Reply.NOT_FOUND:
            return NotFoundError.of_run(run_id, namespace)
        case Reply.EXISTS:
            return RunAlreadyExistsError(run_id)
        case Reply.CONFLICT:
            return CasConflictError(f"run {run_id}: {detail}")
        case _:
            return InternalError(f"run {run_id}: {detail}")
