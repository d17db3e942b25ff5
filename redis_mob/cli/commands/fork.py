"""The options of `redis-mob fork`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redis_mob.cli.options import ConversationOption, NamespaceOption, OnBusyOption, SealKeysOption, SharedUrlOption


def fork(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of the run, which is over.")],
    from_step: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STEP",
            help="The step, or the loop, that runs anew with all that runs after it; unless given, all that has not "
            "completed.",
            show_default=False,
        ),
    ] = None,
    params: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Other parameters, as JSON. What is carried over stays.", show_default=False),
    ] = None,
    definition: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Another definition of the mob: a .toml or .json file, or module:mob.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The same key always means the same new run.", show_default=False)
    ] = None,
    priority: Annotated[
        int | None, typer.Option(metavar="N", help="Another priority, from -63 to 63.", show_default=False)
    ] = None,
    release: Annotated[
        str | None, typer.Option(metavar="NAME", help="Another release of the handlers.", show_default=False)
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="An attribute of the new run, in the place of all that the old one has. Repeatable.",
            show_default=False,
        ),
    ] = None,
    conversation: ConversationOption = None,
    no_conversation: Annotated[
        bool,
        typer.Option("--no-conversation", help="The new run is in no conversation, though the old one is."),
    ] = False,
    on_busy: OnBusyOption = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the new run is over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object instead of the id.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Run a flow anew from a step, and keep what stands before.

    It prints the id of the new run, which takes over what the old one has completed; workers execute the rest. The old
    run stays as it is.

    Exit status: 0 started, or completed with --wait, 1 the run is not over, the new one failed or was canceled, or its
    conversation is busy, 2 usage or definition error, an unknown run or step, 3 storage unavailable, or an output is
    gone.
    """
    import asyncio

    from redis_mob.cli.arguments import parse_json, read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.exit_status import ExitStatus
    from redis_mob.cli.forking import forked
    from redis_mob.cli.labels import parse_attributes
    from redis_mob.cli.run_input import mob_input
    from redis_mob.errors import ValidationError
    from redis_mob.models.run_status import MobRunStatus
    from redis_mob.operations.forking import UNCHANGED, ForkOrder

    console = stderr_console()
    with errors_told(console):
        if conversation is not None and no_conversation:
            raise ValidationError("give --conversation or --no-conversation, not both")
        address = shared_url(url, of_memory="no other process has a run there")
        other = None if definition is None else mob_input(definition, console, strict=False).definition
        order = ForkOrder.of(
            from_step,
            UNCHANGED if params is None else parse_json("--params", params, '{"path": "src"}'),
            other,
            key,
            priority=priority,
            at=None,
            release=UNCHANGED if release is None else release,
            attributes=UNCHANGED if attribute is None else parse_attributes("--attribute", attribute),
            conversation=conversation if conversation is not None or no_conversation else UNCHANGED,
            on_busy=on_busy,
        )
        keys = read_seal_keys(seal_keys)
        status = asyncio.run(forked(address, namespace, keys, run, order, console, wait=wait, as_json=as_json))
    ends_well = status in (None, MobRunStatus.COMPLETED)
    raise typer.Exit(ExitStatus.COMPLETED if ends_well else ExitStatus.FAILED)
