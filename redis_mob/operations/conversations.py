"""Conversations as operators see them: which runs are under way, and what was said."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

from pydantic_core import from_json

from redis_mob.codec.arguments import integer
from redis_mob.codec.conversations import checked_id, unknown_conversation
from redis_mob.errors import SerializationError
from redis_mob.fleet.conversation_start import release_if_over
from redis_mob.models.conversation import MOST_ITEMS, ConversationItem, ConversationRecord
from redis_mob.storage import MobStorage

_AT_A_TIME = 16
"""Conversations that are read at a time."""

_PAGE = 200
"""Ids that are read in one go."""


async def conversation(storage: MobStorage, named: str) -> ConversationRecord:
    """See `FleetAdmin.conversation`."""
    record = await storage.conversations.find(checked_id(named))
    if record is not None and record.active is not None:
        await release_if_over(storage, named, record.active)
        record = await storage.conversations.find(named)
    if record is None:
        raise unknown_conversation(named, storage.namespace)
    return record


async def conversations(storage: MobStorage, limit: int, after: int) -> tuple[ConversationRecord, ...]:
    """See `FleetAdmin.conversations`."""
    most, passed, found = max(integer("limit", limit), 0), integer("after", after, least=0), list[ConversationRecord]()
    while len(found) < most:
        ids = await storage.conversations.page(after=passed, limit=_PAGE)
        for at in range(0, len(ids), _AT_A_TIME):
            read = await asyncio.gather(*map(storage.conversations.find, ids[at : at + _AT_A_TIME]))
            found += (one for one in read if one is not None)  # others have expired
        if len(ids) < _PAGE:
            break
        passed += len(ids)
    return tuple(found[:most])


async def history(storage: MobStorage, named: str, limit: int | None) -> list[ConversationItem]:
    """See `FleetAdmin.conversation_history`."""
    most = MOST_ITEMS if limit is None else integer("limit", limit, least=0)
    return await storage.conversations.history(named, limit=most)


async def delete(storage: MobStorage, named: str) -> None:
    """See `FleetAdmin.delete_conversation`."""
    with suppress(SerializationError):  # what is damaged is deleted too
        await conversation(storage, named)
    if not await storage.conversations.delete(named):
        raise unknown_conversation(named, storage.namespace)


def handoff_in(item: Any) -> str | None:
    """The agent to which another one hands over by this item, None if it is none.

    In the items of the OpenAI Agents library that is the result of a call whose text is an object with the name of the
    agent that goes on.
    """
    entry = object_in(item)
    if entry.get("type") != "function_call_output":
        return None
    output = entry.get("output")
    try:
        told = object_in(from_json(output) if isinstance(output, str) else output)
    except ValueError:
        return None
    named = told.get("assistant") if len(told) == 1 else None
    return named if isinstance(named, str) else None


def object_in(value: Any) -> Mapping[str, Any]:
    """A JSON object; an empty one for any other value."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
