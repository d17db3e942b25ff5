"""The options of `redis-mob schedule`, which has commands of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from redis_mob.cli.options import FileArgument, NamespaceOption, SealKeysOption, SharedUrlOption, StrictOption

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from redis_mob.operations.fleet_admin import FleetAdmin

schedule = typer.Typer(no_args_is_help=True, help="Start flows again and again, by cron or interval.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The name of the schedule.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print a JSON object for each schedule.")]


@schedule.command()
def create(
    file: FileArgument,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What the schedule is called.")],
    flow: Annotated[
        str | None,
        typer.Argument(metavar="FLOW", help="The flow to start; the only one unless given.", show_default=False),
    ] = None,
    cron: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Minute, hour, day of month, month and day of week, as '0 9 * * MON-FRI'.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="How often, from 1s: 30s, 5m, 2h or 1d.", show_default=False),
    ] = None,
    flow_option: Annotated[
        str | None,
        typer.Option("--flow", metavar="NAME", help="The same as FLOW.", show_default=False),
    ] = None,
    params: Annotated[
        str | None, typer.Option(metavar="JSON", help="Parameters of each run, as JSON.", show_default=False)
    ] = None,
    members: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=N", help="How many members a role has, 1 unless given. Repeatable.", show_default=False
        ),
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="The zone of --cron, as Europe/Berlin.")] = "UTC",
    jitter: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Let each run begin up to so much later.", show_default=False),
    ] = None,
    catch_up: Annotated[
        str, typer.Option(metavar="POLICY", help="Of due times that were missed: none, last or all are made up for.")
    ] = "last",
    overlap: Annotated[
        str,
        typer.Option(metavar="POLICY", help="While the run before goes on: allow, skip, queue or cancel_running."),
    ] = "allow",
    priority: Annotated[int, typer.Option(metavar="N", help="Runs of a greater one go first, from -63 to 63.")] = 0,
    release: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only workers of this release execute the runs.", show_default=False),
    ] = None,
    starts_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not before then: ISO 8601.", show_default=False)
    ] = None,
    ends_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not after then: ISO 8601.", show_default=False)
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An attribute of each run. Repeatable.", show_default=False),
    ] = None,
    paused: Annotated[bool, typer.Option("--paused", help="Start nothing until it is resumed.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace one of this name that says another thing.")] = (
        False
    ),
    strict: StrictOption = False,
    as_json: JsonOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Store a schedule, which any worker fires.

    It has either --cron or --every. To create one again that says the same changes nothing.

    Exit status: 0 it is stored, 2 usage or definition error, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import parse_members, parse_params, read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.labels import parse_attributes
    from redis_mob.cli.run_input import flow_of, mob_input
    from redis_mob.cli.schedules import parse_length, parse_time, show_schedules
    from redis_mob.errors import ValidationError, shown
    from redis_mob.fleet.fleet import Fleet
    from redis_mob.models.flow_schedule import ScheduleRecord
    from redis_mob.storage import MobStorage

    console = stderr_console()
    with errors_told(console):
        definition, numbers, *_ = mob_input(file, console, strict=strict)
        counts = {**numbers, **parse_members(members or [], definition)}
        options: dict[str, Any] = {
            "cron": cron,
            "every": parse_length("--every", every),
            "timezone": timezone,
            **({} if jitter is None else {"jitter": parse_length("--jitter", jitter)}),
            "catch_up": catch_up,
            "overlap": overlap,
            "priority": priority,
            "release": release,
            "starts_at": parse_time("--starts-at", starts_at),
            "ends_at": parse_time("--ends-at", ends_at),
            "attributes": parse_attributes("--attribute", attribute),
            "paused": paused,
            "replace": replace,
        }
        if flow is not None and flow_option not in (None, flow):
            raise ValidationError(f"FLOW {shown(flow)} and --flow {shown(flow_option)} are two flows: name one")
        flow_id = flow_of(definition, flow or flow_option, "--flow" if flow is None and flow_option else "FLOW")
        given = parse_params(params)
        address = shared_url(url, of_memory="no worker has a schedule there")

        async def create_it() -> ScheduleRecord:
            async with MobStorage.open(address, namespace=namespace, seal_key=read_seal_keys(seal_keys)) as storage:
                return await Fleet(storage, definition, members=counts).schedule(name, flow_id, given, **options)

        made = asyncio.run(create_it())
        show_schedules([made], json=as_json)


@schedule.command(name="list")
def list_schedules(
    as_json: JsonOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """List the schedules, when each is due next, and why one is paused.

    Exit status: 0 listed, also if there are none, 2 usage error, 3 storage unavailable.
    """
    from redis_mob.cli.schedules import show_schedules

    _act(url, namespace, seal_keys, lambda admin: admin.schedules(), lambda found: show_schedules(found, json=as_json))


@schedule.command()
def show(
    name: NameArgument,
    count: Annotated[int, typer.Option(metavar="N", min=0, max=1000, help="How many due times to show.")] = 5,
    as_json: JsonOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show a schedule, its last run and its next due times.

    Exit status: 0 shown, 2 usage error or an unknown schedule, 3 storage unavailable.
    """
    from redis_mob.cli.schedules import show_schedule

    async def read(admin: FleetAdmin) -> Any:
        return await admin.schedule(name), await admin.next_times(name, count)

    _act(url, namespace, seal_keys, read, lambda found: show_schedule(*found, json=as_json))


@schedule.command()
def pause(
    name: NameArgument,
    as_json: JsonOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Let a schedule start nothing until it is resumed.

    Runs that it has started go on. Exit status: 0 it is paused, 2 usage error or an unknown schedule, 3 storage
    unavailable.
    """
    from redis_mob.cli.schedules import show_schedules

    _act(
        url,
        namespace,
        seal_keys,
        lambda admin: admin.pause_schedule(name),
        lambda record: show_schedules([record], json=as_json),
    )


@schedule.command()
def resume(
    name: NameArgument,
    as_json: JsonOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Let a paused schedule go on with its next due time.

    What was due while it was paused is not made up for. Exit status: 0 it goes on, 2 usage error or an unknown
    schedule, 3 storage unavailable.
    """
    from redis_mob.cli.schedules import show_schedules

    _act(
        url,
        namespace,
        seal_keys,
        lambda admin: admin.resume_schedule(name),
        lambda record: show_schedules([record], json=as_json),
    )


@schedule.command()
def delete(
    name: NameArgument,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Delete a schedule; runs that it has started go on.

    Exit status: 0 it is deleted, 2 usage error or an unknown schedule, 3 storage unavailable.
    """
    from redis_mob.cli.endings import print_line

    _act(
        url,
        namespace,
        seal_keys,
        lambda admin: admin.unschedule(name),
        lambda _: print_line(f"schedule {name!r} is deleted"),
    )


def _act(
    url: str | None,
    namespace: str,
    seal_keys: Path | None,
    act: Callable[[FleetAdmin], Awaitable[Any]],
    tell: Callable[[Any], None],
) -> None:
    """Do something with the schedules of a namespace, and tell what came of it."""
    from redis_mob.cli.admin_call import call_admin

    call_admin(url, namespace, seal_keys, act, tell, of_memory="no worker has a schedule there")
