"""The options of `redis-mob webhook`, which has commands of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from redis_mob.cli.options import EventFlowOption, EventMobOption, NamespaceOption, SealKeysOption, SharedUrlOption

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from redis_mob.operations.fleet_admin import FleetAdmin

webhook = typer.Typer(no_args_is_help=True, help="Post events to a URL: workers do, signed, at least once.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The name of the webhook.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print a JSON object for each webhook.")]
OneAsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object.")]


@webhook.command()
def create(
    name: NameArgument,
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="The http or https URL to post to.", show_default=False)
    ],
    secret_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Sign with the secret in this file, - for standard input: whsec_ and base64. Else one is made.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Only events of this kind, as flow_failed. Repeatable.", show_default=False),
    ] = None,
    mob: EventMobOption = None,
    flow: EventFlowOption = None,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="CURSOR",
            help="Begin after this cursor: 0 is the beginning, now the next event.",
            show_default="now",
        ),
    ] = None,
    max_attempts: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="How often an event is posted until it is a dead letter.", show_default="40, about a day"
        ),
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long an attempt may take, 1s to 60s.", show_default="10s")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace one of this name; it goes on where it is.")] = (
        False
    ),
    as_json: OneAsJson = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Store a webhook, and show its secret.

    Exit status: 0 it is stored, 2 usage error, 3 storage unavailable.
    """
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told
    from redis_mob.cli.schedules import parse_length
    from redis_mob.cli.secret_files import secret_in
    from redis_mob.cli.tailing import cursor_of
    from redis_mob.cli.unsealed import unsealed_told
    from redis_mob.cli.webhooks import show_created

    console = stderr_console()
    with errors_told(console):
        length = parse_length("--timeout", timeout)
        options: dict[str, Any] = {
            "secret": secret_in(secret_file),
            "kinds": kind or None,
            "mob": mob,
            "flow": flow,
            "after": cursor_of(begin, has_run=False),
            "replace": replace,
            **({} if max_attempts is None else {"max_attempts": max_attempts}),
            **({} if length is None else {"timeout": length}),
        }
    with unsealed_told(console, "the secret is"):
        _act(
            url,
            namespace,
            seal_keys,
            lambda admin: admin.set_webhook(name, target, **options),
            lambda made: show_created(made, json=as_json),
            create=True,
        )


@webhook.command(name="list")
def list_webhooks(
    as_json: JsonOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """List the webhooks, and how far each is.

    Exit status: 0 listed, also if there are none, 2 usage error, 3 storage unavailable.
    """
    from redis_mob.cli.webhooks import seen_webhooks, show_seen

    _act(url, namespace, seal_keys, seen_webhooks, lambda seen: show_seen(seen, json=as_json))


@webhook.command()
def show(
    name: NameArgument,
    as_json: OneAsJson = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show a webhook, how far it is, and the runs that are held up.

    Exit status: 0 shown, 2 usage error or an unknown webhook, 3 storage unavailable.
    """
    from redis_mob.cli.webhooks import show_webhook

    _act(url, namespace, seal_keys, lambda admin: admin.webhook(name), lambda found: show_webhook(found, json=as_json))


@webhook.command()
def pause(
    name: NameArgument,
    as_json: JsonOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Post nothing until it is resumed; events wait.

    Exit status: 0 it is paused, 2 usage error or an unknown webhook, 3 storage unavailable.
    """
    from redis_mob.cli.webhooks import show_webhooks

    _act(
        url,
        namespace,
        seal_keys,
        lambda admin: admin.pause_webhook(name),
        lambda found: show_webhooks([found], json=as_json),
    )


@webhook.command()
def resume(
    name: NameArgument,
    as_json: JsonOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Let a paused webhook go on where it is.

    What is held up is tried at once.

    Exit status: 0 it goes on, 2 usage error or an unknown webhook, 3 storage unavailable.
    """
    from redis_mob.cli.webhooks import show_webhooks

    _act(
        url,
        namespace,
        seal_keys,
        lambda admin: admin.resume_webhook(name),
        lambda found: show_webhooks([found], json=as_json),
    )


@webhook.command()
def delete(
    name: NameArgument,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Delete a webhook with its dead letters.

    Exit status: 0 it is deleted, 2 usage error or an unknown webhook, 3 storage unavailable.
    """
    from redis_mob.cli.endings import print_line

    _act(
        url,
        namespace,
        seal_keys,
        lambda admin: admin.remove_webhook(name),
        lambda _: print_line(f"webhook {name!r} is deleted"),
    )


@webhook.command()
def dead(
    name: NameArgument,
    after: Annotated[int, typer.Option(metavar="CURSOR", min=0, help="Only events behind this cursor.")] = 0,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="How many at most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each dead letter.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """List the events that could not be delivered.

    Exit status: 0 listed, also if there are none, 2 usage error or an unknown webhook, 3 storage unavailable.
    """
    from redis_mob.cli.webhooks import show_letters

    _act(
        url,
        namespace,
        seal_keys,
        lambda admin: admin.dead_letters(name, after=after, limit=limit),
        lambda letters: show_letters(letters, json=as_json),
    )


@webhook.command()
def redeliver(
    name: NameArgument,
    cursors: Annotated[
        list[int] | None,
        typer.Argument(metavar="[CURSOR]...", help="Of which events; all unless given.", show_default=False),
    ] = None,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Have dead letters tried once more by a worker.

    One that fails is dead again.

    Exit status: 0 they will be tried, 1 there are none of them, 2 usage error or an unknown webhook, 3 storage
    unavailable.
    """
    from redis_mob.cli.endings import print_line
    from redis_mob.cli.exit_status import ExitStatus

    def tell(number: int) -> None:
        print_line(f"{number} {'event is' if number == 1 else 'events are'} tried once more")
        if not number:
            raise typer.Exit(ExitStatus.FAILED)

    _act(url, namespace, seal_keys, lambda admin: admin.redeliver(name, cursors or None), tell)


@webhook.command()
def test(
    name: NameArgument,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Post a signed test once, from here.

    It is no event: its kind is webhook_test, its cursor 0.

    Exit status: 0 it was taken, 1 it was not, 2 usage error or an unknown webhook, 3 storage unavailable.
    """
    from redis_mob.cli.console import printable
    from redis_mob.cli.endings import print_line
    from redis_mob.cli.exit_status import ExitStatus

    def tell(error: str | None) -> None:
        print_line("the receiver has taken it" if error is None else f"not taken: {printable(error)}")
        if error is not None:
            raise typer.Exit(ExitStatus.FAILED)

    _act(url, namespace, seal_keys, lambda admin: admin.test_webhook(name), tell)


def _act(
    url: str | None,
    namespace: str,
    seal_keys: Path | None,
    act: Callable[[FleetAdmin], Awaitable[Any]],
    tell: Callable[[Any], None],
    *,
    create: bool = False,
) -> None:
    """Do something with the webhooks of a namespace, and tell what came of it."""
    from redis_mob.cli.admin_call import call_admin

    call_admin(url, namespace, seal_keys, act, tell, of_memory="no worker has a webhook there", create=create)
