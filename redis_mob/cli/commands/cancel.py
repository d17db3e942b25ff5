"""The options of `redis-mob cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption

if TYPE_CHECKING:
    from redis_mob.operations.fleet_admin import FleetAdmin


def cancel(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Their ids, or what these begin with.")],
    wait: Annotated[bool, typer.Option("--wait", help="Return when the runs are over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each run.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Cancel runs; their handlers may clean up.

    Nothing new begins, and handlers under way are cancelled. A worker carries it out; where none is alive, this command
    does. Exit status: 0 all are canceled or will be, 1 one was over already or ended otherwise, 2 usage error or an
    unknown run, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.display import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.steering import steer

    async def act(admin: FleetAdmin, run_id: str) -> str | None:
        if not await admin.cancel(run_id, wait=wait):
            return None
        return "" if wait else "its cancellation was asked for"

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has a run there")
        status = asyncio.run(steer(address, namespace, read_seal_keys(seal_keys), runs, act, json=as_json))
    raise typer.Exit(status)
