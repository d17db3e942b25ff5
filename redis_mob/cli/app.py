"""The command line: the options of each command. What a command does is imported when it is called.

Its help is asked for often, and needs no more than these options.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redis_mob.cli.bench import bench
from redis_mob.connection.servers.defaults import DEFAULT_USER, URL_VARIABLE
from redis_mob.version import __version__

SEAL_KEYS_VARIABLE = "REDIS_MOB_SEAL_KEYS"

UrlOption = Annotated[str | None, typer.Option(help="The storage.", envvar=URL_VARIABLE, show_default="embedded:")]
NamespaceOption = Annotated[str, typer.Option(help="The part of the storage to use.")]
SealKeysOption = Annotated[
    Path | None,
    typer.Option(
        envvar=SEAL_KEYS_VARIABLE,
        help="A file with the keys that seal the secrets of the namespace, one in each line, the newest first.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")]
DurabilityOption = Annotated[
    str, typer.Option(help="What the storage is opened with: memory, fsync or replicas:N.", metavar="DURABILITY")
]

app = typer.Typer(
    name="redis-mob",
    help="Run multi-agent flows exactly once, on Redis or Valkey.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)


def run_command() -> None:
    """Run the command of this process's arguments, and end the process with its exit status."""
    app(prog_name="redis-mob")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"redis-mob {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The command as a whole, so that `run` is a command of its own."""


@app.command()
def run(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A .toml or .json file, or module:mob.", show_default=False),
    ],
    flow: Annotated[str | None, typer.Option(help="The flow to run.", show_default=False)] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings about FILE count as errors.")] = False,
    handler: Annotated[
        str | None,
        typer.Option(help="module:function for all roles, or module:dict from role to function.", show_default=False),
    ] = None,
    workers: Annotated[int, typer.Option(help="Worker processes, up to 256.")] = 1,
    params: Annotated[str | None, typer.Option(help="Parameters of the flow, as JSON.", show_default=False)] = None,
    members: Annotated[
        list[str] | None,
        typer.Option(help="role=N: how many members a role has, 1 unless given. Repeatable.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    concurrency: Annotated[int, typer.Option(help="Steps that one worker executes at once, up to 1000.")] = 16,
    lease: Annotated[
        float, typer.Option(help="Seconds until others take over the steps of a worker that was lost.")
    ] = 10.0,
    drain_timeout: Annotated[
        float, typer.Option(help="Seconds that steps under way have after SIGTERM, before they are handed back.")
    ] = 25.0,
    release: Annotated[
        str | None,
        typer.Option(help="The release of the handlers: only workers of it execute the run.", show_default=False),
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key always means the same run.", show_default=False)
    ] = None,
    seal_keys: SealKeysOption = None,
    durability: Annotated[
        str,
        typer.Option(metavar="DURABILITY", help="How safe each write is made: memory, fsync or replicas:N."),
    ] = "memory",
) -> None:
    """Run a flow to its end with worker processes, and show it meanwhile.

    Ctrl-C cancels the run. SIGTERM leaves it to other workers, or to the next start with its idempotency key; a run on
    embedded: is canceled, since its server ends too.

    Exit status: 0 completed, 1 failed, canceled or left, 2 usage or definition error, 3 storage unavailable.
    """
    from redis_mob.cli import commands

    commands.run(
        file=file,
        flow=flow,
        strict=strict,
        handler=handler,
        workers=workers,
        params=params,
        members=members,
        as_json=as_json,
        url=url,
        namespace=namespace,
        concurrency=concurrency,
        lease=lease,
        drain_timeout=drain_timeout,
        release=release,
        idempotency_key=idempotency_key,
        seal_keys=seal_keys,
        durability=durability,
    )


@app.command()
def signal(
    run: Annotated[str, typer.Argument(help="The id of the run.")],
    name: Annotated[str, typer.Argument(help="The name of the signal that a step waits for.")],
    payload: Annotated[str | None, typer.Option(help="Its payload, as JSON.", show_default="null")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Sends it once, however often this is called.", show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Print the step that takes it, as JSON, once one has.")] = False,
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Send a signal to a run, for a step that waits for it, now or later.

    Exit status: 0 sent, 1 the run is over or ends before a step takes it, 2 usage error, an unknown run or signal, or a
    payload that is refused, 3 storage unavailable.
    """
    from redis_mob.cli import commands

    commands.signal(
        run=run,
        name=name,
        payload=payload,
        idempotency_key=idempotency_key,
        wait=wait,
        url=url,
        namespace=namespace,
        seal_keys=seal_keys,
    )


@app.command()
def seal_key(
    id: Annotated[str | None, typer.Argument(help="Its id; a random one unless given.", show_default=False)] = None,
) -> None:
    """Print a new random key that seals secrets, as a line for the file that --seal-keys names.

    With this line everything that the key sealed can be opened; without it the secrets are lost.
    """
    from redis_mob.cli import commands

    commands.seal_key(
        id=id,
    )


@app.command()
def doctor(
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    durability: DurabilityOption = "memory",
    as_json: JsonOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
) -> None:
    """Look at a server for what would lose data or break, and say what to change. Writes nothing there.

    Exit status: 0 no errors, 1 errors, with --strict also warnings, 2 usage error, 3 storage unavailable.
    """
    from redis_mob.cli import commands

    commands.doctor(
        url=url,
        namespace=namespace,
        durability=durability,
        as_json=as_json,
        strict=strict,
    )


@app.command()
def accept_loss(
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    run: Annotated[
        str | None, typer.Option(metavar="ID", help="The run that has lost something.", show_default="the namespace")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Let what a namespace, or with --run a run of it, has lost count as never written, and print what that was.

    Calls that would rely on lost records are refused until they are brought back, or their loss is accepted; the doctor
    tells of them. This brings nothing back, and cannot be undone. It changes nothing if nothing is missing. Records of
    an older release, which did not count them, are counted from then on.
    """
    from redis_mob.cli import commands

    commands.accept_loss(
        url=url,
        namespace=namespace,
        run=run,
        as_json=as_json,
    )


@app.command()
def acl(
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    user: Annotated[
        str | None, typer.Option(help="Its name; that in the URL unless given.", show_default=DEFAULT_USER)
    ] = None,
    durability: DurabilityOption = "memory",
    as_json: JsonOption = False,
) -> None:
    """Print the ACL SETUSER command for a user who can work in one namespace and do nothing else.

    The server is not asked; give the URL if it names a user or a database.
    """
    from redis_mob.cli import commands

    commands.acl(
        url=url,
        namespace=namespace,
        user=user,
        durability=durability,
        as_json=as_json,
    )


app.command()(bench)
