"""What a tool of the server is: what a client is told of it, and what a call does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mcp.server import ServerRequestContext
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ElicitationCapability,
    InputRequiredResult,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel, ConfigDict, ValidationError

from redis_mob import errors
from redis_mob.errors import shown
from redis_mob.models.base import json_text

MOST_ANSWER_BYTES = 256 * 1024
"""How long an answer may be as JSON."""

MOST_COMPLAINTS = 5
"""Mistakes in the arguments of one call that are told."""

Answer = CallToolResult | InputRequiredResult


class Arguments(BaseModel):
    """The arguments of a tool; one that it does not have is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its parameters, and the client that makes it."""

    ctx: ServerRequestContext[Any, Any]
    params: CallToolRequestParams

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments as they were given."""
        return self.params.arguments or {}

    async def tell(self, number: float, message: str) -> None:
        """Tell the client how far its call is, if it has asked for that."""
        await self.ctx.session.report_progress(number, message=message)

    @property
    def shows_forms(self) -> bool:
        """Whether the client can put a form to a person."""
        declared = self.ctx.session.client_capabilities
        return declared is not None and _takes_forms(declared.elicitation)

    @property
    def by(self) -> str:
        """Who is said to have given an answer."""
        client = self.ctx.session.client_params
        return "an MCP client" if client is None else f"an MCP client ({client.client_info.name})"


@dataclass(frozen=True, slots=True)
class ServedTool:
    """A tool of the server."""

    declared: Tool
    answer: Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class FixedTool(Generic[A]):
    """A tool that every server of its kind has: `act` gets its arguments, checked."""

    name: str
    description: str
    arguments: type[A]
    act: Callable[[Call, A], Awaitable[Answer]]
    changes: bool = False
    destroys: bool = False
    output_schema: Mapping[str, Any] | None = None

    def served(self) -> ServedTool:
        """The tool as the server has it."""
        annotations = ToolAnnotations(
            read_only_hint=not self.changes,
            destructive_hint=self.destroys if self.changes else None,
            open_world_hint=False,
        )
        declared = Tool(
            name=self.name,
            description=self.description,
            input_schema=self.arguments.model_json_schema(),
            output_schema=None if self.output_schema is None else dict(self.output_schema),
            annotations=annotations,
        )
        return ServedTool(declared, self._answer)

    async def _answer(self, call: Call) -> Answer:
        try:
            given = self.arguments.model_validate_json(json_text(dict(call.arguments)))
        except ValidationError as error:
            raise errors.ValidationError(
                f"the arguments of tool {shown(self.name)} are wrong: {_said(error)}"
            ) from None
        return await self.act(call, given)


def answer_of(value: Mapping[str, Any], *, is_error: bool = False) -> CallToolResult:
    """An object as an answer: structured, and as text for clients that read only that.

    Raises ValidationError for one that is too long.
    """
    text = json_text(value)
    if (length := len(text.encode())) > MOST_ANSWER_BYTES:
        raise errors.ValidationError(
            f"the answer has {length:,} bytes, and may have {MOST_ANSWER_BYTES:,}: ask for less, as with a limit"
        )
    content = [TextContent(type="text", text=text)]
    return CallToolResult(content=list(content), structured_content=dict(value), is_error=is_error)


def refusal(message: str) -> CallToolResult:
    """An answer that says what was wrong, so that a model can call again (contract: mcp-7)."""
    return CallToolResult(content=[TextContent(type="text", text=message)], is_error=True)


def _takes_forms(declared: ElicitationCapability | None) -> bool:
    # one that says neither has forms: they were all there was at first
    return declared is not None and (declared.form is not None or declared.url is None)


def _said(error: ValidationError) -> str:
    problems = [
        f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}"
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    more = f"; and {len(problems) - MOST_COMPLAINTS} more" if len(problems) > MOST_COMPLAINTS else ""
    return f"{'; '.join(problems[:MOST_COMPLAINTS])}{more}"
