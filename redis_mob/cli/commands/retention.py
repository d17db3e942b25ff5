"""The options of `redis-mob retention`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


class Action(StrEnum):
    """What is done with policies."""

    SHOW = "show"
    SET = "set"
    CLEAR = "clear"
    APPLY = "apply"


_AGE = "AGE"


def retention(
    action: Annotated[
        Action, typer.Argument(metavar="ACTION", help="Show, set, clear or apply.", show_choices=False)
    ] = Action.SHOW,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Of apply: a .toml or .json file, or module:mob.", show_default=False),
    ] = None,
    completed: Annotated[
        str | None,
        typer.Option(
            metavar=_AGE, help="How long completed runs are kept: 7d, 12h; none for ever.", show_default=False
        ),
    ] = None,
    failed: Annotated[
        str | None, typer.Option(metavar=_AGE, help="How long failed runs are kept.", show_default=False)
    ] = None,
    canceled: Annotated[
        str | None, typer.Option(metavar=_AGE, help="How long canceled runs are kept.", show_default=False)
    ] = None,
    max_runs: Annotated[
        str | None,
        typer.Option(metavar="N", help="How many runs are kept at most; none for any number.", show_default=False),
    ] = None,
    events: Annotated[
        str | None, typer.Option(metavar=_AGE, help="How long events are kept, of all mobs.", show_default=False)
    ] = None,
    max_events: Annotated[
        str | None,
        typer.Option(metavar="N", help="How many events are kept at most, of all mobs.", show_default=False),
    ] = None,
    mob: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The policy of this mob; else that of all others.", show_default=False),
    ] = None,
    flow: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The policy of this flow of the mob alone.", show_default=False),
    ] = None,
    keep_key: Annotated[
        str | None,
        typer.Option(
            metavar=_AGE, help="How long the idempotency key of a deleted run still gives its id.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Set nothing: tell what workers would delete at once if it were set.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each policy.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show, set or clear how long runs and events are kept.

    Workers delete what is not kept, from then on; `set --dry-run` tells beforehand what that would be. `set` changes
    what is named, and leaves the rest as it is. A mob or a flow with a policy of its own follows that alone.

    `apply FILE` sets what the table [retention] of a definition says, for the mob and for its flows, in the place of
    what is stored for these. Workers that start with FILE set it where nothing is stored.

    Exit status: 0 done, 1 there was no policy to clear, 2 usage error, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.declared_retention import apply, declared_in, try_out
    from redis_mob.cli.endings import errors_told, say, shared_url
    from redis_mob.cli.exit_status import ExitStatus
    from redis_mob.cli.retention import Change, act_on_policies, show_policies, show_report, tried
    from redis_mob.errors import ValidationError, shown

    console = stderr_console()
    ages = {"completed": completed, "failed": failed, "canceled": canceled, "events": events, "keep_key": keep_key}
    numbers = {"max_runs": max_runs, "max_events": max_events}
    with errors_told(console):
        address = shared_url(url, of_memory="no other process has runs there")
        if action is Action.APPLY:
            declared = declared_in(file, {"mob": mob, "flow": flow, **ages, **numbers}, console)
            group, of_storage = None, (address, namespace, read_seal_keys(seal_keys))
            if dry_run:
                show_report(asyncio.run(try_out(*of_storage, declared)), json=as_json)
                return
            policies = asyncio.run(apply(*of_storage, declared))
        else:
            if file is not None:
                raise ValidationError(f"retention {action} takes no FILE ({shown(str(file))}): `retention apply` does")
            change = Change.of(action, mob, flow, ages, numbers)
            group, of_storage = change.group, (address, namespace, read_seal_keys(seal_keys))
            if dry_run:
                show_report(asyncio.run(tried(*of_storage, change)), json=as_json)
                return
            policies = asyncio.run(act_on_policies(*of_storage, change))
    if policies is None:
        say(console, "there is no such policy")
        raise typer.Exit(ExitStatus.FAILED)
    show_policies(policies, group, json=as_json)
