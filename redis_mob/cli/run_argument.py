"""Reads the argument that names a run."""

from __future__ import annotations

from redis_mob.models.base import canonical_run_id
from redis_mob.operations.fleet_admin import FleetAdmin


async def run_id_of(admin: FleetAdmin, text: str) -> str:
    """The id of the run that a text names: its id, or what that begins with, in at least four digits.

    What has the form of an id is not looked up. Raises NotFoundError if no id begins like the text, and ValidationError
    if that is no beginning of one, or of several.
    """
    try:
        return canonical_run_id(text)
    except ValueError:
        return await admin.find(text)
