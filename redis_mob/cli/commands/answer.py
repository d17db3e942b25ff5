"""The options of `redis-mob answer`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def answer(
    ask: Annotated[str, typer.Argument(metavar="ID", help="The id of the ask, or what only that begins with.")],
    approve: Annotated[bool, typer.Option("--approve", help="Approve it, as without --deny.")] = False,
    deny: Annotated[bool, typer.Option("--deny", help="Deny it; with --message the handler learns why.")] = False,
    value: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Approve this instead of what was asked for.", show_default=False),
    ] = None,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="What to tell the handler.")] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who answers.")] = None,
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="The id of its run: tells what became of an ask that is over.")
    ] = None,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Answer what a handler asks, so that its run goes on.

    Exit status: 0 answered, 1 it has another answer or its run is over, 2 usage error, an ask that is not pending, or a
    value that is refused, 3 storage unavailable.
    """
    from redis_mob.cli.admin_call import call_admin
    from redis_mob.cli.arguments import parse_json
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, say
    from redis_mob.cli.run_argument import run_id_of
    from redis_mob.errors import ValidationError
    from redis_mob.operations.fleet_admin import FleetAdmin
    from redis_mob.operations.forking import UNCHANGED

    console = stderr_console()
    with errors_told(console):
        if approve and deny:
            raise ValidationError("give --approve or --deny, not both")
        given = UNCHANGED if value is None else parse_json("--value", value, '"another title"')

    async def act(admin: FleetAdmin) -> bool:
        run_id = None if run is None else await run_id_of(admin, run)
        return await admin.answer(ask, approved=not deny, value=given, message=message, by=by, run_id=run_id)

    def tell(is_new: bool) -> None:
        if is_new:
            say(console, "denied" if deny else "approved, with another value" if value is not None else "approved")
        else:
            say(console, "it has this answer already")

    call_admin(url, namespace, seal_keys, act, tell, of_memory="no other process has a run there")
