"""Reads the argument that names a run."""

from __future__ import annotations

from redis_mob.errors import NotFoundError, did_you_mean
from redis_mob.models.base import canonical_run_id
from redis_mob.operations.admin.run_lists import RunLists

_COMPARED = 200
"""With how many of the newest runs a text is compared that names none."""


async def run_id_of(runs: RunLists, text: str) -> str:
    """The id of the run that a text names: its id, or what that begins with, in at least four digits.

    What has the form of an id is not looked up. Raises NotFoundError, with the nearest of the newest runs, if no id
    begins like the text, and ValidationError if that is no beginning of one, or of several.
    """
    try:
        return canonical_run_id(text)
    except ValueError:
        pass
    try:
        return await runs.find(text)
    except NotFoundError as error:
        newest = await runs.runs(limit=_COMPARED)
        near = did_you_mean(text, [run.run_id[: len(text)] for run in newest.runs]) or ";"
        raise NotFoundError(f"{error}{near} `redis-mob ls` lists the runs") from None
