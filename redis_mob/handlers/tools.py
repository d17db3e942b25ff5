"""Python functions as tools of a model: the schema of their parameters, and their calls."""

from __future__ import annotations

import asyncio
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from redis_mob.errors import HandlerError, shortened, shown
from redis_mob.fleet.handler_threads import HandlerThreads
from redis_mob.fleet.said import bounded
from redis_mob.fleet.step_context import StepContext, StepFailed

MOST_RESULT_BYTES = 64 * 1024
"""How much of what a tool returns the model is told."""

MOST_COMPLAINTS = 5
"""Mistakes in the arguments of one call that the model is told."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ModelTool(ABC):
    """What a model may call: `name`, `description` and `parameters`, a JSON schema, are what it is told of it."""

    name: str
    description: str
    parameters: dict[str, Any]

    @abstractmethod
    async def call(self, ctx: StepContext, arguments: str) -> str:
        """What the model is told of a call, whose arguments it gave as JSON."""
        ...


class ToolSource(ABC):
    """Has tools for an attempt, such as those of an MCP server."""

    @abstractmethod
    def connected(self, ctx: StepContext, *, keeps: bool = True) -> AbstractAsyncContextManager[Sequence[ModelTool]]:
        """The tools, for as long as the block goes on, whose results are kept unless their caller does that.

        Raises StepFailed.
        """
        ...


class Tool(ModelTool):
    """A function that a model may call: `name`, `description` and `parameters` are what it is told of it.

    The description is the docstring, `parameters` a JSON schema made of the annotations, with what pydantic's `Field`
    adds to them. A parameter annotated as StepContext gets the context, and is not shown to the model. A coroutine
    function runs in the event loop, any other one in a thread. Raises HandlerError naming a function that cannot be a
    tool, and why.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        if not _NAME.fullmatch(self.name):
            raise HandlerError(f"tool {shown(self.name)}: the name of a tool is 1 to 64 letters, digits, _ and -")
        self.description = inspect.getdoc(function) or ""
        self._context_names: list[str] = []
        try:
            arguments: Any = self._arguments_of(function)
            self._adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(arguments)
            self.parameters = self._adapter.json_schema()
        except HandlerError:
            raise
        except Exception as error:  # annotations are code of the user's, and pydantic raises several for a bad one
            raise HandlerError(
                f"tool {shown(self.name)}: its parameters have no JSON schema: {shortened(error)}"
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        # the adapter cannot be pickled, and is made again in the process of an isolated handler
        return Tool, (self.function,)

    async def call(self, ctx: StepContext, arguments: str) -> str:
        """What the function returns, as the model is told it: a text as it is, any other value as JSON.

        Arguments that do not fit are not an error of the program: the text says what is wrong with them, so that the
        model can call again. Raises what the function raises.
        """
        try:
            given = self._adapter.validate_json(arguments or "{}")
        except ValidationError as error:
            return _complaints(error)
        given |= dict.fromkeys(self._context_names, ctx)
        if inspect.iscoroutinefunction(self.function):
            value = await self.function(**given)
        else:
            value = await _in_thread(lambda: self.function(**given))
            if inspect.isawaitable(value):
                value = await value
        return bounded(value if isinstance(value, str) else to_json(value).decode(), MOST_RESULT_BYTES)

    def _arguments_of(self, function: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
        """A function with the parameters that the model gives, which returns them: pydantic makes a schema of it."""
        hints = get_type_hints(function, include_extras=True)
        shown_to_model: list[inspect.Parameter] = []
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind not in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
                raise HandlerError(
                    f"tool {shown(self.name)}: parameter {shown(name)} cannot be given by its name; a tool "
                    "takes parameters with names alone"
                )
            if hints.get(name) is StepContext:
                self._context_names.append(name)
            else:
                shown_to_model.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

        def given(**arguments: Any) -> dict[str, Any]:
            return arguments

        given.__name__ = self.name
        given.__signature__ = inspect.Signature(shown_to_model)  # type: ignore[attr-defined]
        given.__annotations__ = {one.name: hints.get(one.name, Any) for one in shown_to_model}
        return given


def tools_by_name(functions: Iterable[Callable[..., Any]]) -> Mapping[str, Tool]:
    """The tools that these functions are. Raises HandlerError for two of one name, and for what cannot be a tool."""
    tools: dict[str, Tool] = {}
    for tool in map(Tool, functions):
        if tool.name in tools:
            raise HandlerError(f"two tools have the name {shown(tool.name)}")
        tools[tool.name] = tool
    return tools


@asynccontextmanager
async def opened_tools(
    functions: Mapping[str, ModelTool], sources: Sequence[ToolSource], ctx: StepContext, *, keeps: bool = True
) -> AsyncGenerator[Mapping[str, ModelTool]]:
    """The tools that the step allows, by name, with those of the sources. Raises StepFailed for two of one name."""
    async with AsyncExitStack() as stack:
        found = dict(functions)
        for source in sources:
            for tool in await stack.enter_async_context(source.connected(ctx, keeps=keeps)):
                if found.setdefault(tool.name, tool) is not tool:
                    raise StepFailed(
                        f"two tools have the name {shown(tool.name)}: give {source!r} a prefix", retryable=False
                    )
        yield {name: tool for name, tool in found.items() if ctx.profile.allows(name)}


async def _in_thread(function: Callable[[], Any]) -> Any:
    """What the function returns or raises. A thread of ours: one that hangs must not keep the program from ending."""

    def called() -> tuple[Any, BaseException | None]:
        try:
            return function(), None
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            return None, error

    threads = HandlerThreads()
    try:
        value, error = await asyncio.shield(threads.call(called))
    finally:
        threads.close()
    if error is not None:
        raise error
    return value


def _complaints(error: ValidationError) -> str:
    problems = [
        f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}"
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    more = f"; and {len(problems) - MOST_COMPLAINTS} more" if len(problems) > MOST_COMPLAINTS else ""
    return f"The arguments are wrong: {'; '.join(problems[:MOST_COMPLAINTS])}{more}. Call the tool again."
