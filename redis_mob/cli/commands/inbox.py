"""The options of `redis-mob inbox`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def inbox(
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many at most.")] = 100,
    answered: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Show instead what handlers of this run were answered, and by whom."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each ask.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show what handlers ask people, and who waits for it.

    The oldest is the first; `redis-mob answer` answers one of them.

    Exit status: 0 shown, 2 usage error or no such run, 3 storage unavailable.
    """
    from redis_mob.cli.admin_call import call_admin
    from redis_mob.cli.asks import show_answers, show_inbox
    from redis_mob.cli.run_argument import run_id_of
    from redis_mob.models.ask import AnsweredAsk, PendingAsk
    from redis_mob.operations.fleet_admin import FleetAdmin

    def tell(found: tuple[PendingAsk, ...]) -> None:
        show_inbox(found, json=as_json)

    def tell_answers(found: tuple[AnsweredAsk, ...]) -> None:
        show_answers(found, json=as_json)

    async def read_answers(admin: FleetAdmin) -> tuple[AnsweredAsk, ...]:
        return await admin.answers(await run_id_of(admin, answered or ""))

    of_memory = "no other process has runs there"
    if answered is not None:
        call_admin(url, namespace, seal_keys, read_answers, tell_answers, of_memory=of_memory)
        return
    call_admin(url, namespace, seal_keys, lambda admin: admin.inbox(limit=limit), tell, of_memory=of_memory)
