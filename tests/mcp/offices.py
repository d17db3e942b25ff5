"""What the tests of MCP share: a mob with flows of each kind, its handlers, and a server of them with a client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from mcp import Client
from mcp.types import CallToolResult, TextContent

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.mcp import mcp_server
from redis_mob.models.definition import MobDefinition
from redis_mob.storage import MobStorage

DEFINITION = """
[mob]
id = "office"

[profiles.clerk]
model = "none"

[profiles.sender]
model = "none"

[profiles.grump]
model = "none"

[profiles.sleeper]
model = "none"

[flows.echo]
description = "Gives back what it is told."
output = "steps.work"

[flows.echo.steps.work]
role = "clerk"
message = "Do it"
dispatch_mode = "one_to_one"
collection_policy = { type = "any" }

[flows.greet]
params_schema_ref = '{"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": false}'

[flows.greet.steps.work]
role = "clerk"
message = "Greet"

[flows.mail.steps.send]
role = "sender"
message = "Write"

[flows.refuse.steps.work]
role = "grump"
message = "Do it"

[flows.sleep.steps.work]
role = "sleeper"
message = "Do it"
timeout_ms = 600_000
"""  # noqa: E501 - a schema as it stands in a definition

OFFICE = MobDefinition.from_toml(DEFINITION)


async def echo(ctx: StepContext) -> Any:
    return ctx.params


async def send(ctx: StepContext) -> str:
    answer = await ctx.ask("send", "Dear Ann", schema={"type": "string"})
    if not answer.approved:
        raise StepFailed(f"denied: {answer.message}", retryable=False)
    return f"{answer.by} sends: {answer.value}"


async def refuse(_ctx: StepContext) -> None:
    raise StepFailed("I would rather not", retryable=False)


async def sleep(ctx: StepContext) -> None:
    await ctx.report(0.5, "half way")
    await asyncio.Event().wait()


HANDLERS = {"clerk": echo, "sender": send, "grump": refuse, "sleeper": sleep}


@asynccontextmanager
async def client_of(
    storage: MobStorage,
    *,
    definition: MobDefinition | None = OFFICE,
    client: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncGenerator[Client]:
    """A client in this process, of a server over the storage."""
    async with Client(mcp_server(storage, definition, **options), **(client or {})) as connected:
        yield connected


@asynccontextmanager
async def working(storage: MobStorage) -> AsyncGenerator[None]:
    """A worker for all of it."""
    async with Fleet(storage, OFFICE, HANDLERS).working():
        yield


def told(result: CallToolResult) -> dict[str, Any]:
    """The object that a tool has given."""
    assert not result.is_error, text_of(result)
    given: dict[str, Any] = result.structured_content
    assert json.loads(text_of(result)) == given
    return given


def text_of(result: CallToolResult) -> str:
    """The text that a tool has given."""
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text
