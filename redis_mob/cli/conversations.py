"""How conversations are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from redis_mob.cli.columns import print_columns
from redis_mob.cli.console import printable
from redis_mob.cli.endings import print_line
from redis_mob.cli.words import duration_text, size_text, time_text
from redis_mob.errors import shortened
from redis_mob.models.base import json_text
from redis_mob.models.conversation import ConversationItem, ConversationRecord
from redis_mob.operations.conversations import handoff_in, object_in

MILLISECONDS = 1000


def show_conversations(found: Sequence[ConversationRecord], *, json: bool) -> None:
    """A row, or an object, for each conversation."""
    if json:
        for one in found:
            print_line(one.model_dump_json())
        return
    if not found:
        print_line("no conversation is there")
        return
    rows = [
        (
            printable(one.id),
            one.mob_id or "-",
            one.flow_id or "-",
            one.active or "-",
            str(max(one.runs - 1, 0)),
            str(one.items),
            "-" if one.expires_in_ms is None else duration_text(one.expires_in_ms / MILLISECONDS),
        )
        for one in found
    ]
    print_columns(
        ("ID", "MOB", "FLOW", "ACTIVE", "WAITING", "ITEMS", "EXPIRES IN"), rows, ids=("ACTIVE",), whole=("ID",)
    )


def show_conversation(record: ConversationRecord, items: Sequence[ConversationItem], *, json: bool) -> None:
    """What is known of a conversation, and the items of its history."""
    if json:
        told = {"number": 0, "at": "", "value": None}
        print_line(record.model_dump_json())
        for item in items:
            print_line(json_text({**told, "number": item.number, "at": item.at.isoformat(), "value": item.value}))
        return
    for line in _standing(record):
        print_line(line)
    for item in items:
        print_line(f"{time_text(item.at)}  {printable(said_in(item.value))}")


def _standing(record: ConversationRecord) -> Iterator[str]:
    owner = "" if record.flow_id is None else f" of flow {record.flow_id}, mob {record.mob_id}"
    yield printable(f"conversation {record.id}{owner}")
    if record.active is not None:
        yield f"active: run {record.active}"
    if record.waiting:
        more = record.runs - 1 - len(record.waiting)
        yield f"waiting: {', '.join(record.waiting)}{f' and {more:,} more' if more > 0 else ''}"
    if record.expires_in_ms is not None:
        yield f"expires in {duration_text(record.expires_in_ms / MILLISECONDS)}"
    size = f"{size_text(record.bytes)} of {size_text(record.max_bytes)}"
    yield f"history: {record.items:,} of {record.max_items:,} items, {size}"


def said_in(value: Any) -> str:
    """An item in one line: who says what, that an agent hands over to another one, or its JSON."""
    if (agent := handoff_in(value)) is not None:
        return f"-> hands over to {agent}"
    entry = object_in(value)
    if isinstance(role := entry.get("role"), str):
        content = entry.get("content")
        if isinstance(content, list):
            texts = [object_in(part).get("text") for part in cast("list[Any]", content)]
            content = " ".join(text for text in texts if isinstance(text, str))
        return f"{role}: {shortened(content if isinstance(content, str) else json_text(content))}"
    return shortened(value if isinstance(value, str) else json_text(value))
