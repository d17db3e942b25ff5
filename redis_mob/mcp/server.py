"""Makes the server: a tool for each flow, tools for runs, and tools of operators (decision 0045)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
    ToolAnnotations,
)

from redis_mob.codec.arguments import flag, instance, listed, optional_instance
from redis_mob.errors import RedisMobError, ValidationError, did_you_mean, shown
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.run_wait import seconds_of
from redis_mob.fleet.said import bounded, class_of
from redis_mob.fleet.step_context import Handler
from redis_mob.mcp.desk import Desk
from redis_mob.mcp.flow_tools import FlowTool, flow_tools
from redis_mob.mcp.operating_tools import changing_tools, looking_tools
from redis_mob.mcp.run_handle import handle_schema
from redis_mob.mcp.run_tools import LONGEST_WAIT, run_tools
from redis_mob.mcp.tool import Answer, Call, ServedTool, refusal
from redis_mob.models.definition import MobDefinition
from redis_mob.storage import MobStorage
from redis_mob.version import __version__

WAIT_SECONDS = 10.0
"""How long a call waits for the end of a run: less than clients wait for a tool."""

FORM_SECONDS = 24 * 60 * 60
"""How long a person may look at a form of a client whose connection does not wait for it."""

MOST_MESSAGE_BYTES = 8 * 1024
"""How much of a message of an error a client is told."""

_log = logging.getLogger(__name__)


def mcp_server(
    storage: MobStorage,
    definition: MobDefinition | None = None,
    *,
    flows: Collection[str] | None = None,
    handlers: Mapping[str, Handler] | None = None,
    members: Mapping[str, int] | None = None,
    wait: float | timedelta = WAIT_SECONDS,
    answer: bool = False,
    operate: bool = False,
) -> Server[Any]:
    """A server of the official package, whose tools are the flows of a mob, and what is done with runs.

    Each flow, or each of `flows`, is a tool (contract: mcp-1) that starts a run, once for each idempotency key, waits
    up to `wait` seconds, and gives its outputs, or a handle by which `run_status` goes on (contract: mcp-4). Workers
    execute the runs, wherever they are. Without a definition there are no such tools, and nothing can be started.
    `handlers` are not called: what they are annotated with tells which parameters a flow takes that has no schema for
    them.

    What a run asks is put to the user of a client that shows forms. `answer` adds a tool by which the client itself
    answers what runs of this mob ask; `operate` adds tools that steer and delete any run of the namespace
    (contract: mcp-3).

    The storage stays the caller's, and has to stay open. Raises DefinitionError as `Fleet`, and for a schema that
    cannot be read; NotFoundError for a flow that the mob does not have; HandlerError for annotations that are wrong;
    ValidationError for a `wait` of more than five minutes.
    """
    seconds = seconds_of(wait)
    if seconds > LONGEST_WAIT:
        raise ValidationError(f"wait must be 0 to {LONGEST_WAIT} seconds, not {shown(wait)}")
    optional_instance("handlers", handlers, Mapping)
    mob = optional_instance("definition", definition, MobDefinition)
    desk = Desk(
        storage=instance("storage", storage, MobStorage),
        fleet=None if mob is None else Fleet(storage, mob, {}, members=members),
        mob_id=None if mob is None else mob.id,
        wait=seconds,
        answers=flag("answer", answer) and mob is not None,
        operates=flag("operate", operate),
    )
    chosen = () if mob is None else mob.flows if flows is None else listed("flows", flows)
    tools = {tool.declared.name: tool for tool in _tools(desk, mob, chosen, handlers or {})}

    async def list_tools(_ctx: ServerRequestContext[Any, Any], _page: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[tool.declared for tool in tools.values()])

    async def call_tool(ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> Answer:
        if (tool := tools.get(params.name)) is None:
            raise MCPError(INVALID_PARAMS, f"there is no tool {shown(params.name)}{did_you_mean(params.name, tools)}")
        return await _answer(tool, Call(ctx, params))

    server: Server[Any] = Server(
        "redis-mob" if mob is None else f"redis-mob {mob.id}",
        version=__version__,
        instructions=_instructions(desk),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    # a client gets the id of its run back from the form that it shows: sealed, so that it can name no other one
    security = RequestStateSecurity.ephemeral(ttl=FORM_SECONDS)
    server.middleware.append(RequestStateBoundary(security, default_audience=server.name))
    return server


def _tools(
    desk: Desk, mob: MobDefinition | None, flows: Collection[str], handlers: Mapping[str, Handler]
) -> Iterator[ServedTool]:
    fixed = [*run_tools(desk), *looking_tools(desk), *(changing_tools(desk) if desk.operates else ())]
    if mob is not None and desk.fleet is not None:
        taken = {tool.declared.name for tool in fixed}
        for tool in flow_tools(mob, flows, taken, handlers):
            yield _served(desk, desk.fleet, tool)
    yield from fixed


def _served(desk: Desk, fleet: Fleet, tool: FlowTool) -> ServedTool:
    async def answer(call: Call) -> Answer:
        if (started := call.params.request_state) is not None:
            return await desk.followed(call, started)
        params, key = tool.order(call.arguments)
        run_id = await fleet.start(tool.flow_id, params, key)
        try:
            return await desk.followed(call, run_id)
        except RedisMobError as error:
            return refusal(
                bounded(f"run {run_id} was started, and run_status tells of it: {error}", MOST_MESSAGE_BYTES)
            )

    declared = Tool(
        name=tool.name,
        title=tool.flow_id,
        description=f"{tool.description}\n\nIt gives the outputs; or, of a run that takes longer than {desk.wait:g} s "
        "or asks a person something, how it stands, and run_status tells more.",
        input_schema=dict(tool.input_schema),
        output_schema=handle_schema(),
        annotations=ToolAnnotations(read_only_hint=False),
    )
    return ServedTool(declared, answer)


async def _answer(tool: ServedTool, call: Call) -> Answer:
    """What the tool answers, or what was wrong, without a traceback and what else is of no use to a client."""
    try:
        return await tool.answer(call)
    except MCPError:
        raise
    except RedisMobError as error:
        return refusal(bounded(str(error), MOST_MESSAGE_BYTES))
    except Exception as error:  # noqa: BLE001 - a bug in one tool must not end the connection
        _log.exception("tool %s failed", shown(tool.declared.name))
        return refusal(f"the server failed at this ({class_of(error)}); its log says more")


def _instructions(desk: Desk) -> str:
    flows = "" if desk.fleet is None else f"The flows of mob {desk.mob_id} are tools: each call starts a run. "
    return (
        f"{flows}A run is working, input_required, completed, failed or cancelled. Ask run_status for one that is not "
        "over, after the seconds in poll_after_seconds. One that is input_required waits for a person: tell the user "
        "what it asks, and decide nothing in their place."
    )
