"""Prints a run as a front end is told of it."""

from __future__ import annotations

from redis_mob.cli.commands.watch import FrontEnd
from redis_mob.cli.existing import existing
from redis_mob.cli.printing import write
from redis_mob.cli.run_argument import run_id_of
from redis_mob.frontends.ag_ui import AgUiEvents
from redis_mob.frontends.ai_sdk import AiSdkChunks
from redis_mob.frontends.feed import Ended, run_feed
from redis_mob.frontends.frames import Adapter, frame_of
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.security.sealing import SealKeyring


async def framed(
    url: str, namespace: str, seal_keys: SealKeyring | None, run: str, after: int | None, protocol: FrontEnd
) -> MobRunStatus | None:
    """Print the server-sent events of a run until it is over: how it has ended.

    None if it waits for answers, or those who read standard output are gone.
    """
    async with existing(url, namespace, seal_keys) as storage:
        run_id = await run_id_of(FleetAdmin(storage), run)
        adapter: Adapter = AgUiEvents(run_id) if protocol is FrontEnd.AG_UI else AiSdkChunks(run_id)
        status: MobRunStatus | None = None
        async with run_feed(storage, run_id, after) as items:
            async for item in items:
                if not write(frame_of(adapter.of(item)).decode()):
                    return None
                if isinstance(item, Ended):
                    status = item.status
        write(adapter.last.decode())
        return status
