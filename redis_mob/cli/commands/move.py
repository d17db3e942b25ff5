"""The options of `redis-mob move`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from redis_mob.cli.options import JsonOfEachOption, NamespaceOption, SealKeysOption, SharedUrlOption

if TYPE_CHECKING:
    from redis_mob.operations.fleet_admin import FleetAdmin


def move(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Their ids, or what these begin with.")],
    release: Annotated[
        str | None, typer.Option(metavar="RELEASE", help="Whose workers are to go on with it.", show_default=False)
    ] = None,
    no_release: Annotated[
        bool, typer.Option("--no-release", help="Let the workers of any release go on with it.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also if no living worker there is made for its definition.")
    ] = False,
    as_json: JsonOfEachOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Let another release go on with runs.

    What waits goes to the workers of that release. What a worker executes now ends where it is, and counts. A run is
    moved only if a living worker of that release is made for its definition.

    Exit status: 0 all are moved, 1 one is over or no worker there is made for it, 2 usage error or an unknown run, 3
    storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.steering import steer
    from redis_mob.errors import ValidationError

    async def act(admin: FleetAdmin, run_id: str) -> str | None:
        moved = await admin.move(run_id, release, force=force)
        return (f"is for release {release}" if release is not None else "is for any release") if moved else None

    with errors_told(stderr_console()):
        if (release is None) is not no_release:
            raise ValidationError("say where to: --release RELEASE or --no-release")
        address = shared_url(url, of_memory="no other process has a run there")
        status = asyncio.run(steer(address, namespace, read_seal_keys(seal_keys), runs, act, json=as_json))
    raise typer.Exit(status)
