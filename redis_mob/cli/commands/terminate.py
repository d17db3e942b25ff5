"""The options of `redis-mob terminate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption

if TYPE_CHECKING:
    from redis_mob.operations.fleet_admin import FleetAdmin


def terminate(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Their ids, or what these begin with.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each run.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """End runs at once, without waiting for handlers.

    They are canceled, and no result counts that comes after it.
    Exit status: 0 all are canceled, 1 one was over already or the answer was no, 2 usage error or an unknown run,
    3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.display import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.steering import confirmed, steer

    async def act(admin: FleetAdmin, run_id: str) -> str | None:
        return "canceled" if await admin.terminate(run_id) else None

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has a run there")
        keys = read_seal_keys(seal_keys)
        confirmed(f"End {len(runs)} run{'s' * (len(runs) > 1)} at once?", yes=yes)
        status = asyncio.run(steer(address, namespace, keys, runs, act, json=as_json))
    raise typer.Exit(status)
