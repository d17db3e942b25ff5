"""The options of `redis-mob delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption

if TYPE_CHECKING:
    from redis_mob.operations.fleet_admin import FleetAdmin


def delete(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Their ids, or what these begin with.")],
    cancel: Annotated[bool, typer.Option("--cancel", help="End those first that are not over.")] = False,
    keep_key: Annotated[
        bool, typer.Option("--keep-key", help="Let their idempotency keys start no other run, for 30 days.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each run.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Delete runs with all that belongs to them.

    It cannot be undone. When it is interrupted, do it again.
    Exit status: 0 all are deleted, 1 one is not over or the answer was no, 2 usage error or an unknown run, 3 storage
    unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.display import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.steering import confirmed, steer

    async def act(admin: FleetAdmin, run_id: str) -> str | None:
        await admin.delete(run_id, cancel=cancel, keep_key=keep_key)
        return "deleted"

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has a run there")
        keys = read_seal_keys(seal_keys)
        confirmed(f"Delete {len(runs)} run{'s' * (len(runs) > 1)} for good?", yes=yes)
        status = asyncio.run(steer(address, namespace, keys, runs, act, json=as_json))
    raise typer.Exit(status)
