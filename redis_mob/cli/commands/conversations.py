"""The options of `redis-mob conversations`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def conversations(
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many at most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each conversation.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """List conversations, and the runs that are under way there.

    Those with a run under way come first, then those that expire last.

    Exit status: 0 shown, 2 usage error, 3 storage unavailable.
    """
    from redis_mob.cli.admin_call import call_admin
    from redis_mob.cli.conversations import show_conversations
    from redis_mob.models.conversation import ConversationRecord

    def tell(found: tuple[ConversationRecord, ...]) -> None:
        show_conversations(found, json=as_json)

    of_memory = "no other process has conversations there"
    call_admin(url, namespace, seal_keys, lambda admin: admin.conversations(limit=limit), tell, of_memory=of_memory)
