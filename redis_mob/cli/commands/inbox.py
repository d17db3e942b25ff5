"""The options of `redis-mob inbox`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def inbox(
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many at most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each ask.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show what handlers ask people, and who waits for it.

    The oldest is the first; `redis-mob answer` answers one of them.

    Exit status: 0 shown, 2 usage error, 3 storage unavailable.
    """
    from redis_mob.cli.admin_call import call_admin
    from redis_mob.cli.asks import show_inbox
    from redis_mob.models.ask import PendingAsk

    def tell(found: tuple[PendingAsk, ...]) -> None:
        show_inbox(found, json=as_json)

    of_memory = "no other process has runs there"
    call_admin(url, namespace, seal_keys, lambda admin: admin.inbox(limit=limit), tell, of_memory=of_memory)
