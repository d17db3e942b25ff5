"""Reads the argument that names a run."""

from __future__ import annotations

from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.run_events import checked_run_id


async def run_id_of(admin: FleetAdmin, text: str) -> str:
    """The id of the run that a text names. Raises ValidationError for a text that names none."""
    del admin  # prefixes will be looked up
    return checked_run_id(text)
