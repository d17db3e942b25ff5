"""The options of `redis-mob delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from redis_mob.cli.options import (
    DryRunOption,
    JsonOfEachOption,
    NamespaceOption,
    RunsArgument,
    SealKeysOption,
    SharedUrlOption,
    YesOption,
)
from redis_mob.cli.run_choice import RunChoice, choosing_runs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Any

    from redis_mob.operations.bulk import SteeredRun
    from redis_mob.operations.fleet_admin import FleetAdmin


@choosing_runs
def delete(
    choice: RunChoice,
    runs: RunsArgument = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="End those first that are not over.")] = False,
    keep_key: Annotated[
        bool, typer.Option("--keep-key", help="Let their idempotency keys start no other run, for 30 days.")
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOfEachOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Delete runs with all that belongs to them.

    It cannot be undone. When it is interrupted, do it again. Options like --mob and --status choose all runs to which
    they apply; it shows how many, and asks. Those that are not over are among them with --cancel only.

    Exit status: 0 all are deleted, 1 one is not over or the answer was no, 2 usage error or an unknown run, 3 storage
    unavailable.
    """
    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.bulk_steering import SteeringOrder, steer_runs
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.models.run_status import OVER

    async def act(admin: FleetAdmin, run_id: str) -> str | None:
        await admin.delete(run_id, cancel=cancel, keep_key=keep_key)
        return "deleted"

    def act_on_all(admin: FleetAdmin, which: Mapping[str, Any]) -> AsyncIterator[SteeredRun]:
        return admin.delete_all(**which, cancel=cancel, keep_key=keep_key)

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has a run there")
        keys, named = read_seal_keys(seal_keys), runs or []
        order = SteeringOrder(
            "Delete for good", "deleted", () if cancel else OVER, act, act_on_all, question="Delete {runs} for good?"
        )
        status = steer_runs(address, namespace, keys, named, choice, order, yes=yes, dry_run=dry_run, json=as_json)
    raise typer.Exit(status)
