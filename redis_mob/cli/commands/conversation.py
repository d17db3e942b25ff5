"""The options of `redis-mob conversation`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def conversation(
    conversation: Annotated[str, typer.Argument(metavar="ID", help="The id of the conversation.")],
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="How many of the newest items to show.")] = 100,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it with its history; its runs stay.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON objects: it, and each item.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show a conversation: its runs, and what was said.

    Exit status: 0 shown, or deleted, 1 it cannot be deleted while a run is under way, 2 usage error, or no such
    conversation, 3 storage unavailable.
    """
    from redis_mob.cli.admin_call import call_admin
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.conversations import show_conversation
    from redis_mob.cli.endings import say
    from redis_mob.models.conversation import ConversationItem, ConversationRecord
    from redis_mob.operations.fleet_admin import FleetAdmin

    async def act(admin: FleetAdmin) -> tuple[ConversationRecord, list[ConversationItem]]:
        record = await admin.conversation(conversation)
        if delete:
            await admin.delete_conversation(conversation)
            return record, []
        return record, await admin.conversation_history(conversation, limit=limit)

    def tell(found: tuple[ConversationRecord, list[ConversationItem]]) -> None:
        if delete:
            say(stderr_console(), "deleted")
        else:
            show_conversation(*found, json=as_json)

    call_admin(url, namespace, seal_keys, act, tell, of_memory="no other process has conversations there")
